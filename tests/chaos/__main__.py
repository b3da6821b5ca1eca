"""`python -m tests.chaos`: run schedules until enough was killed, and print what came of it."""

from __future__ import annotations

import asyncio
import itertools
import signal
import sys
import tempfile
from pathlib import Path

import click

from tests.chaos.schedule import draw
from tests.chaos.stage import PAGERS, WORKERS, run
from tests.chaos.table import Run, table


@click.command()
@click.option("--kills", type=click.IntRange(1), default=100, show_default=True, help="On each number of brokers.")
@click.option("--brokers", type=click.IntRange(1, 5), multiple=True, default=(1, 3), show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the first run; each further run has the next.")
@click.option("--seconds", type=click.FloatRange(10), default=120.0, show_default=True, help="How long a stream lasts.")
@click.option(
    "--pause", type=click.FloatRange(0.2), default=2.5, show_default=True, help="Between two deeds, on average."
)
@click.option("--logs", type=click.Path(file_okay=False, path_type=Path), help="Keep the logs of all processes here.")
@click.option("--dry", is_flag=True, help="Only print the first schedule of each.")
def main(
    kills: int, brokers: tuple[int, ...], seed: int, seconds: float, pause: float, logs: Path | None, dry: bool
) -> None:
    """Kill, suspend and restart everything at random, and compare what came out with an uninterrupted run."""
    # However it is ended, nothing stays behind.
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, signal.default_int_handler)
    runs: list[Run] = []
    for count in brokers:
        for number in itertools.count(seed):
            acts = draw(number, seconds=seconds, brokers=count, workers=WORKERS, pagers=PAGERS, pause_seconds=pause)
            click.echo(f"-- seed {number} on {count} brokers: {len(acts)} deeds in {seconds:g} s")
            if dry:
                click.echo("\n".join(map(str, acts)))
                break
            with tempfile.TemporaryDirectory(prefix="correlator-chaos-") as temporary:
                folder = Path(temporary) if logs is None else logs / f"{count}-{number}"
                folder.mkdir(parents=True, exist_ok=True)
                outcome = asyncio.run(
                    run(acts, seed=number, seconds=seconds, brokers=count, folder=folder, say=click.echo)
                )
            runs.append(Run(seed=number, brokers=count, outcome=outcome, wrong=outcome.evidence.judge()))
            click.echo("\n".join([*runs[-1].problems, *outcome.ended, table(runs), ""]))
            if sum(each.kills for each in runs if each.brokers == count) >= kills:
                break
    if any(each.problems for each in runs):
        sys.exit(1)


main()
