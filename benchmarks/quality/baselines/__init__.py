"""The baselines: every method a user could have instead, each a few dozen lines, judged by the same scorer."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.quality.baselines.alec import alec
from benchmarks.quality.baselines.alertmanager import alertmanager, by_name, by_name_cluster_service, by_service
from benchmarks.quality.baselines.connected import connected
from benchmarks.quality.baselines.groups import Grouper, Outcome, publish
from benchmarks.quality.baselines.rankers import RANKERS
from benchmarks.quality.baselines.simple import fixed_window, no_grouping, session_window
from benchmarks.quality.baselines.text import similar_text
from benchmarks.quality.stream import Stream

#: Spans of the component baselines; a coarse stream adds the correlation window, which these are too short for.
WINDOWS_SECONDS = (120.0, 300.0)


def groupers(stream: Stream) -> dict[str, Grouper]:
    """Return the grouping methods for a stream by name."""
    windows = (*WINDOWS_SECONDS, stream.window_seconds) if stream.coarse else WINDOWS_SECONDS
    return {
        "no grouping": no_grouping,
        "Alertmanager [alertname, cluster, service]": alertmanager(by_name_cluster_service),
        "Alertmanager [alertname]": alertmanager(by_name),
        "Alertmanager [service]": alertmanager(by_service),
        "fixed window 300 s": fixed_window(300),
        "session window 60 s": session_window(60),
        **{
            f"component {hops} hop{'s' * (hops > 1)} {seconds:.0f} s": connected(hops=hops, seconds=seconds)
            for hops in (1, 2)
            for seconds in windows
        },
        "ALEC": alec,
        "TF-IDF and DBSCAN": similar_text(distance=0.5, seconds=300),
    }


def outcomes(stream: Stream) -> Iterator[tuple[str, Outcome]]:
    """Yield what every baseline makes of a stream, with and without the noise gate, roots named topologically."""
    for name, grouper in groupers(stream).items():
        groups = grouper(stream.spells, stream.graph)
        for gate in (False, True):
            outcome = publish(
                groups,
                stream.spells,
                stream.alerts,
                stream.graph,
                lines=stream.lines,
                ranker=RANKERS["topological"],
                gate=gate,
            )
            yield f"{name}, gated" if gate else name, outcome
