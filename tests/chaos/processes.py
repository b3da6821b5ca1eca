"""Workers and pagers as processes that are started again whenever they end, as an orchestrator does."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import aiohttp

from correlator.devkafka import free_ports

REPOSITORY = Path(__file__).parents[2]
_AGAIN_SECONDS = 0.3
_POLL_SECONDS = 0.1
#: Longer than any end in order takes; who needs more is stuck.
_END_SECONDS = 40.0


class Replica:
    """One worker or pager of a deployment.

    `ready_after` are the seconds from each start to being ready; `failed` the ends that nobody asked for.
    """

    def __init__(
        self,
        role: str,
        number: int,
        *,
        config: Path,
        log: Path,
        environ: Mapping[str, str],
        settings: Sequence[str] = (),
    ) -> None:
        self.role = role
        self.number = number
        self.ready_after: list[float] = []
        self.failed: list[int] = []
        self._config = config
        self._log = log
        self._environ = environ
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._asked = False
        self._port = 0
        self._suspended = False
        self.is_ready = False

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def start(self) -> None:
        """Run it, and run it again whenever it ends, until `end`."""
        if self._keeping is None:
            self._keeping = asyncio.create_task(self._keep())

    def kill(self) -> bool:
        """End it with SIGKILL; tell whether there was something to kill."""
        return self._signal(signal.SIGKILL)

    def ask_to_end(self) -> bool:
        """Send SIGTERM; it comes back."""
        return self._signal(signal.SIGTERM)

    async def suspend(self, seconds: float) -> bool:
        """Suspend it for some seconds; a death meanwhile goes through."""
        process = self._process
        if self._suspended or process is None or not self._signal(signal.SIGSTOP, expected=False):
            return False
        self._suspended = True
        try:
            await asyncio.sleep(seconds)
        finally:
            self._suspended = False
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
        return True

    async def end(self) -> None:
        """End it in order, for good.

        Raises:
            TimeoutError: it does not end.
        """
        keeping, self._keeping = self._keeping, None
        if keeping is None:
            return
        keeping.cancel()
        await asyncio.wait([keeping])
        process = self._process
        if process is not None and process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _END_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()
                raise

    def _signal(self, signum: signal.Signals, *, expected: bool = True) -> bool:
        if not self.runs or self._process is None:
            return False
        self._asked = self._asked or expected
        self._process.send_signal(signum)
        return True

    async def _keep(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as session:
            while True:
                self._asked = False
                await self._spawn()
                assert self._process is not None
                watching = asyncio.create_task(self._watch(session, time.monotonic()))
                try:
                    status = await self._process.wait()
                finally:
                    watching.cancel()
                    self.is_ready = False
                if not self._asked:
                    self.failed.append(status)
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _spawn(self) -> None:
        (self._port,) = free_ports(1)
        command = [sys.executable, "-m", "correlator", self.role, "--config", str(self._config)]
        for setting in (f"{self.role}.web_port={self._port}", *self._settings):
            command += ["--set", setting]
        with self._log.open("ab") as log:
            log.write(f"-- {self.role} {self.number} starts\n".encode())
            log.flush()
            self._process = await asyncio.create_subprocess_exec(
                *command,
                cwd=REPOSITORY,
                env={**os.environ, **self._environ},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def _watch(self, session: aiohttp.ClientSession, started: float) -> None:
        """Note when it is ready for the first time, and whether it is now."""
        noted = False
        while True:
            self.is_ready = False
            with suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(f"http://127.0.0.1:{self._port}/ready") as answer:
                    self.is_ready = answer.status == 200
            if self.is_ready and not noted:
                noted = True
                self.ready_after.append(time.monotonic() - started)
            await asyncio.sleep(_POLL_SECONDS)


async def end_all(replicas: Sequence[Replica]) -> list[str]:
    """End all in order; say who would not."""
    results = await asyncio.gather(*(replica.end() for replica in replicas), return_exceptions=True)
    return [
        f"{replica.role} {replica.number} does not end on SIGTERM"
        for replica, result in zip(replicas, results, strict=True)
        if isinstance(result, TimeoutError)
    ]
