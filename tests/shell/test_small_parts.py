"""The small parts of the worker's shell, each with the property it is there for."""

from __future__ import annotations

import json
import logging
import re
from io import BytesIO
from pathlib import Path

import pytest
from aiokafka import ConsumerRecord
from prometheus_client import CollectorRegistry

from correlator.config import Config, KafkaConfig, NamingConfig, WorkerConfig
from correlator.domain import (
    Action,
    AlertCounts,
    Disposition,
    IncidentEvent,
    IncidentStatus,
    Owner,
    RootCause,
    Severity,
    Versions,
)
from correlator.engine.decisions import Decision, Reason, Verdict
from correlator.engine.state import State
from correlator.errors import LogError
from correlator.formats import log
from correlator.formats.naming import Namer
from correlator.formats.reading import Formats
from correlator.replay import LogReplay
from correlator.shell import topologies
from correlator.shell.app import settings
from correlator.shell.dump import line
from correlator.shell.ingest import defaulted, named
from correlator.shell.logs import Repeats
from correlator.shell.metrics import Metrics, source_word
from correlator.shell.pace import Pace
from correlator.shell.tally import Tally
from correlator.shell.topics import Shape, differences, layout
from correlator.shell.watchdog import Stall
from correlator.sinks import Sinks
from topology.graph import Service, ServiceGraph, TopologyDocument


def incident(action: Action, *, page: bool) -> IncidentEvent:
    """Return an event of an incident that began at 08:00:00, was told of at 08:00:20 and ended at 08:10:00."""
    return IncidentEvent(
        incident_id="incident-1",
        revision=1,
        action=action,
        page=page,
        status=IncidentStatus.RESOLVED if action is Action.RESOLVED else IncidentStatus.TRIGGERED,
        severity=Severity.CRITICAL,
        title="",
        summary="",
        scope="default",
        root_cause=RootCause(service="db", entity=None, alert=None, silent=True, confidence=1, candidates=[]),
        owner=Owner(team="payments"),
        services=[],
        blast_radius=[],
        alerts=AlertCounts(firing=1, total=1, events=1, sample=[]),
        changes=[],
        merged_into=None,
        started_at="2026-01-31T08:00:00.000Z",
        opened_at="2026-01-31T08:00:20.000Z",
        resolved_at=None,
        published_at="2026-01-31T08:10:00.000Z",
        versions=Versions(topology="t", model="m", config="c"),
    )


REPOSITORY = Path(__file__).parents[2]


# -- the watchdog ------------------------------------------------------------------------------------------------


def test_input_that_waits_while_nothing_is_done_is_a_stall_after_its_time() -> None:
    stall = Stall(10)
    assert not stall.check(100, waiting=True, done=5)
    assert not stall.check(109, waiting=True, done=5)
    assert stall.seconds(109) == 9
    assert stall.check(110, waiting=True, done=5)


def test_anything_done_or_nothing_waiting_begins_the_time_anew() -> None:
    stall = Stall(10)
    stall.check(100, waiting=True, done=5)
    assert not stall.check(109, waiting=True, done=6)
    assert not stall.check(118, waiting=True, done=6)
    stall.check(118.5, waiting=False, done=6)
    assert not stall.check(130, waiting=True, done=6)
    assert stall.check(140, waiting=True, done=6)


# -- topics ------------------------------------------------------------------------------------------------------


def config(**worker: object) -> Config:
    return Config(worker=WorkerConfig.model_validate(worker), kafka=KafkaConfig(partitions=3))


def test_recorded_streams_are_not_deleted_for_their_age() -> None:
    played = {topic.name: topic.settings for topic in layout(config(clock="records"))}
    live = {topic.name: topic.settings for topic in layout(config())}
    for name, days in {"alerts": 7, "correlator-events": 7, "incidents": 90}.items():
        assert played[name]["retention.ms"] == "-1"
        assert live[name]["retention.ms"] == str(days * 86_400_000)


def test_a_dead_letter_and_a_record_of_the_log_have_room_for_the_largest_event() -> None:
    *topics, pager_state = layout(config(max_event_bytes=5_000_000))
    assert pager_state.name == "correlator-pager-state"
    for topic in topics:
        assert int(topic.settings["max.message.bytes"]) > 5_000_000
    assert settings(config(max_event_bytes=5_000_000))["producer_max_request_size"] > 5_000_000


def test_every_difference_of_a_topic_is_told_and_more_room_is_none() -> None:
    wanted = layout(config())[0]
    same = dict(wanted.settings)
    three, one = Shape(partitions=3, copies=1), Shape(partitions=1, copies=1)
    assert differences(wanted, three, same) == []
    assert differences(wanted, three, {**same, "max.message.bytes": "99999999"}) == []
    assert differences(wanted, None, {}) == ["missing"]
    found = differences(wanted, one, {**same, "cleanup.policy": "compact", "max.message.bytes": "10"})
    assert len(found) == 3
    assert found[0] == "has 1 partitions, not 3"


def test_policies_are_the_same_in_any_order() -> None:
    wanted = next(topic for topic in layout(config()) if topic.name == "incidents")
    assert wanted.settings["cleanup.policy"] == "compact,delete"
    three, same = Shape(partitions=3, copies=1), dict(wanted.settings)
    assert differences(wanted, three, {**same, "cleanup.policy": "delete,compact"}) == []
    (told,) = differences(wanted, three, {**same, "cleanup.policy": "compact"})
    assert told == "cleanup.policy is compact, not compact,delete: it keeps too much or too little"


# -- dumps -------------------------------------------------------------------------------------------------------


def record(value: bytes | None, key: bytes | None = b"k") -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord("t", 2, 7, 1234, 0, key, value, None, 1, 1, (("h", b"text"), ("b", b"\xff")))


def test_a_dumped_record_holds_everything_and_json_as_it_was() -> None:
    value = b'{"b":1.50,  "a":[1]}'
    dumped = line(record(value))
    assert value in dumped
    tree = json.loads(dumped)
    assert (tree["partition"], tree["offset"], tree["timestamp"], tree["key"]) == (2, 7, 1234, "k")
    assert tree["headers"] == {"h": "text", "b": {"base64": "/w=="}}


@pytest.mark.parametrize("value", [b"no json", b"\x00\xff", b'{"a":', b""])
def test_what_is_no_json_is_dumped_as_base64(value: bytes) -> None:
    import base64

    assert base64.b64decode(json.loads(line(record(value)))["value"]["base64"]) == value


def test_a_dump_stays_one_line_a_record() -> None:
    dumped = line(record(b'{"a":\n1}', key=None))
    assert b"\n" not in dumped
    assert json.loads(dumped)["value"] == {"a": 1}
    assert json.loads(line(record(None)))["value"] is None


def test_a_replay_of_a_dump_passes_over_foreign_records_as_the_worker_does() -> None:
    rejected = BytesIO()
    run = LogReplay(Config(), [], Sinks(), rejected=rejected)
    run.feed(1, line(record(log.encode(log.Tick(at=5)))))
    run.feed(2, line(record(b"foreign")))
    run.feed(3, line(record(None)))
    assert run.finish().rejected == 2
    assert rejected.getvalue().count(b"not_a_log_record") == 2
    with pytest.raises(LogError, match="line 4"):
        run.feed(4, b"no dump")
    with pytest.raises(LogError, match="line 5: the log names topology cafe"):
        run.feed(5, line(record(log.encode(log.TopologyVersion(at=5, version="cafe")))))


# -- topologies, metrics, logs -----------------------------------------------------------------------------------


def test_a_published_topology_is_the_same_version() -> None:
    graph = ServiceGraph(TopologyDocument(services=(Service(name="a", owner="t", aliases=("b",)),), dependencies=()))
    assert topologies.decode(topologies.encode(graph)).version == graph.version


def test_metrics_md_lists_every_metric_and_no_other() -> None:
    registry = CollectorRegistry()
    Metrics(registry)
    told = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in registry.collect()
        if not family.name.startswith("process_")
    }
    text = (REPOSITORY / "docs" / "metrics.md").read_text().partition("## The worker")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `([a-z_]+)(?:\{[^`]*\})?` \|", text, re.MULTILINE)
    assert sorted(listed) == sorted(told)


def test_labels_from_senders_are_words_of_a_closed_set() -> None:
    assert source_word("Prometheus") == "prometheus"
    assert source_word("https://prometheus-17/graph?g0=up") == "other"
    assert source_word("") == "none"


def test_every_event_counts_once_under_what_became_of_it() -> None:
    registry = CollectorRegistry()
    tally = Tally(Metrics(registry), State())

    def decide(number: int, disposition: Disposition | None, node: int) -> None:
        tally.count(
            Decision(
                event_id=f"e{number}",
                fingerprint="f",
                disposition=disposition,
                reason=Reason.NEW_TROUBLE,
                scope="x",
                node=node,
            )
        )

    for number in range(5):
        decide(number, None, 1)
    decide(5, Disposition.DUPLICATE, 1)
    decide(6, None, 2)
    assert tally.pending == 6
    tally.count(
        Verdict(
            node=1,
            scope="x",
            incident_id="i",
            disposition=Disposition.ATTACHED,
            reason=Reason.ROOT_OF_INCIDENT,
            opening_event="e0",
        )
    )
    tally.show()
    counts = {
        (sample.labels["disposition"], sample.labels["reason"]): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == "correlator_events_total" and sample.value
    }
    assert counts == {
        ("opened", "root_of_incident"): 1,
        ("attached", "root_of_incident"): 4,
        ("duplicate", "new_trouble"): 1,
    }
    assert tally.pending == 1
    tally.show()
    assert registry.get_sample_value("correlator_events_applied_total") == 7


def test_an_incident_is_counted_for_its_owner_with_the_times_of_its_life() -> None:
    registry = CollectorRegistry()
    tally = Tally(Metrics(registry), State())
    tally.count(incident(Action.OPENED, page=True))
    tally.count(incident(Action.UPDATED, page=False))
    tally.count(incident(Action.RESOLVED, page=False))
    value = registry.get_sample_value
    owner = {"team": "payments", "severity": "critical"}
    assert value("correlator_incidents_opened_total", owner) == value("correlator_pages_total", owner) == 1
    assert value("correlator_pages_total", {"team": "none", "severity": "critical"}) == 0
    assert value("correlator_detection_delay_seconds_sum") == 20
    assert value("correlator_incident_duration_seconds_sum") == 580


def test_a_library_that_repeats_itself_is_heard_once_in_a_while() -> None:
    repeats = Repeats(interval_seconds=30)

    def heard(text: str, at: float) -> bool:
        said = logging.LogRecord("aiokafka", logging.ERROR, "", 0, text, ("argument",), None)
        said.created = at
        return repeats.filter(said)

    assert [heard("cannot connect: %s", at) for at in (0.0, 1.0, 29.0, 31.0)] == [True, False, False, True]
    assert heard("another: %s", 31.5)


def test_a_round_that_takes_long_puts_off_the_next_so_that_rounds_take_a_tenth_of_the_time() -> None:
    pace = Pace(5.0)
    pace.done(100.0, since=99.9)
    assert not pace.is_due(104.9)
    assert pace.is_due(105.0)
    pace.done(100.0, since=98.0)
    assert not pace.is_due(119.9)
    assert pace.is_due(120.0)


def test_who_waits_for_a_round_notices_that_it_was_started_anew() -> None:
    pace = Pace(0.3)
    # Suspended in the middle of a round, for 12 s.
    pace.done(112.0, since=100.0)
    wakes_at = 112.0 + pace.pause(112.0)
    pace.start(112.1)
    assert wakes_at <= 112.4
    assert pace.is_due(wakes_at + pace.pause(wakes_at))


def test_what_firings_leave_out_is_counted_by_their_source() -> None:
    alerts = [
        {"labels": {"alertname": "A", "service": "cart", "severity": "critical"}},
        {"labels": {"alertname": "B", "service": "cart", "severity": "blocker"}},
        {"labels": {"alertname": "C"}},
        {"labels": {"alertname": "D"}, "endsAt": "2026-11-23T03:40:00Z"},
    ]
    at = 1_795_405_230_000  # after the end of D
    read = Formats().read(json.dumps(alerts).encode(), arrived_at=at).alerts
    namer = Namer(NamingConfig(), ServiceGraph.empty())
    events = [namer.name(alert, event_id=str(number), observed_at=at) for number, alert in enumerate(read)]
    assert defaulted(events) == {("prometheus", "severity"): 2, ("prometheus", "service"): 1}
    own = Namer(NamingConfig(severities={"blocker": "critical"}), ServiceGraph.empty())
    assert defaulted([own.name(read[1], event_id="1", observed_at=at)]) == {}


def test_firings_are_counted_by_the_rule_that_named_their_service() -> None:
    graph = ServiceGraph(TopologyDocument(services=(Service(name="cart"),), dependencies=()))
    alerts = [
        {"labels": {"alertname": "A", "service": "cart"}},
        {"labels": {"alertname": "B", "service": "exporter", "app": "cart"}},
        {"labels": {"alertname": "C", "service": "shop"}},
        {"labels": {"alertname": "D"}},
        {"labels": {"alertname": "E"}, "endsAt": "2026-11-23T03:40:00Z"},
    ]
    at = 1_795_405_230_000  # after the end of E
    read = Formats().read(json.dumps(alerts).encode(), arrived_at=at).alerts
    namer = Namer(NamingConfig(), graph)
    assert named([namer.name(alert, event_id="1", observed_at=at) for alert in read]) == {
        ("prometheus", "label:service", "yes"): 1,
        ("prometheus", "label:app", "yes"): 1,
        ("prometheus", "label:service", "no"): 1,
        ("prometheus", "nothing", "no"): 1,
    }


def test_teams_that_alerts_name_are_no_more_labels_than_a_metric_bears() -> None:
    metrics = Metrics(CollectorRegistry())
    words = [metrics.team_word(f"team-{number}") for number in range(1_100)]
    assert words == [*(f"team-{number}" for number in range(1_000)), *["other"] * 100]
    assert metrics.team_word("team-7") == "team-7"
