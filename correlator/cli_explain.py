"""`correlator explain`: flags only; what they ask for is done in `correlator.explain`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from correlator.config import Config, load
from correlator.errors import ConfigError, CorrelatorError
from correlator.options import PATH, configured
from topology.graph import ServiceGraph
from topology.sources import file as topology_file

if TYPE_CHECKING:
    from correlator.domain import IncidentEvent
    from correlator.explain.course import Step
    from correlator.explain.fate import AlertListener
    from correlator.explain.incident import IncidentListener


@click.command()
@click.argument("incident_id", required=False)
@click.option("--alert", metavar="ID", help="One alert instead, by the id of an event or its fingerprint.")
@click.option("--revision", type=click.IntRange(min=1), help="A past revision; by default the latest that has alerts.")
@click.option("--alerts", "alerts_name", metavar="FILE", help="The raw alerts that it came from; - for standard input.")
@click.option("--log", "log_name", metavar="DUMP", help="A dump of the event log that it came from.")
@click.option("--topology", "topologies", multiple=True, type=PATH, help="Topology, JSON or YAML.")
@click.option("--model", metavar="DIR", help="Folder of a trained model; default: the shipped one; none: without.")
@click.option("--warm", "warm_path", type=PATH, help="Folder of a warm start; by default what the configuration says.")
@click.option("--incidents", "incidents_path", type=PATH, help="Incident events of a replay, to be compared with.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.option("--svg", "svg_path", type=PATH, help="Draw the incident's tree into a file.")
@click.option("--no-changes", is_flag=True, help="Do not try what would have been if something were otherwise.")
@configured
def explain(
    incident_id: str | None,
    alert: str | None,
    revision: int | None,
    alerts_name: str | None,
    log_name: str | None,
    topologies: tuple[Path, ...],
    model: str | None,
    warm_path: Path | None,
    incidents_path: Path | None,
    form: str,
    svg_path: Path | None,
    no_changes: bool,
    config_path: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Say why these alerts belong together, why this root and not another, and what would have to be otherwise.

    The decision is made again: from --alerts or --log, else from the topics in Kafka.
    """
    from correlator import rankers
    from correlator.explain.course import Course

    if (incident_id is None) == (alert is None):
        raise click.UsageError("give either INCIDENT_ID or --alert")
    if alert is not None and (revision is not None or svg_path is not None):
        raise click.UsageError("--revision and --svg are of an incident, not of an alert")
    if alerts_name is not None and log_name is not None:
        raise click.UsageError("give either --alerts or --log")
    if warm_path is not None and alerts_name is None:
        raise click.UsageError("--warm needs --alerts: a log bears its own warm start")
    config = load(config_path, overrides)
    steps, graphs, published = _input(config, alerts_name, log_name, topologies, warm_path)
    if incidents_path is not None:
        published = _written(incidents_path)
    listener = _listener(incident_id, alert, revision)
    course = Course(
        config,
        graphs,
        ranker=rankers.chosen(model or config.worker.model),
        listen=listener,
    )
    course.run(steps, sealed=alerts_name is not None)
    _show(_finished(listener, course, published, try_changes=not no_changes), form, svg_path)


def _listener(incident_id: str | None, alert: str | None, revision: int | None) -> IncidentListener | AlertListener:
    from correlator.explain.fate import AlertListener
    from correlator.explain.incident import IncidentListener

    return IncidentListener(incident_id, revision) if incident_id is not None else AlertListener(alert or "")


def _input(
    config: Config, alerts: str | None, log: str | None, topologies: tuple[Path, ...], warm_path: Path | None
) -> tuple[Iterable[Step], Mapping[str, ServiceGraph], Mapping[str, IncidentEvent]]:
    """Return the course of events, the versions of the graph that it names, and what was published of it."""
    from correlator import warm
    from correlator.explain import sources
    from correlator.shell.lines import open_lines

    graphs = [topology_file.load(path) for path in topologies]
    known = {graph.version: graph for graph in [*graphs, ServiceGraph.empty()]}
    if alerts is not None:
        if len(graphs) > 1:
            raise click.UsageError("--alerts takes one --topology")
        graph = graphs[0] if graphs else ServiceGraph.empty()
        warmth = warm.load(warm_path or config.worker.warm)
        return sources.from_alerts(config, graph, open_lines(alerts), warmth=warmth), known, {}
    if log is not None:
        return sources.from_dump(open_lines(log)), known, {}
    import asyncio

    found = asyncio.run(sources.from_kafka(config.kafka))
    return sources.from_lines(found.log), {**known, **found.graphs}, found.incidents


def _written(path: Path) -> Mapping[str, IncidentEvent]:
    from correlator.explain import sources

    try:
        with path.open("rb") as source:
            return sources.written(str(path), source)
    except OSError as error:
        raise ConfigError(str(path), [error.strerror or str(error)]) from error


def _finished(listener: Any, course: Any, published: Mapping[str, IncidentEvent], *, try_changes: bool) -> Any:
    from correlator.explain.incident import IncidentListener

    found = listener.finish(course, try_changes=try_changes)
    if found is None:
        raise CorrelatorError(listener.why_not())
    return listener.compared(found, published) if isinstance(listener, IncidentListener) else found


def _show(found: Any, form: str, svg_path: Path | None) -> None:
    import msgspec

    from correlator.explain import svg, text
    from correlator.explain.values import Explanation

    if svg_path is not None:
        try:
            svg_path.write_text(svg.draw(found), encoding="utf-8")
        except OSError as error:
            raise ConfigError(str(svg_path), [error.strerror or str(error)]) from error
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
    else:
        click.echo(text.explanation(found) if isinstance(found, Explanation) else text.fate(found), nl=False)
