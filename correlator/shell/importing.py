"""Imports of the topology: every source asked, what it says entered into the ledger, the graph merged anew."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp

from correlator.config_topology import (
    FileSource,
    KubernetesSource,
    OtlpSource,
    Source,
    TopologyConfig,
    UrlSource,
    XRaySource,
)
from correlator.errors import ConfigError, SourceError
from correlator.shell.fetching import HttpGet, headers
from topology.findings import Findings
from topology.graph import ServiceGraph
from topology.importing import fetch, read
from topology.ledger import Ledger
from topology.merge import Merged, merge
from topology.sources import file as topology_file

Answer = Findings | SourceError
#: What the configured topology file is called beside the sources.
_BASE = "worker.topology"


async def ask_all(sources: Sequence[Source], environ: Mapping[str, str], now: int) -> dict[str, Answer]:
    """Ask every source at once; what one of them fails with stands in place of its findings.

    Spans of a Kafka topic are read by the worker alone, so they are left out.

    Raises:
        ConfigError: a named environment variable is not set.
    """
    asked = [source for source in sources if not (isinstance(source, OtlpSource) and source.topic)]
    async with aiohttp.ClientSession() as session:
        gets = {
            source.label: HttpGet(session, source, environ)
            for source in asked
            if not isinstance(source, FileSource | XRaySource | KubernetesSource | OtlpSource) and source.url
        }
        answers = await asyncio.gather(*(_ask(source, gets.get(source.label), now) for source in asked))
    return {source.label: answer for source, answer in zip(asked, answers, strict=True)}


async def _ask(source: Source, get: HttpGet | None, now: int) -> Answer:
    try:
        if isinstance(source, FileSource | XRaySource | KubernetesSource | OtlpSource) or get is None:
            return await asyncio.to_thread(read, source, source.path or Path())
        return await fetch(source, get, now)
    except SourceError as error:
        return error


class Import:
    """One configuration's imports, each with the memory of those before.

    Args:
        base: a graph that people wrote and that stands above every source.

    Raises:
        ConfigError: a named environment variable is not set.
    """

    def __init__(
        self, config: TopologyConfig, environ: Mapping[str, str] = os.environ, *, base: ServiceGraph | None = None
    ) -> None:
        self._config = config
        self._environ = environ
        self._base = {} if base is None else {_BASE: topology_file.findings(base, declared=True)}
        for source in config.sources:
            if isinstance(source, UrlSource):
                headers(source, environ)
        self.ledger = Ledger(lifetime_ms=round(config.edge_lifetime_seconds * 1000))

    def remember(self) -> None:
        """Go on from the memory file, if there is one.

        Raises:
            ConfigError: it cannot be read.
        """
        path = self._config.memory
        if path is None or not path.exists():
            return
        try:
            self.ledger.restore(path.read_bytes())
        except (OSError, SourceError) as error:
            raise ConfigError("topology.memory", [f"{path}: {error}"]) from error
        self.ledger.keep_only({source.label: source for source in self._config.sources})

    def save(self) -> None:
        """Write the memory file, whole or not at all.

        Raises:
            ConfigError: it cannot be written.
        """
        path = self._config.memory
        if path is None:
            return
        draft = path.with_name(path.name + ".new")
        try:
            draft.write_bytes(self.ledger.encode())
            draft.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            raise ConfigError("topology.memory", [f"{path}: {error}"]) from error

    async def run(self, now: int) -> dict[str, Answer]:
        """Ask every source and enter what it says; return the answers.

        Raises:
            ConfigError: a named environment variable is not set.
        """
        answers = await ask_all(self._config.sources, self._environ, now)
        for name, answer in answers.items():
            if isinstance(answer, Findings):
                self.ledger.enter(name, answer, now)
        return answers

    def merged(self) -> Merged:
        """Return the graph by all that is known now."""
        held = self.ledger.findings()
        ordered = {source.label: held[source.label] for source in self._config.sources if source.label in held}
        ordered = {**self._base, **ordered}
        return merge(ordered, aliases=self._config.aliases, min_confidence=self._config.min_confidence)
