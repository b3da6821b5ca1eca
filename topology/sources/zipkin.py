"""Zipkin: `GET /api/v2/dependencies`, a list of links from the calling service (`parent`) to the called one."""

from __future__ import annotations

from correlator.errors import SourceError
from topology.findings import Findings
from topology.sources.decoding import decode_json
from topology.sources.fetching import Get
from topology.sources.jaeger import links_of


async def fetch(get: Get, now: int, *, window_seconds: int) -> Findings:
    """Ask for the window that ends now."""
    query = [("endTs", str(now)), ("lookback", str(window_seconds * 1000))]
    return read(await get("api/v2/dependencies", query))


def read(payload: bytes) -> Findings:
    """Read the links.

    Raises:
        SourceError: it is no list.
    """
    tree = decode_json(payload)
    if not isinstance(tree, list):
        raise SourceError("no dependencies of Zipkin: not a list")
    return links_of(tree)
