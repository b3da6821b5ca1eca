"""Each verdict passes a good run, and names what was doctored in a bad one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.chaos import verdicts
from tests.chaos.endpoint import PAGERDUTY_PATH, WEBHOOK_PATH, Call
from tests.chaos.verdicts import Published, Span


def incident(name: str, revision: int, **more: Any) -> bytes:
    event = {"incident_id": name, "revision": revision, "page": revision == 1, "status": "triggered", "action": "-"}
    return json.dumps({**event, "published_at": f"2026-01-01T00:00:{revision:02d}Z", **more}).encode()


def end(name: str, revision: int) -> bytes:
    return incident(name, revision, page=False, status="resolved")


A1, A2, A3 = incident("a", 1), incident("a", 2), end("a", 3)
B1, B2 = incident("b", 1), end("b", 2)
#: Two partitions of the log; incidents a and b go to partition 0 of `incidents`, c to 1.
C1 = incident("c", 1)
REPLAYED = {0: [A1, C1, A2, A3], 1: [B1, B2]}


def published(*values: bytes) -> list[Published]:
    return [Published(partition=int(json.loads(value)["incident_id"] == "c"), value=value) for value in values]


GOOD = published(A1, B1, A2, A1, A2, C1, A3, B1, B2)


def test_repeats_must_be_the_same_byte_for_byte() -> None:
    assert verdicts.differing_repeats(GOOD) == []
    doctored = [*GOOD, *published(incident("a", 2, title="another"))]
    assert verdicts.differing_repeats(doctored) == ["a revision 2 was published twice and differs"]


def test_what_was_published_is_what_the_replay_gives() -> None:
    assert verdicts.differs_from_replay(GOOD, REPLAYED) == []


def test_an_event_that_was_not_published_is_named() -> None:
    (wrong,) = verdicts.differs_from_replay(published(A1, B1, C1, A3, B2), REPLAYED)
    assert "1 events of the replay were not published so, the first: ('a', 2)" in wrong
    assert verdicts.differs_from_replay(published(A1, A2, A3, C1), REPLAYED) == [
        "b revision 1 was not published",
        "b revision 2 was not published",
    ]


def test_an_event_that_the_replay_does_not_give_is_named() -> None:
    (wrong,) = verdicts.differs_from_replay([*GOOD, *published(incident("d", 1))], REPLAYED)
    assert wrong == "d revision 1 was published, the replay does not give it"


def test_an_event_published_with_other_bytes_is_named() -> None:
    doctored = published(A1, B1, incident("a", 2, title="another"), C1, A3, B2)
    (wrong,) = verdicts.differs_from_replay(doctored, REPLAYED)
    assert "('a', 2)" in wrong


def test_events_in_another_order_are_named() -> None:
    (wrong,) = verdicts.differs_from_replay(published(A2, A1, B1, C1, A3, B2), REPLAYED)
    assert wrong == "log 0, incidents 0: published in another order than the replay's"


# -- the log --------------------------------------------------------------------------------------------------------


SENT = {(0, 0): ["e1"], (0, 1): ["e2", "e3", "e4"], (1, 0): ["e1"]}


def record(partition: int, offset: int, part: str, *ids: str) -> dict[str, Any]:
    source = {"partition": partition, "offset": offset, "part": part, "floor": 0}
    return {"type": "alerts", "events": [{"id": identity} for identity in ids], "source": source}


LOG = [
    record(0, 0, "s", "e1"),
    {"type": "tick", "at": 5},
    record(0, 1, "s", "e2", "e4"),
    record(0, 1, "t", "e3"),
    record(0, 1, "s", "e2", "e4"),
    record(1, 0, "s", "e1"),
]


def test_every_message_is_in_the_log_once_forwards_repeated_or_not() -> None:
    assert verdicts.not_logged_once(SENT, LOG) == []


def test_a_message_that_is_not_in_the_log_whole_is_named() -> None:
    assert verdicts.not_logged_once(SENT, LOG[1:]) == ["message (0, 0) with 1 events is not in the log as it was sent"]
    without_part = [each for each in LOG if each.get("source", {}).get("part") != "t"]
    assert verdicts.not_logged_once(SENT, without_part) == [
        "message (0, 1) with 3 events is not in the log as it was sent"
    ]


def test_an_event_that_is_in_the_log_twice_is_named() -> None:
    doctored = [*LOG, record(0, 1, "u", "e3")]
    assert verdicts.not_logged_once(SENT, doctored) == ["message (0, 1) with 3 events is not in the log as it was sent"]


def test_a_record_of_a_message_that_nobody_sent_and_a_repeat_that_differs_are_named() -> None:
    assert verdicts.not_logged_once(SENT, [*LOG, record(3, 9, "s", "x")]) == [
        "message (3, 9) in the log was never sent"
    ]
    assert verdicts.not_logged_once(SENT, [*LOG, record(1, 0, "s", "e9")]) == [
        "message (1, 0) was forwarded twice and differs"
    ]


def test_every_event_has_one_disposition_for_each_time_it_was_sent() -> None:
    fates = ["e1", "e1", "e2", "e3", "e4"]
    assert verdicts.without_fate(SENT, fates) == verdicts.with_several_fates(SENT, fates) == []
    assert verdicts.without_fate(SENT, fates[1:]) == ["e1: sent 2 times, 1 dispositions"]
    assert verdicts.with_several_fates(SENT, [*fates, "e3"]) == ["e3: sent 1 times, 2 dispositions"]
    assert verdicts.with_several_fates(SENT, [*fates, "e9"]) == ["e9: sent 0 times, 1 dispositions"]


def test_rubbish_is_set_aside_and_nothing_else_is() -> None:
    assert verdicts.not_set_aside([(0, 5)], [(0, 5), (0, 5)]) == []
    assert verdicts.not_set_aside([(0, 5)], []) == ["rubbish (0, 5) was not set aside"]
    assert verdicts.not_set_aside([], [(0, 5)]) == ["message (0, 5) was set aside without need"]


# -- pages ----------------------------------------------------------------------------------------------------------


def call(action: str, name: str, *, taken: bool = True) -> Call:
    return Call(at=0.0, path=PAGERDUTY_PATH, body={"event_action": action, "dedup_key": name}, taken=taken)


def heard(*actions: str) -> dict[str, Sequence[str]]:
    return dict(verdicts.pagerduty_of([call(action, "a") for action in actions]))


def test_what_was_not_taken_was_not_heard() -> None:
    assert verdicts.pagerduty_of([call("trigger", "a", taken=False), call("resolve", "a")]) == {"a": ["resolve"]}


def test_a_trigger_while_the_incident_is_open_pages_nobody_and_after_its_end_it_does() -> None:
    assert verdicts.doubled(heard("trigger", "trigger", "acknowledge", "trigger", "resolve", "resolve"), GOOD) == []
    twice = heard("trigger", "resolve", "trigger", "resolve")
    (wrong,) = verdicts.doubled(twice, GOOD)
    assert verdicts.doubled(twice, [*GOOD, *published(incident("a", 4, action="reopened"))]) == []
    assert wrong == "a was paged 2 times: trigger, resolve, trigger, resolve"


def test_a_page_without_its_resolve_is_named() -> None:
    assert verdicts.unresolved(heard("trigger", "resolve")) == []
    assert verdicts.unresolved(heard("trigger", "resolve", "trigger")) == ["a was paged and never resolved"]


def test_a_page_that_was_never_triggered_is_lost_unless_it_ended_in_trouble() -> None:
    records = published(A1, A2, A3)
    begin = 1_767_225_600_000  # 2026-01-01T00:00:00Z
    lost = ["a pages and was never triggered"]
    assert verdicts.unpaged(records, heard("trigger", "resolve"), []) == []
    assert verdicts.unpaged(records, {}, []) == lost
    assert verdicts.unpaged(records, {}, [Span(begin=begin + 2000, end=begin + 2500)]) == []
    assert verdicts.unpaged(records, {}, [Span(begin=begin + 4000, end=begin + 5000)]) == lost
    still_open = published(A1, A2)
    assert verdicts.unpaged(still_open, {}, [Span(begin=begin, end=begin + 5000)]) == lost


def test_the_webhook_hears_every_revision_in_order() -> None:
    def posted(*revisions: int) -> list[Call]:
        bodies = [{"incident_id": "a", "revision": revision} for revision in revisions]
        return [Call(at=0.0, path=WEBHOOK_PATH, body=body, taken=True) for body in bodies]

    records = published(A1, A2, A1, A3)
    assert verdicts.webhook_missed(records, posted(1, 2, 2, 3)) == []
    assert verdicts.webhook_missed(records, posted(1, 3)) == ["a: the webhook heard revisions [1, 3], not [1, 2, 3]"]
    assert verdicts.webhook_missed(records, posted(2, 1, 3)) != []


def test_an_incident_that_is_open_at_the_end_is_named() -> None:
    assert verdicts.never_over(GOOD) == ["c is triggered at the end"]


def test_a_group_that_is_behind_is_named() -> None:
    assert verdicts.stuck({"workers": 0, "pager": 0}) == []
    assert verdicts.stuck({"workers": 3, "pager": 0}) == ["workers: 3 records are not committed"]
