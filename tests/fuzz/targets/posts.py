"""What is posted over HTTP: the path in the first line, headers, an empty line, the body, perhaps compressed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from zlib import crc32

from correlator.formats.reading import Formats
from correlator.formats.table import FORMATS
from correlator.shell.http.body import Budget, read_body
from correlator.shell.http.endpoints import Endpoint, endpoints_of
from correlator.shell.http.post import Passed, Post, understand
from correlator.shell.http.refusal import Refused
from tests.fuzz.targets.messages import AT, split

_LIMIT = 64_000
_ENDPOINTS = endpoints_of(FORMATS)
_BY_PATH = {endpoint.path: endpoint for endpoint in _ENDPOINTS}
_FORMATS = Formats()
_PASSED = Passed(FORMATS, ())


def post(data: bytes) -> None:
    """Take a post to its answer, with nothing left in flight."""
    path, _, rest = data.partition(b"\n")
    endpoint = _BY_PATH.get(path.decode("latin-1")) or _ENDPOINTS[crc32(path) % len(_ENDPOINTS)]
    headers, body = split(rest)
    try:
        taken = _taken(endpoint, headers, body)
    except Refused as refused:
        assert 400 <= refused.status < 600 and refused.detail
        answer = endpoint.answers.refused(refused)
    else:
        answer = endpoint.answers.taken(taken.taken)
        assert taken.taken.events >= 0 and len(taken.value or b"") <= _LIMIT + 100
    assert 200 <= answer.status < 600
    answer.encoded()


def _taken(endpoint: Endpoint, headers: dict[str, str], packed: bytes) -> Post:
    budget = Budget(2 * _LIMIT)
    share = budget.share()
    try:
        body = asyncio.run(
            read_body(
                _chunks(packed),
                encoding=headers.get("content-encoding", ""),
                length=len(packed),
                limit=_LIMIT,
                share=share,
                timeout_seconds=60,
            )
        )
        assert len(body) <= _LIMIT
    finally:
        share.release()
        assert budget.taken == 0
    return understand(
        endpoint, body, headers, formats=_FORMATS, passed=_PASSED, arrived_at=AT, new_key=lambda: "a-new-key"
    )


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    """Yield the body in pieces, of which some are no larger than a byte."""
    yield data[:1]
    for at in range(1, len(data), 1000):
        yield data[at : at + 1000]
