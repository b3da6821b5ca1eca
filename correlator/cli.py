"""The command line (contract CLI.md): flags only; what they ask for is done elsewhere."""

from __future__ import annotations

import errno
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import click
import msgspec

from correlator import __version__
from correlator.cli_explain import explain
from correlator.cli_report import report
from correlator.cli_topology import size, topology
from correlator.config import load
from correlator.errors import ConfigError, CorrelatorError
from correlator.options import PATH as _PATH
from correlator.options import configured as _configured
from topology.graph import ServiceGraph
from topology.sources import file as topology_file

#: The disk, the quota or the limit of a file's size is at its end.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """One actionable incident per root cause, out of the alert storm of many microservices."""


def main() -> None:
    """Run the command line; exit 2 for bad usage or configuration, 1 for a failed run."""
    # Before numpy is imported: on our small matrices its threads cost more than they save, and they are in each other's
    # way where several workers share a machine.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except ConfigError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    except CorrelatorError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        # Of outputs we know the names (see `_Output`): this is what waits on disk for its verdict.
        click.echo(f"error: {tempfile.gettempdir()}, for temporary files: {error.strerror}", err=True)
        sys.exit(1)


@cli.command()
@click.option("--alerts", metavar="FILE", help="Alerts in any input format, a message a line; - for standard input.")
@click.option("--log", "log_name", metavar="DUMP", help="A dump of the event log instead of alerts.")
@click.option("--topology", "topologies", multiple=True, type=_PATH, help="Topology, JSON or YAML.")
@click.option("--model", metavar="DIR", help="Folder of a trained model; default: the shipped one; none: without.")
@click.option("--warm", "warm_path", type=_PATH, help="Folder of a warm start; by default what the configuration says.")
@click.option("--incidents", type=_PATH, help="Write incident events here.")
@click.option("--assignments", type=_PATH, help="Write one line per input event here.")
@click.option("--feedback-out", type=_PATH, help="Write what operators said here; with --log.")
@click.option("--rejected", type=_PATH, help="Write unusable lines here, with the reason.")
@click.option("--strict", is_flag=True, help="Exit 1 if a line was rejected.")
@click.option("--summary", "summary_form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@_configured
def replay(
    alerts: str | None,
    log_name: str | None,
    topologies: tuple[Path, ...],
    model: str | None,
    warm_path: Path | None,
    incidents: Path | None,
    assignments: Path | None,
    feedback_out: Path | None,
    rejected: Path | None,
    strict: bool,
    summary_form: str,
    config_path: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Run the engine over a file, without Kafka: the same input gives the same output."""
    from correlator import rankers, warm
    from correlator.replay import LogReplay, Replay
    from correlator.shell.lines import lines, open_lines
    from correlator.sinks import Sinks

    if (alerts is None) == (log_name is None):
        raise click.UsageError("give either --alerts or --log")
    if feedback_out is not None and log_name is None:
        raise click.UsageError("--feedback-out needs --log: alerts tell nothing of operators")
    if warm_path is not None and log_name is not None:
        raise click.UsageError("--warm needs --alerts: a log bears its own warm start")
    config = load(config_path, overrides)
    graphs = [topology_file.load(path) for path in topologies]
    ranker = rankers.chosen(model or config.worker.model)
    name = alerts or log_name or "-"
    started = time.perf_counter()
    with ExitStack() as stack:
        source = open_lines(name)
        sinks = Sinks(_output(stack, incidents), _output(stack, assignments), _output(stack, feedback_out))
        run: Replay | LogReplay
        if log_name is not None:
            run = LogReplay(config, graphs, sinks, ranker=ranker, rejected=_output(stack, rejected))
        elif len(graphs) > 1:
            raise click.UsageError("--alerts takes one --topology")
        else:
            graph = graphs[0] if graphs else ServiceGraph.empty()
            learned = warm.load(warm_path or config.worker.warm)
            run = Replay(config, graph, sinks, ranker=ranker, warm=learned, rejected=_output(stack, rejected))
        with _progress(name) as progress:
            for number, (line, read) in enumerate(lines(source, run.max_line_bytes), start=1):
                if line.strip():
                    run.feed(number, line)
                progress(read)
        summary = run.finish()
    summary.seconds = round(time.perf_counter() - started, 3)
    summary.events_per_second = round(summary.events / max(summary.seconds, 1e-9), 1)
    _show_summary(summary, summary_form)
    if strict and summary.rejected:
        sys.exit(1)


def _output(stack: ExitStack, path: Path | None) -> IO[bytes] | None:
    if path is None:
        return None
    try:
        return stack.enter_context(io.BufferedWriter(_Output(path, "wb")))
    except OSError as error:
        raise ConfigError(str(path), [error.strerror or str(error)]) from error


class _Output(io.FileIO):
    """A file that says which one it is when its disk is full."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise CorrelatorError(f"{os.fsdecode(self.name)}: {error.strerror}") from error


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int], None]]:
    """Show how much of the input is read, on a terminal only; compressed input has no known length."""
    plain = name != "-" and not name.endswith((".gz", ".zst"))
    size = Path(name).stat().st_size if plain else 0
    if not size or not sys.stderr.isatty():
        yield lambda read: None
        return
    with click.progressbar(length=size, label="replay", file=sys.stderr) as bar:
        done = 0

        def advance(read: int) -> None:
            nonlocal done
            if read - done >= size // 200 or read == size:
                bar.update(read - done)
                done = read

        yield advance


def _show_summary(summary: Any, form: str) -> None:
    values = msgspec.to_builtins(summary)
    if form == "json":
        click.echo(msgspec.json.encode(values))
        return
    values["noise_reduction"] = f"{summary.noise_reduction:.1%} (1 - pages / firing events)"
    values["dispositions"] = ", ".join(f"{name} {count}" for name, count in values["dispositions"].items() if count)
    values["notices"] = ", ".join(f"{name} {count}" for name, count in values["notices"].items()) or "none"
    for name in ("first_at", "last_at"):
        del values[name]
    for name, value in values.items():
        click.echo(f"{name.replace('_', ' '):>18}  {value}")


@cli.command("check-config")
@_configured
def check_config(config_path: Path | None, overrides: tuple[str, ...]) -> None:
    """Check the configuration, and the topology and windows it names, with the loaders that the processes use."""
    from correlator.pager import windowbook

    config = load(config_path, overrides)
    click.echo(f"configuration is valid, version {config.version()}")
    if config.worker.topology is not None:
        graph = topology_file.load(config.worker.topology)
        click.echo(f"topology is valid: {size(graph)}")
    if config.pager.windows_file is not None:
        click.echo(f"windows are valid: {len(windowbook.load(config.pager.windows_file))}")


cli.add_command(topology)
cli.add_command(explain)
cli.add_command(report)


@cli.command()
@click.option("--alerts", type=_PATH, required=True)
@click.option("--truth", type=_PATH, required=True)
@click.option("--assignments", type=_PATH, required=True)
@click.option("--incidents", type=_PATH, required=True)
@click.option("--json", "as_json", is_flag=True)
def score(alerts: Path, truth: Path, assignments: Path, incidents: Path, as_json: bool) -> None:
    """Score a replay against a truth file of labelled incidents."""
    from correlator import scoring

    click.echo(scoring.run(alerts, truth, assignments, incidents, as_json))


@cli.command()
@click.option("--preset", required=True, help="cascade, overlapping-roots, silent-root, storm-100k, flapping, day, ...")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--out", type=_PATH, required=True, help="Folder for alerts, topology and truth.")
@click.option("--topology", "topology_path", type=_PATH, help="A known graph instead of a generated one.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one parameter.")
def simulate(preset: str, seed: int, out: Path, topology_path: Path | None, overrides: tuple[str, ...]) -> None:
    """Write a seeded storm: alerts, the topology as an observer sees it, and the truth."""
    from correlator.simulator import command

    click.echo(command.written(command.run(preset, seed, out, topology_path, overrides)))


@cli.command()
@click.option("--out", type=_PATH, required=True, help="Folder for the model.")
@click.option(
    "--labelled",
    multiple=True,
    metavar="[SYSTEM=]DIR",
    help="Folder with alerts.jsonl, topology.json and truth.json; repeatable. A system is judged as a whole.",
)
@click.option("--simulate", "simulated", multiple=True, metavar="PRESET:SEED[-LAST]", help="Simulated streams too.")
@click.option("--history", type=_PATH, help="Alerts of the past, unlabelled: a warm start is learned from them.")
@click.option("--topology", "topology_path", type=_PATH, help="The topology of the history.")
@_configured
def train(
    out: Path,
    labelled: tuple[str, ...],
    simulated: tuple[str, ...],
    history: Path | None,
    topology_path: Path | None,
    config_path: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Fit what is learned and save it with its provenance: the ranker of root causes, a warm start, or both.

    A warm start holds the background rates of a history, for engines that begin: `--warm`, `worker.warm`.
    """
    from correlator.training import command

    if not labelled and not simulated and history is None:
        raise click.UsageError("give --labelled, --simulate or --history")
    arguments = [part for text in labelled for part in ("--labelled", text)]
    arguments += [part for text in simulated for part in ("--simulate", text)]
    arguments += [part for text in overrides for part in ("--set", text)]
    config = load(config_path, overrides)
    if history is not None:
        command.warm_up(config, out, history, topology_path, click.echo)
    if labelled or simulated:
        click.echo(command.written(command.run(config, out, labelled, simulated, arguments, click.echo)))


@cli.command()
@_configured
def pager(config_path: Path | None, overrides: tuple[str, ...]) -> None:
    """Consume the incidents and deliver them to the configured targets, until told to stop."""
    import asyncio
    import os
    import signal

    from correlator.pager import process

    config = load(config_path, overrides)

    async def deliver() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stop.set)
        await process.run(config, environ=os.environ, stop=stop)

    asyncio.run(deliver())


@cli.command()
@_configured
def worker(config_path: Path | None, overrides: tuple[str, ...]) -> None:
    """Run a worker against Kafka, until it is told to stop."""
    from correlator.shell.worker import run

    sys.exit(run(load(config_path, overrides)))


@cli.command()
@click.option("--create", "mode", flag_value="create", default="create", help="Create what is missing (the default).")
@click.option("--check", "mode", flag_value="check", help="Create nothing.")
@_configured
def topics(mode: str, config_path: Path | None, overrides: tuple[str, ...]) -> None:
    """Create the topics that are missing and verify the others: partitions, retention, compaction, sizes."""
    import asyncio

    from correlator.shell.topics import verify

    findings = asyncio.run(verify(load(config_path, overrides), create=mode == "create"))
    for finding in findings:
        click.echo(str(finding))
    sys.exit(1 if any(finding.problems for finding in findings) else 0)


@cli.command()
@click.argument("topic")
@click.option("--follow", is_flag=True, help="Go on with records to come, until interrupted.")
@_configured
def dump(topic: str, follow: bool, config_path: Path | None, overrides: tuple[str, ...]) -> None:
    """Write the records of a topic as JSON lines, from its beginning to its present end."""
    import asyncio

    from correlator.shell.dump import dump as dumped

    config = load(config_path, overrides)

    async def write() -> None:
        out = sys.stdout.buffer
        async for line in dumped(config.kafka, topic, follow=follow):
            out.write(line + b"\n")
            if follow:
                out.flush()
        out.flush()

    asyncio.run(write())


@cli.command()
@click.option("--alerts", type=_PATH, help="A recorded stream; by default a storm is simulated.")
@click.option("--topology", "topology_path", type=_PATH, help="Its dependency graph, JSON or YAML.")
@click.option("--truth", type=_PATH, help="Its labelled cases, to be set beside the roots that were named.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override one configuration value.")
@click.option(
    "--speed",
    type=click.FloatRange(min=0),
    help="Seconds of the stream in a second; 0: as fast as it goes. By default it takes less than a minute.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Seed of the simulated storm.")
@click.option("--keep", is_flag=True, help="Leave the files there: configuration, stream, results and logs.")
def demo(
    alerts: Path | None,
    topology_path: Path | None,
    truth: Path | None,
    overrides: tuple[str, ...],
    speed: float | None,
    seed: int,
    keep: bool,
) -> None:
    """Show it all on this machine: Kafka, worker, pager, a storm; nothing is left behind."""
    from correlator.demo import run

    if alerts is None and (topology_path or truth):
        raise click.UsageError("--topology and --truth describe a recorded stream: give --alerts too")
    run(
        alerts=alerts,
        topology=topology_path,
        truth=truth,
        overrides=overrides,
        speed=speed,
        seed=seed,
        keep=keep,
    )
