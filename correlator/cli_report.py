"""`correlator report`: what a period came to; flags only."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from correlator.config import Config, load
from correlator.domain import instant_of
from correlator.errors import ConfigError
from correlator.options import PATH, configured
from topology.sources import file as topology_file

#: An incident event with all its samples, or a record of the log with a batch in it.
_LONGEST_LINE = 64_000_000


class _Instant(click.ParamType):
    """An RFC 3339 instant, or a date: its beginning in UTC."""

    name = "instant"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return instant_of(datetime.fromisoformat(value))
        except ValueError:
            self.fail(f"{value!r} is no date and no RFC 3339 instant", param, ctx)


class _Zone(click.ParamType):
    """A time zone by its name in the IANA database."""

    name = "zone"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> ZoneInfo:
        try:
            return ZoneInfo(value)
        except (ValueError, OSError, KeyError):
            self.fail(f"{value!r} is no time zone, such as Europe/Berlin", param, ctx)


@click.command()
@click.option("--incidents", metavar="FILE", help="Incident events of a replay, or a dump of their topic; - for stdin.")
@click.option("--kafka", "from_kafka", is_flag=True, help="Read the incidents topic of the configured Kafka instead.")
@click.option("--assignments", metavar="FILE", help="The fate of each event, as the same replay wrote it.")
@click.option("--alerts", metavar="FILE", help="The alerts of that replay: services, rules, the baseline.")
@click.option("--log", "log_name", metavar="DUMP", help="The dump of the event log that was replayed, instead.")
@click.option(
    "--topology", "topology_path", type=PATH, help="Who owns which service; names services as the replay did."
)
@click.option("--feedback", metavar="FILE", help="What humans did with incidents, one record a line.")
@click.option("--from", "begin", type=_Instant(), help="Begin, inclusive.")
@click.option("--to", "end", type=_Instant(), help="End, exclusive.")
@click.option("--days", type=click.IntRange(min=1), help="The last so many days, up to --to or the newest event.")
@click.option("--time-zone", "zone", type=_Zone(), help="Of all teams, instead of pager.quiet_hours.")
@click.option("--top", type=click.IntRange(min=1), default=10, show_default=True, help="How much of each is listed.")
@click.option(
    "--format", "form", type=click.Choice(["text", "markdown", "json", "csv"]), default="text", show_default=True
)
@click.option("--out", "folder", type=PATH, help="The folder for the tables of --format csv, one file each.")
@configured
def report(
    incidents: str | None,
    from_kafka: bool,
    assignments: str | None,
    alerts: str | None,
    log_name: str | None,
    topology_path: Path | None,
    feedback: str | None,
    begin: int | None,
    end: int | None,
    days: int | None,
    zone: ZoneInfo | None,
    top: int,
    form: str,
    folder: Path | None,
    config_path: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Tell what a period came to, per team and service.

    Noise reduction and its parts, times, interruptions by class of hour, rest, and the noisiest rules.
    """
    from correlator.report import command

    if (incidents is None) != from_kafka:
        raise click.UsageError("give either --incidents or --kafka")
    if alerts is not None and log_name is not None:
        raise click.UsageError("give --alerts or --log, not both")
    if assignments is None and (alerts or log_name):
        raise click.UsageError("--alerts and --log tell of the events of --assignments: give it too")
    if days is not None and begin is not None:
        raise click.UsageError("give --from or --days, not both")
    is_part = any(bound is not None for bound in (begin, end, days))
    if is_part and assignments is not None and not (alerts or log_name):
        raise click.UsageError("assignments carry no time: for a part of them give --alerts or --log")
    if (form == "csv") != (folder is not None):
        raise click.UsageError("--format csv and --out FOLDER go together: one file a table")
    config = load(config_path, overrides)
    inputs = command.Inputs(
        incidents=_lines(incidents) if incidents is not None else _topic(config),
        assignments=_lines(assignments) if assignments else None,
        alerts=_lines(alerts) if alerts else None,
        log=_lines(log_name) if log_name else None,
        feedback=_lines(feedback) if feedback else None,
        graph=topology_file.load(topology_path) if topology_path else None,
    )
    found = command.run(config, inputs, begin=begin, end=end, days=days, zone=zone, top=top)
    if folder is None:
        click.echo(command.written(found, form, top), nl=False)
        return
    for path in command.write_sheets(found, folder):
        click.echo(path)


def _lines(name: str) -> tuple[str, Iterator[bytes]]:
    """Return the lines of a file, `.gz` and `.zst` read as such, with its name."""
    from correlator.shell.lines import lines, open_lines

    def read() -> Iterator[bytes]:
        with open_lines(name) as stream:
            for number, (line, _) in enumerate(lines(stream, _LONGEST_LINE), start=1):
                if len(line) > _LONGEST_LINE:
                    raise ConfigError(name, [f"line {number}: more than {_LONGEST_LINE} bytes"])
                yield line

    return name, read()


def _topic(config: Config) -> tuple[str, list[bytes]]:
    """Return the records of the incidents topic as lines of a dump."""
    from correlator.shell.dump import dump

    topic = config.kafka.incidents_topic

    async def read() -> list[bytes]:
        return [line async for line in dump(config.kafka, topic)]

    return topic, asyncio.run(read())
