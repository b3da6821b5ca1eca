"""How topology sources are asked over HTTP: credentials from the environment, bounds of time and size."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence

import aiohttp

from correlator.config_topology import DatadogSource, HttpSource, KeepSource, PagerDutySource, UrlSource
from correlator.errors import SourceError
from correlator.secrets import of_variable

#: A catalog of 10,000 entities is some 30 MB in pages of 500; no page is near this.
_MAX_BYTES = 64 << 20
_ATTEMPTS = 4
#: Who asks for a longer pause is asked again at the next import.
_MAX_PAUSE_SECONDS = 30.0
_PAUSES_SECONDS = (1.0, 3.0, 9.0)
_PASSING = frozenset({429, 502, 503, 504})


class HttpGet:
    """GETs paths below one source's address.

    Raises:
        ConfigError: a named environment variable is not set.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        source: HttpSource,
        environ: Mapping[str, str],
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._session = session
        self._base = (source.url or "").rstrip("/")
        self._headers = headers(source, environ)
        self._timeout = aiohttp.ClientTimeout(total=source.timeout_seconds)
        self._sleep = sleep

    async def __call__(self, path: str, query: Sequence[tuple[str, str]] = ()) -> bytes:
        """Return the body of the answer; overload and restarts of the server are waited out for a moment.

        Raises:
            SourceError: no answer, none of status 200, or too large a one.
        """
        for attempt in range(_ATTEMPTS):
            status, body, pause = await self._once(path, query)
            if status == 200:
                return body
            if status not in _PASSING or attempt == _ATTEMPTS - 1 or pause > _MAX_PAUSE_SECONDS:
                break
            await self._sleep(pause or _PAUSES_SECONDS[attempt])
        said = " ".join(body[:200].decode(errors="replace").split())
        raise SourceError(f"{self._base}/{path}: status {status}{': ' + said if said else ''}")

    async def _once(self, path: str, query: Sequence[tuple[str, str]]) -> tuple[int, bytes, float]:
        url = f"{self._base}/{path}"
        try:
            # Redirects could carry the token to another host.
            async with self._session.get(
                url, params=list(query), headers=self._headers, timeout=self._timeout, allow_redirects=False
            ) as answer:
                body = await answer.content.read(_MAX_BYTES + 1)
                while len(body) <= _MAX_BYTES and (more := await answer.content.read(_MAX_BYTES)):
                    body += more
                if len(body) > _MAX_BYTES:
                    raise SourceError(f"{url}: more than {_MAX_BYTES} bytes")
                return answer.status, body, _pause(answer.headers.get("Retry-After"))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise SourceError(f"{url}: {error or type(error).__name__}") from error


def headers(source: UrlSource, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of every request to a source.

    Raises:
        ConfigError: a named environment variable is not set.
    """
    token = _secret(source.token_env, source.label, environ)
    basic = _secret(source.basic_auth_env, source.label, environ)
    made = {"Accept": "application/json", "User-Agent": "correlator", **source.headers}
    if basic is not None:
        made["Authorization"] = "Basic " + base64.b64encode(basic.encode()).decode()
    if isinstance(source, PagerDutySource):
        made["Accept"] = "application/vnd.pagerduty+json;version=2"
    if isinstance(source, DatadogSource) and (key := _secret(source.application_key_env, source.label, environ)):
        made["DD-APPLICATION-KEY"] = key
    if token is not None:
        name, value = {
            PagerDutySource: ("Authorization", f"Token token={token}"),
            DatadogSource: ("DD-API-KEY", token),
            KeepSource: ("X-API-KEY", token),
        }.get(type(source), ("Authorization", f"Bearer {token}"))
        made[name] = value
    return made


def _secret(variable: str | None, label: str, environ: Mapping[str, str]) -> str | None:
    return None if variable is None else of_variable(f"topology source {label}", variable, environ)


def _pause(retry_after: str | None) -> float:
    try:
        return max(0.0, float(retry_after or 0))
    except ValueError:
        return 0.0  # a date: the usual pause
