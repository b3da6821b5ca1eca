"""Ports of 127.0.0.1: which are free, and whether a broker answers there."""

from __future__ import annotations

import contextlib
import secrets
import socket
import struct

from correlator.devkafka.errors import BrokerError

#: Below the ephemeral ports of every system: a client that keeps calling a killed broker on an ephemeral port may be
#: given that very port as its own, connect to itself, and hold the port against the broker's return.
PORTS = range(20_000, 30_000)


def free_ports(count: int, among: range = PORTS) -> list[int]:
    """Return ports nobody uses now, all different."""
    first = secrets.randbelow(len(among))
    with contextlib.ExitStack() as held:
        found: list[int] = []
        for port in (*among[first:], *among[:first]):
            if len(found) == count:
                break
            probe = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
    if len(found) < count:
        raise BrokerError(f"no {count} free ports from {among.start} to {among.stop - 1}")
    return found


def answers(port: int) -> bool:
    """Ask a broker which requests it knows (ApiVersions, version 0), and tell whether it answers without error."""
    correlation = 7
    request = struct.pack(">hhih", 18, 0, correlation, -1)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            _size, echoed, error = struct.unpack(">iih", connection.makefile("rb").read(10))
            return bool((echoed, error) == (correlation, 0))
    except (OSError, struct.error):
        return False
