"""The rules of the baselines, each at its edge."""

from collections.abc import Sequence

import pytest

from benchmarks.quality.baselines.alec import alec, distance
from benchmarks.quality.baselines.alertmanager import alertmanager, by_name, by_name_cluster_service, by_service
from benchmarks.quality.baselines.connected import connected
from benchmarks.quality.baselines.groups import Group, Grouper, Member, page_time, publish
from benchmarks.quality.baselines.rankers import Sighting, earliest_alert, most_alerts, pagerank, topological
from benchmarks.quality.baselines.simple import fixed_window, no_grouping, session_window
from benchmarks.quality.baselines.text import similar_text
from benchmarks.quality.stream import spells, window_seconds
from correlator.scoring import AlertLine, figures, score
from tests.scoring.streams import assigned, fire, resolve, truth
from topology.graph import Dependency, Service, ServiceGraph, TopologyDocument

#: a calls b calls c calls d.
LINE = ServiceGraph(
    TopologyDocument(
        services=tuple(Service(name=name) for name in "abcd"),
        dependencies=tuple(Dependency(source=one, to=other) for one, other in ("ab", "bc", "cd")),
    )
)


def partition(grouper: Grouper, alerts: Sequence[AlertLine]) -> list[set[int]]:
    """Return the surviving groups of spells, the single ones too."""
    groups = grouper(spells(alerts, LINE), LINE)
    return [{member.spell for member in group.members} for group in groups if group.merged_into is None]


def told(grouper: Grouper, alerts: Sequence[AlertLine]) -> list[float | None]:
    groups = grouper(spells(alerts, LINE), LINE)
    return [None if group.told_at is None else group.told_at / 1000 for group in groups]


def pair(seconds: float, other: str) -> list[AlertLine]:
    return [fire(0, 0, name="A", service="a"), fire(1, seconds, name="B", service=other)]


@pytest.mark.parametrize(
    ("seconds", "service", "linked"),
    [(75.15, "a", True), (75.16, "a", False), (26.57, "b", True), (26.58, "b", False), (0, "c", False)],
)
def test_alec_links_one_vertex_up_to_75_seconds_one_hop_up_to_26_and_two_hops_never(
    seconds: float, service: str, linked: bool
) -> None:
    assert partition(alec, pair(seconds, service)) == ([{0, 1}] if linked else [])


def test_alec_distance_is_the_published_one() -> None:
    assert distance(60_000, 0) == pytest.approx(144.47 * 0.5526, rel=1e-3)
    assert distance(0, 1) == pytest.approx(144.47 * 0.4474, rel=1e-3)


def test_alec_chains_links_and_measures_time_from_the_last_event_of_an_alarm() -> None:
    chain = [fire(0, 0, service="a"), fire(1, 20, service="b"), fire(2, 20, service="c")]
    assert partition(alec, chain) == [{0, 1, 2}]
    renewed = [fire(0, 0, service="a"), fire(1, 100, service="a"), fire(2, 170, service="a", name="B")]
    assert partition(alec, renewed) == [{0, 1}]


def test_alec_situations_are_never_merged_and_a_new_alarm_joins_that_of_its_nearest_neighbour() -> None:
    two_situations = [
        fire(0, 0, name="N0", service="a"),
        fire(1, 1, name="N1", service="a"),
        fire(2, 40, name="N2", service="c"),
        fire(3, 41, name="N3", service="c"),
    ]
    # Those on a are too long ago for the alert on b.
    between = [*two_situations, fire(4, 65, name="N4", service="c"), fire(5, 66, name="N5", service="b")]
    assert partition(alec, between) == [{0, 1}, {2, 3, 4, 5}]
    # Renewed at 50 s an alarm on a is within reach of b, nearer than those on c: the chain spans both, both stay.
    renewed = [*two_situations, fire(4, 50, name="N1", service="a"), fire(5, 61, name="N5", service="b")]
    assert partition(alec, renewed) == [{0, 1, 4}, {2, 3}]


def test_alertmanager_never_notifies_of_what_is_resolved_within_group_wait() -> None:
    assert told(alertmanager(by_name), [fire(0, 0), resolve(1, 29)]) == [None]
    assert told(alertmanager(by_name), [fire(0, 0), resolve(1, 31)]) == [30]


def test_alertmanager_tells_of_a_late_member_at_the_next_interval() -> None:
    blip_then_trouble = [fire(0, 0), resolve(1, 10), fire(2, 20, service="t"), resolve(3, 25, service="t")]
    later = [fire(4, 28, service="u"), resolve(5, 29, service="u"), fire(6, 29, service="v"), resolve(7, 900)]
    assert told(alertmanager(by_name), [*blip_then_trouble, *later]) == [30]
    assert told(alertmanager(by_name), [fire(0, 0), resolve(1, 10), fire(2, 31), resolve(3, 900)]) == [None, 61]
    standing = [fire(0, 0), resolve(1, 200), fire(2, 100, service="t"), resolve(3, 329, service="t")]
    assert told(alertmanager(by_name), standing) == [30]


def test_alertmanager_group_ends_with_the_flush_that_finds_all_resolved() -> None:
    one_life = [fire(0, 0), resolve(1, 40), fire(2, 329), resolve(3, 400)]
    two_lives = [fire(0, 0), resolve(1, 40), fire(2, 331), resolve(3, 400)]
    assert partition(alertmanager(by_name), one_life) == [{0, 1}]
    assert partition(alertmanager(by_name), two_lives) == [{0}, {1}]


def test_alertmanager_flushes_an_old_alert_at_once() -> None:
    assert told(alertmanager(by_name), [fire(0, 100, starts=60)]) == [100]


def test_alertmanager_groups_by_the_labels_named() -> None:
    alerts = [fire(0, 0, name="A", service="a"), fire(1, 1, name="A", service="b"), fire(2, 2, name="B", service="b")]
    assert partition(alertmanager(by_name), alerts) == [{0, 1}, {2}]
    assert partition(alertmanager(by_service), alerts) == [{0}, {1, 2}]
    assert partition(alertmanager(by_name_cluster_service), alerts) == [{0}, {1}, {2}]


@pytest.mark.parametrize(
    ("hops", "seconds", "service", "linked"),
    [(1, 120, "b", True), (1, 121, "b", False), (1, 0, "c", False), (2, 120, "c", True), (2, 0, "d", False)],
)
def test_components_link_within_their_hops_and_seconds(hops: int, seconds: float, service: str, linked: bool) -> None:
    found = partition(connected(hops=hops, seconds=120), pair(seconds, service))
    assert found == ([{0, 1}] if linked else [{0}, {1}])


def test_components_joined_late_become_one_and_the_older_takes_the_younger_in() -> None:
    alerts = [fire(0, 0, service="a"), fire(1, 5, service="c"), fire(2, 50, service="b")]
    groups = connected(hops=1, seconds=120)(spells(alerts, LINE), LINE)
    assert [group.merged_into for group in groups] == [None, 0]
    assert groups[1].merged_at == 50_000
    assert {member.spell for member in groups[0].members} == {0, 1, 2}
    outcome = publish(groups, spells(alerts, LINE), alerts, LINE, lines=3, ranker=topological, gate=False)
    assert len({assignment.incident_id for assignment in outcome.assignments}) == 1
    assert [(step.at, step.page) for step in outcome.steps if step.page] == [(30_000, True), (35_000, True)]


def test_a_group_merged_before_its_page_does_not_page() -> None:
    alerts = [fire(0, 0, service="a"), fire(1, 5, service="c"), fire(2, 20, service="b")]
    groups = connected(hops=1, seconds=120)(spells(alerts, LINE), LINE)
    assert [page_time(group, spells(alerts, LINE), gate=False) for group in groups] == [30_000, None]


def test_fixed_windows_cut_time_and_tell_at_their_end() -> None:
    alerts = [fire(0, 0, name="A"), fire(1, 299, name="B"), fire(2, 300, name="C")]
    assert partition(fixed_window(300), alerts) == [{0, 1}, {2}]
    assert told(fixed_window(300), alerts) == [300, 600]


def test_sessions_last_until_none_came_for_the_gap() -> None:
    alerts = [fire(0, 0, name="A"), fire(1, 60, name="B"), fire(2, 121, name="C")]
    assert partition(session_window(60), alerts) == [{0, 1}, {2}]


def test_alike_texts_close_in_time_are_together() -> None:
    alerts = [
        fire(0, 0, name="DiskFull", service="a"),
        fire(1, 300, name="DiskFull", service="b"),
        fire(2, 301, name="SlowCalls", service="b"),
        fire(3, 700, name="DiskFull", service="c"),
    ]
    assert partition(similar_text(distance=0.5, seconds=300), alerts) == [{0, 1}, {2}, {3}]


def test_the_gate_lets_two_services_page_at_once_and_one_when_it_lasts() -> None:
    alerts = [
        fire(0, 0, service="a"),
        resolve(1, 100, service="a"),
        fire(2, 50, service="b"),
        resolve(3, 90, service="b"),
    ]
    both = Group(members=[Member(spell=0, joined_at=0), Member(spell=1, joined_at=50_000)], told_at=30_000)
    assert page_time(both, spells(alerts, LINE), gate=True) == 50_000
    blip, lasting = ([fire(0, 0), resolve(1, seconds)] for seconds in (300, 301))
    alone = Group(members=[Member(spell=0, joined_at=0)], told_at=30_000)
    assert page_time(alone, spells(blip, LINE), gate=True) is None
    assert page_time(alone, spells(lasting, LINE), gate=True) == 300_001
    assert page_time(alone, spells(blip, LINE), gate=False) == 30_000


def seen(*services: str) -> list[Sighting]:
    return [Sighting(service=service, at=number) for number, service in enumerate(services)]


def test_rankers_break_ties_as_documented() -> None:
    assert most_alerts(seen("b", "a", "a", "b", "c"), LINE) == ("b", "a", "c")
    same_time = [Sighting(service=service, at=0) for service in ("b", "a", "c", "c")]
    assert earliest_alert(same_time, LINE) == ("c", "a", "b")
    assert topological(seen("a", "a", "b", "d"), LINE) == ("b", "d", "a")
    assert pagerank(seen("a", "b", "c"), LINE)[0] in {"c", "d"}


def test_pagerank_follows_dependencies_to_where_the_alerts_lead() -> None:
    scores = pagerank(seen("a", "b"), LINE)
    assert scores.index("b") < scores.index("a")


def test_the_window_follows_from_the_sampling_interval_of_the_stream() -> None:
    assert window_seconds([fire(number, 60 * number) for number in range(5)]) == 400
    assert window_seconds([fire(number, 300 * number) for number in range(5)]) == 900
    assert window_seconds([fire(0, 0)]) == 400


def test_no_grouping_pages_for_every_alert_at_once() -> None:
    alerts = [fire(0, 0, service="a"), fire(1, 10, service="a", name="B")]
    outcome = publish(
        no_grouping(spells(alerts, LINE), LINE),
        spells(alerts, LINE),
        alerts,
        LINE,
        lines=2,
        ranker=topological,
        gate=False,
    )
    found = figures(score(alerts, truth({0: "x", 1: "x"}, {"x": "a"}), outcome.assignments, outcome.steps))
    assert (found["pages"], found["time_to_page_p50"], found["top1"]) == (2, 0, 1)
    assert [assignment.event_id for assignment in outcome.assignments] == [
        assignment.event_id for assignment in assigned(None, None)
    ]
