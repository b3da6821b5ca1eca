"""The exceptions of the correlator.

CorrelatorError
├── ConfigError          a configuration, topology or model file the user must correct; exit 2
│   └── TopologyError
├── SourceError          a source of the topology that cannot be reached or understood
├── InputError           bad input from a sender: counted, dead-lettered, never fatal
├── LogError             a dump of the event log that cannot be replayed
├── SnapshotError        a snapshot this version cannot read
└── BrokerError          the development broker cannot run (`devkafka`)
    └── Unavailable      something must be installed or set first
"""

from __future__ import annotations

from collections.abc import Sequence


class CorrelatorError(Exception):
    """Root of all errors raised on purpose."""


class ConfigError(CorrelatorError):
    """A file of the user has problems; all of them are reported at once."""

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{source}: {problem}" for problem in self.problems))


class TopologyError(ConfigError):
    """A topology file or document is not a graph we can use."""


class SourceError(CorrelatorError):
    """A source of the topology cannot be reached, or what it says cannot be understood."""


class InputError(CorrelatorError):
    """A sender's message cannot be understood; `reason` is from a closed set, `detail` is for a human."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")


class LogError(CorrelatorError):
    """A record of `correlator-events` is not one this version wrote."""


class SnapshotError(CorrelatorError):
    """A snapshot is damaged or of a version this program does not read."""
