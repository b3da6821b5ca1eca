"""Who an incident is addressed to: the owner's route, else the team, else the default."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from correlator.domain import IncidentEvent


def _never(name: str) -> bool:
    return False


class Routes(msgspec.Struct, frozen=True, kw_only=True):
    """The routing table of one target.

    `table` maps a route or a team to the name of an address, `default` is the name for whoever is not in it. A name is
    that of an environment variable where the address is a secret, else the address itself. The name is what a mark
    remembers: no secret is written to Kafka, and a resolve finds the address of the opening although the table has
    changed since, as long as the variable is set. `addresses` maps names to addresses and may know more of them than
    the table uses; `is_address` tells names that are addresses themselves.
    """

    default: str
    table: Mapping[str, str] = {}
    addresses: Mapping[str, str] = {}
    is_address: Callable[[str], bool] = _never

    def of(self, event: IncidentEvent) -> str:
        """Return the name of the address that an event opens at."""
        owner = event.owner
        if owner is None:
            return self.default
        return self.table.get(owner.route or "") or self.table.get(owner.team) or self.default

    def known(self, name: str) -> str | None:
        """Return the address of a name, None if there is none any more."""
        return self.addresses.get(name)

    def address(self, name: str) -> str:
        """Return the address of a name; the default's where the name has left the environment: the best guess."""
        return self.addresses.get(name) or self.addresses.get(self.default, "")

    def knows(self, name: str) -> bool:
        """True if what was opened under a name can be found again."""
        return name in self.addresses or self.is_address(name)

    def secrets(self) -> tuple[str, ...]:
        """Return the addresses in use, which no log may show."""
        names = {self.default, *self.table.values()}
        return tuple(address for name in sorted(names) if (address := self.addresses.get(name)))
