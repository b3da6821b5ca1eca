"""`correlator topology`: read, check, draw, import and compare dependency graphs; flags only."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from correlator.config import Config, load, with_sources
from correlator.config_topology import OtlpSource
from correlator.domain import Status
from correlator.errors import ConfigError, CorrelatorError, SourceError
from correlator.options import PATH, configured
from topology import drawing
from topology.drift import drift, report
from topology.findings import Findings
from topology.graph import ServiceGraph
from topology.merge import Merged
from topology.sources import file as topology_file
from topology.strangers import strangers

F = TypeVar("F", bound=Callable[..., Any])

#: More than one reads at once; those with most firings matter.
_MOST_STRANGERS = 20


@click.group()
def topology() -> None:
    """Read, check, draw, import and compare dependency graphs."""


@topology.command("check")
@click.argument("path", type=PATH)
@click.option("--alerts", metavar="FILE", help="Also which services of these alerts it lacks; - for standard input.")
@configured
def check(path: Path, alerts: str | None, config_path: Path | None, overrides: tuple[str, ...]) -> None:
    """Report every problem of a topology file."""
    graph = topology_file.load(path)
    click.echo(f"{path}: valid, {size(graph)}")
    for cycle in graph.cycles():
        click.echo(f"note: {len(cycle)} services depend on each other in a circle: {', '.join(cycle[:10])}")
    alone = [name for name in graph.names() if not graph.dependencies(name) and not graph.dependents(name)]
    if alone:
        click.echo(f"note: {len(alone)} services have no dependency and no dependent: {', '.join(alone[:10])}")
    unowned = [service.name for service in graph.services() if service.owner is None]
    if unowned:
        click.echo(f"note: {len(unowned)} services have no owner: {', '.join(unowned[:10])}")
    if alerts is not None:
        for note in _joined(alerts, graph, load(config_path, overrides)):
            click.echo(f"note: {note}")


def _joined(alerts: str, graph: ServiceGraph, config: Config) -> Iterator[str]:
    """Yield how well the alerts of a file find their services in a graph."""
    from correlator.formats.naming import NAMELESS
    from correlator.replay import Arrivals, Refusal
    from correlator.shell.lines import lines, open_lines

    arrivals = Arrivals(config, graph, lambda notices: None)
    firings: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    for number, (line, _) in enumerate(lines(open_lines(alerts), arrivals.max_line_bytes), start=1):
        for read in arrivals.read(number, line) if line.strip() else ():
            if not isinstance(read, Refusal) and read.event.status is Status.FIRING:
                firings[read.event.service] += 1
                if not read.event.known_service:
                    unknown[read.event.service] += 1
    yield f"{firings.total() - unknown.total()} of {firings.total()} firings are of services in the graph"
    if nameless := sum(count for name, count in unknown.items() if name.startswith(NAMELESS)):
        yield f"{nameless} firings name no service in any of naming.service_labels"
    named = {name: count for name, count in unknown.items() if not name.startswith(NAMELESS)}
    for stranger in strangers(named, graph, limit=_MOST_STRANGERS):
        guess = f"; an alias of {stranger.alike}?" if stranger.alike else ""
        yield f"{stranger.name}, {stranger.firings} firings, is not in the graph{guess}"
    if len(named) > _MOST_STRANGERS:
        yield f"{len(named) - _MOST_STRANGERS} more services of alerts are not in the graph"


@topology.command("show")
@click.argument("path", type=PATH)
@click.option("--service", help="Only this service: what it depends on, what depends on it.")
@click.option("--svg", "svg_path", type=PATH, help="Draw the graph into this file; with --service its surroundings.")
def show(path: Path, service: str | None, svg_path: Path | None) -> None:
    """Print a dependency graph, one service a line, or draw it."""
    graph = topology_file.load(path)
    name = None if service is None else graph.resolve(service)
    if service is not None and name is None:
        raise ConfigError(str(path), [f"no service {service!r}"])
    if svg_path is not None:
        drawn = graph if name is None else graph.around(name)
        _write(svg_path, drawing.svg(drawn, title=name or path.name))
        click.echo(f"{svg_path}: {size(drawn)}", err=True)
    elif name is not None:
        click.echo(f"{name}\n  depends on:  {_names(to for to, _ in graph.dependencies(name))}")
        click.echo(f"  depended on: {_names(graph.dependents(name))}")
        click.echo(f"  blast radius: {_names(graph.blast_radius(name, limit=1000))}")
    else:
        _show_all(graph)


def _show_all(graph: ServiceGraph) -> None:
    for known in graph.services():
        edges = ", ".join(
            to if edge.type == "calls" else f"{to} ({edge.type})" for to, edge in graph.dependencies(known.name)
        )
        owner = f" [{known.owner}]" if known.owner else ""
        click.echo(f"{known.name} ({known.kind}){owner}{' -> ' + edges if edges else ''}")


def size(graph: ServiceGraph) -> str:
    """Return version and size of a graph for a human."""
    return f"version {graph.version}, {len(graph)} services, {graph.edge_count} dependencies"


def _names(names: Iterable[str]) -> str:
    return ", ".join(names) or "-"


def _sourced(command: F) -> F:
    """Give a command the options that say where to import from."""
    command = click.option(
        "--keep-going", is_flag=True, help="Go on without a source that fails and was never heard before."
    )(command)
    return click.option(
        "--source",
        "sources",
        multiple=True,
        metavar="TYPE=PLACE[,KEY=VALUE...]",
        help="A source beside those of the configuration: prometheus=http://host:9090,window_seconds=600 or "
        "backstage=catalog-info.yaml; docs/topology.md lists the types and their keys.",
    )(command)


@topology.command("import")
@_sourced
@click.option("--out", type=PATH, help="Write the topology here, JSON if it ends in .json, else YAML.")
@click.option("--report", "report_path", type=PATH, help="Write where each dependency comes from, as JSON.")
@configured
def import_(
    sources: tuple[str, ...],
    keep_going: bool,
    out: Path | None,
    report_path: Path | None,
    config_path: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Ask every source and write one topology file, as `worker` and `replay` take it."""
    merged = _imported(sources, keep_going, config_path, overrides)
    graph = ServiceGraph(merged.document)
    for conflict in merged.conflicts:
        click.echo(f"conflict: {conflict}", err=True)
    for problem in merged.problems:
        click.echo(f"not used: {problem}", err=True)
    if merged.weak:
        click.echo(f"note: {len(merged.weak)} dependencies were hardly observed and are left out", err=True)
    text = topology_file.write(merged.document, as_json=out is not None and out.suffix == ".json")
    if report_path is not None:
        _write(report_path, msgspec.json.format(msgspec.json.encode(merged)).decode() + "\n")
    if out is None:
        click.echo(text, nl=False)
    else:
        _write(out, text)
    click.echo(f"{out or 'topology'}: {size(graph)}", err=True)


@topology.command("drift")
@_sourced
@click.option("--json", "as_json", is_flag=True, help="The whole report as JSON.")
@click.option("--strict", is_flag=True, help="Exit 1 if there is any drift.")
@configured
def drift_(
    sources: tuple[str, ...],
    keep_going: bool,
    as_json: bool,
    strict: bool,
    config_path: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Tell what is declared and never observed, and what is observed and not declared."""
    found = drift(_imported(sources, keep_going, config_path, overrides))
    if as_json:
        click.echo(msgspec.json.encode(found))
    else:
        for line in report(found):
            click.echo(line)
    if strict and not found.is_none:
        sys.exit(1)


@topology.command("versions")
@click.option("--out", type=PATH, help="Write each version into this folder, as a replay of the log takes them.")
@configured
def versions(out: Path | None, config_path: Path | None, overrides: tuple[str, ...]) -> None:
    """List the versions of the graph in Kafka that the event log may name, oldest first."""
    from aiokafka.errors import KafkaError
    from zstandard import ZstdError

    from correlator.shell.topologies import published

    config = load(config_path, overrides)
    try:
        found = asyncio.run(published(config.kafka))
    except (KafkaError, OSError, ZstdError) as error:
        raise CorrelatorError(f"Kafka at {config.kafka.bootstrap_servers}: {error or type(error).__name__}") from error
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    for version, (at, document) in sorted(found.items(), key=_published_at):
        click.echo(f"{version}  {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(at / 1000))}")
        if out is not None:
            _write(out / f"{version}.json", document.decode())


def _published_at(item: tuple[str, tuple[int, bytes]]) -> tuple[int, str]:
    return item[1][0], item[0]


def _imported(
    written: tuple[str, ...], keep_going: bool, config_path: Path | None, overrides: tuple[str, ...]
) -> Merged:
    from correlator.shell.importing import Import

    config = with_sources(load(config_path, overrides), [_source(text) for text in written])
    if not config.topology.sources:
        raise ConfigError("topology.sources", ["no source is given, neither by --source nor in the configuration"])
    _tell_of_topics(config)
    run = Import(config.topology)
    run.remember()
    answers = asyncio.run(run.run(now=time.time_ns() // 1_000_000))
    failed = _tell(answers, run.ledger.answered_at)
    if failed and not keep_going:
        raise CorrelatorError(f"nothing is written: {', '.join(failed)} failed; --keep-going goes on without")
    run.save()
    return run.merged()


def _tell_of_topics(config: Config) -> None:
    for source in config.topology.sources:
        if isinstance(source, OtlpSource) and source.topic is not None:
            click.echo(f"note: {source.label}: spans of a topic are read by workers only", err=True)


def _tell(answers: Mapping[str, Findings | SourceError], answered_at: Callable[[str], int | None]) -> list[str]:
    """Say what each source gave; return those that failed and were never heard before."""
    failed = []
    for name, answer in answers.items():
        if isinstance(answer, Findings):
            found = f"{len(answer.services)} services, {len(answer.dependencies)} dependencies"
            click.echo(f"{name}: {'declares' if answer.declared else 'observed'} {found}", err=True)
        elif answered_at(name) is not None:
            click.echo(f"warning: {name}: {answer}; what it said before stands", err=True)
        else:
            click.echo(f"error: {name}: {answer}", err=True)
            failed.append(name)
    return failed


def _source(written: str) -> dict[str, str]:
    """Read `type=place,key=value,...`; a comma within a value is one that no `key=` follows."""
    first, *others = re.split(r",(?=[a-z_]+=)", written)
    type_, separator, place = first.partition("=")
    if not separator or not place:
        raise click.UsageError(f"--source {written}: is not TYPE=PLACE")
    # A topic is written as kafka:otlp_spans.
    scheme, _, topic = place.partition(":")
    key = "url" if "://" in place else "topic" if scheme == "kafka" and topic else "path"
    tree = {"type": type_, key: topic if key == "topic" else place}
    for item in others:
        name, _, value = item.partition("=")
        tree[name] = value
    return tree


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(str(path), [error.strerror or str(error)]) from error
