"""The honest simulator: alert streams with known causes, from a model that no engine shares (docs/simulator.md)."""

from correlator.simulator.command import run
from correlator.simulator.presets import PRESETS, preset
from correlator.simulator.simulation import Simulation, simulate
from correlator.simulator.writing import write

__all__ = ["PRESETS", "Simulation", "preset", "run", "simulate", "write"]
