"""Payloads of real programs, read in place; and short forms of findings to compare with."""

from __future__ import annotations

from pathlib import Path

import pytest

from topology.findings import Findings

FOLDER = Path(__file__).parents[4] / "shared" / "payloads" / "topology"


def payload(name: str) -> bytes:
    """Return an example, or skip the test where there are none."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"the example payloads are not beside the repository, in {FOLDER}")
    return path.read_bytes()


def edges(findings: Findings) -> set[str]:
    """Return the dependencies as `source -> to (type)`; without a type they are calls."""
    return {
        f"{edge.source} -> {edge.to}" + ("" if edge.type == "calls" else f" ({edge.type})")
        for edge in findings.dependencies
    }
