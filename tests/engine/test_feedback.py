"""What operators say of an incident, and what the engine makes of it: by the smallest examples."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec
import pytest

from correlator.config import EngineConfig
from correlator.domain import (
    Action,
    Feedback,
    FeedbackAction,
    FeedbackSource,
    IncidentEvent,
    IncidentStatus,
    Severity,
    rfc3339,
)
from correlator.engine.decisions import Heard, Outcome, Output
from correlator.engine.engine import Engine
from tests.engine.drive import DAY, START, event, graph_of, resolved, to_the_end

GRAPH = graph_of({"web": ["api"], "api": ["db"], "shop": ["cart"]}, owners={"db": "data", "api": "core"})
ALWAYS = EngineConfig(page_probability=0, page_probability_critical=0)
_deliveries = itertools.count()


def clock(second: float) -> int:
    return START + round(second * 1000)


class Story:
    """An engine, what happens to it, and what it says."""

    def __init__(self, config: EngineConfig = ALWAYS) -> None:
        self.engine = Engine(config, graph=GRAPH)
        self.said: list[Output] = []

    def fire(self, service: str, name: str, second: float, *, severity: Severity = Severity.CRITICAL) -> None:
        one = event(service, name, second, severity=severity)
        self.said += self.engine.on_event(one, one.observed_at)

    def renew(self, service: str, name: str, second: float, *, started: float, severity: Severity) -> None:
        one = event(service, name, second, started=started, severity=severity)
        self.said += self.engine.on_event(one, one.observed_at)

    def end(self, service: str, name: str, second: float, *, started: float) -> None:
        one = resolved(service, name, second, started=started)
        self.said += self.engine.on_event(one, one.observed_at)

    def until(self, second: float) -> None:
        self.said += self.engine.tick(clock(second))

    def say(
        self,
        action: FeedbackAction,
        second: float,
        *,
        incident: str | None = None,
        said: float | None = None,
        id: str = "",
        source: FeedbackSource = FeedbackSource.HTTP,
        to: str | None = None,
        root: str | None = None,
        into: str | None = None,
        services: Sequence[str] = (),
        alerts: Sequence[str] = (),
    ) -> Outcome | None:
        """Say something of an incident, of the first one unless another is named; return what came of it."""
        feedback = Feedback(
            incident_id=incident or self.published[0].incident_id,
            action=action,
            at=rfc3339(clock(second if said is None else said)),
            by="ann",
            source=source,
            id=id or f"d{next(_deliveries)}",
            to=to,
            root=root,
            into=into,
            services=list(services),
            alerts=list(alerts),
        )
        outputs = self.engine.on_feedback(feedback, clock(second))
        self.said += outputs
        return next((output.outcome for output in outputs if isinstance(output, Heard)), None)

    def finish(self) -> None:
        self.said += to_the_end(self.engine)

    @property
    def published(self) -> list[IncidentEvent]:
        return [output for output in self.said if isinstance(output, IncidentEvent)]

    def actions(self, incident: str | None = None) -> list[Action]:
        return [one.action for one in self.published if incident in (None, one.incident_id)]

    @property
    def pages(self) -> int:
        return sum(one.page for one in self.published)


def paged(config: EngineConfig = ALWAYS) -> Story:
    """Return a story in which db and api have failed and one incident is open."""
    story = Story(config)
    story.fire("db", "PostgresDown", 0)
    story.fire("api", "HighErrorRate", 5)
    story.until(60)
    assert story.actions() == [Action.OPENED]
    return story


# -- how it stands -------------------------------------------------------------------------------------------------


def test_an_acknowledged_incident_says_so_until_it_ends_and_pages_nobody_by_it() -> None:
    story = paged()
    assert story.say(FeedbackAction.ACKNOWLEDGE, 70) is Outcome.ACTED
    assert story.say(FeedbackAction.ACKNOWLEDGE, 80) is Outcome.KEPT
    story.end("db", "PostgresDown", 600, started=0)
    story.end("api", "HighErrorRate", 600, started=5)
    story.finish()
    assert story.actions() == [Action.OPENED, Action.ACKNOWLEDGED, Action.RESOLVED]
    assert story.published[1].status is IncidentStatus.ACKNOWLEDGED and story.pages == 1


def test_an_acknowledgement_that_times_out_is_taken_back() -> None:
    story = paged()
    story.say(FeedbackAction.ACKNOWLEDGE, 70)
    assert story.say(FeedbackAction.UNACKNOWLEDGE, 80) is Outcome.ACTED
    assert (story.published[-1].action, story.published[-1].status) == (Action.UPDATED, IncidentStatus.TRIGGERED)


def test_how_it_stands_is_what_was_said_last_in_whatever_order_it_is_heard() -> None:
    story = paged()
    story.say(FeedbackAction.UNACKNOWLEDGE, 90, said=85)
    assert story.say(FeedbackAction.ACKNOWLEDGE, 95, said=70) is Outcome.LATE
    assert story.actions() == [Action.OPENED]


def test_a_delivery_that_comes_twice_is_heard_once() -> None:
    story = paged()
    story.say(FeedbackAction.ACKNOWLEDGE, 70, id="a")
    story.say(FeedbackAction.UNACKNOWLEDGE, 80)
    assert story.say(FeedbackAction.ACKNOWLEDGE, 90, said=81, id="a") is Outcome.REPEATED
    assert story.published[-1].status is IncidentStatus.TRIGGERED


def test_of_an_incident_that_nobody_was_told_of_nothing_is_said() -> None:
    story = paged()
    before = msgspec.msgpack.encode(story.engine.state)
    assert story.say(FeedbackAction.RESOLVE, 60, incident="0123456789abcdef0123") is None
    assert msgspec.msgpack.encode(story.engine.state) == before


def test_what_is_said_of_an_incident_that_is_over_is_known_as_such() -> None:
    story = paged()
    story.end("db", "PostgresDown", 600, started=0)
    story.end("api", "HighErrorRate", 600, started=5)
    story.finish()
    count = len(story.published)
    for action in FeedbackAction:
        assert story.say(action, 5000) is Outcome.ENDED
    assert len(story.published) == count


@pytest.mark.parametrize("action", [FeedbackAction.NOISE, FeedbackAction.USEFUL, FeedbackAction.ANNOTATE])
def test_a_judgement_is_kept_and_changes_nothing(action: FeedbackAction) -> None:
    story = paged()
    assert story.say(action, 70) is Outcome.KEPT
    assert story.actions() == [Action.OPENED]


# -- resolved by hand ----------------------------------------------------------------------------------------------


def test_what_is_resolved_by_hand_is_silent_though_its_alerts_fire_on() -> None:
    story = paged()
    assert story.say(FeedbackAction.RESOLVE, 70) is Outcome.ACTED
    for minute in range(2, 60):
        story.renew("db", "PostgresDown", 60 * minute, started=0, severity=Severity.CRITICAL)
        story.renew("api", "HighErrorRate", 60 * minute, started=5, severity=Severity.CRITICAL)
    story.end("db", "PostgresDown", 3600, started=0)
    story.end("api", "HighErrorRate", 3600, started=5)
    story.finish()
    assert story.actions() == [Action.OPENED, Action.RESOLVED] and story.pages == 1
    assert story.published[-1].status is IncidentStatus.RESOLVED
    scope = story.engine.state.scopes["default"]
    assert (scope.nodes, scope.incidents) == ({}, {})


def test_a_new_alert_after_a_resolve_by_hand_pages_as_an_incident_of_its_own_that_says_why() -> None:
    story = paged()
    story.say(FeedbackAction.RESOLVE, 70)
    story.fire("web", "ServiceDown", 100)
    story.until(200)
    second = story.published[-1]
    assert second.action is Action.OPENED and second.page and second.incident_id != story.published[0].incident_id
    assert second.services == ["web"] and story.published[0].incident_id in second.summary


def test_another_alert_of_the_same_service_after_a_resolve_by_hand_pages() -> None:
    story = paged()
    story.say(FeedbackAction.RESOLVE, 70)
    story.fire("db", "DiskFull", 75)
    story.until(200)
    assert story.pages == 2 and story.published[-1].services == ["db"]


def test_what_fires_again_after_a_resolve_by_hand_pages() -> None:
    story = paged()
    story.say(FeedbackAction.RESOLVE, 70)
    story.end("db", "PostgresDown", 100, started=0)
    story.fire("db", "PostgresDown", 150)
    story.until(300)
    assert story.pages == 2


def test_what_gets_worse_after_a_resolve_by_hand_pages_under_its_id() -> None:
    story = Story()
    story.fire("db", "DiskFilling", 0, severity=Severity.WARNING)
    story.until(60)
    story.say(FeedbackAction.RESOLVE, 70)
    story.renew("db", "DiskFilling", 120, started=0, severity=Severity.CRITICAL)
    story.until(200)
    assert story.actions() == [Action.OPENED, Action.RESOLVED, Action.REOPENED]
    assert story.published[-1].page and "got worse" in story.published[-1].summary


@pytest.mark.parametrize(("severity", "pages"), [(Severity.CRITICAL, 2), (Severity.WARNING, 1)])
def test_what_stands_for_a_day_after_a_resolve_by_hand_pages_if_it_is_severe(severity: Severity, pages: int) -> None:
    story = Story()
    story.fire("db", "PostgresDown", 0, severity=severity)
    story.until(60)
    story.say(FeedbackAction.RESOLVE, 70)
    for hour in range(1, 49):
        story.renew("db", "PostgresDown", 1800 * hour, started=0, severity=severity)
    story.until(DAY + 100)
    assert story.pages == pages


def test_a_resolve_that_was_said_before_the_incident_was_reopened_ends_nothing() -> None:
    story = Story()
    story.fire("db", "DiskFilling", 0, severity=Severity.WARNING)
    story.until(60)
    story.say(FeedbackAction.RESOLVE, 70)
    story.renew("db", "DiskFilling", 120, started=0, severity=Severity.CRITICAL)
    story.until(200)
    assert story.say(FeedbackAction.RESOLVE, 210, said=80) is Outcome.LATE
    assert story.actions()[-1] is Action.REOPENED


def test_what_an_operator_resolved_by_mistake_and_reopens_pages_and_ends_by_itself() -> None:
    story = paged()
    assert story.say(FeedbackAction.REOPEN, 65) is Outcome.KEPT
    story.say(FeedbackAction.RESOLVE, 70)
    assert story.say(FeedbackAction.REOPEN, 90) is Outcome.ACTED
    again = story.published[-1]
    assert again.page and again.status is IncidentStatus.TRIGGERED and "reopened by hand" in again.summary
    assert again.resolved_at is None
    story.end("db", "PostgresDown", 600, started=0)
    story.end("api", "HighErrorRate", 600, started=5)
    story.finish()
    assert story.actions(again.incident_id) == [Action.OPENED, Action.RESOLVED, Action.REOPENED, Action.RESOLVED]
    assert len({one.incident_id for one in story.published}) == 1


def test_what_is_reopened_beside_what_began_since_ends_with_it_and_is_reopened_once() -> None:
    story = paged()
    story.say(FeedbackAction.RESOLVE, 70)
    story.fire("web", "ServiceDown", 80)
    story.until(200)
    story.say(FeedbackAction.REOPEN, 210)
    story.until(400)
    assert story.say(FeedbackAction.REOPEN, 410) is Outcome.KEPT
    assert story.actions().count(Action.REOPENED) == 1
    story.end("web", "ServiceDown", 700, started=80)
    story.end("db", "PostgresDown", 700, started=0)
    story.end("api", "HighErrorRate", 700, started=5)
    story.finish()
    last = {one.incident_id: one.status for one in story.published}
    assert set(last.values()) == {IncidentStatus.RESOLVED}


# -- whose it is, and what its root is -----------------------------------------------------------------------------


def test_a_reassigned_incident_pages_its_new_team_and_waits_for_it() -> None:
    story = paged()
    story.say(FeedbackAction.ACKNOWLEDGE, 65)
    assert story.say(FeedbackAction.REASSIGN, 70, to="core") is Outcome.ACTED
    last = story.published[-1]
    assert last.owner is not None and last.owner.team == "core"
    assert (last.action, last.page, last.status) == (Action.UPDATED, True, IncidentStatus.TRIGGERED)


def test_whom_pagerduty_reassigns_to_is_shown_and_not_paged_by_us() -> None:
    story = paged()
    story.say(FeedbackAction.REASSIGN, 70, to="Ann", source=FeedbackSource.PAGERDUTY)
    story.say(FeedbackAction.REASSIGN, 80, to="Bob", source=FeedbackSource.PAGERDUTY)
    last = story.published[-1]
    assert last.owner is not None and (last.owner.team, last.owner.route) == ("Bob", "data")
    assert story.pages == 1


def test_the_root_an_operator_names_is_the_root_from_then_on() -> None:
    story = paged()
    first = story.published[0].root_cause.service
    other = "api" if first == "db" else "db"
    assert story.say(FeedbackAction.WRONG_ROOT, 70, root=other) is Outcome.ACTED
    story.fire("web", "HighLatency", 100)
    story.until(400)
    for one in story.published[1:]:
        assert one.root_cause.service == other and one.root_cause.confidence == 1.0
    assert story.published[-1].owner is not None and story.pages == 1


# -- what belongs together -----------------------------------------------------------------------------------------


def two() -> Story:
    """Return a story in which two incidents are open."""
    story = Story()
    story.fire("db", "PostgresDown", 0)
    story.fire("cart", "ServiceDown", 5)
    story.until(100)
    assert story.actions() == [Action.OPENED, Action.OPENED]
    return story


def test_merged_incidents_are_one_and_stay_one() -> None:
    story = two()
    first, second = (one.incident_id for one in story.published)
    assert story.say(FeedbackAction.MERGE, 110, incident=second, into=first) is Outcome.ACTED
    story.fire("shop", "HighErrorRate", 120)
    story.until(500)
    merged = next(one for one in story.published if one.action is Action.MERGED)
    assert (merged.incident_id, merged.merged_into, merged.page) == (second, first, False)
    for service, name, began in (("db", "PostgresDown", 0), ("cart", "ServiceDown", 5), ("shop", "HighErrorRate", 120)):
        story.end(service, name, 600, started=began)
    story.finish()
    assert story.actions(first)[-1] is Action.RESOLVED and story.pages == 2
    assert set(story.published[-1].services) == {"db", "cart", "shop"}


@pytest.mark.parametrize("into", ["0123456789abcdef0123", "itself"])
def test_a_merge_with_what_is_no_other_open_incident_changes_nothing(into: str) -> None:
    story = two()
    first = story.published[0].incident_id
    outcome = story.say(FeedbackAction.MERGE, 110, into=first if into == "itself" else into)
    assert outcome is Outcome.NO_SUCH_INCIDENT
    assert story.actions() == [Action.OPENED, Action.OPENED]


def test_what_is_split_off_is_an_incident_of_its_own_that_pages_and_stays_apart() -> None:
    story = paged()
    first = story.published[0].incident_id
    assert story.say(FeedbackAction.SPLIT, 70, services=["api"]) is Outcome.ACTED
    story.fire("web", "HighErrorRate", 80)
    story.until(900)
    newest = {one.incident_id: one for one in story.published}
    apart = next(one for name, one in newest.items() if name != first)
    assert newest[first].services == ["db"] and set(apart.services) == {"api", "web"}
    assert story.pages == 2
    for service, name, began in (("db", "PostgresDown", 0), ("api", "HighErrorRate", 5), ("web", "HighErrorRate", 80)):
        story.end(service, name, 1000, started=began)
    story.finish()
    assert all(story.actions(name)[-1] is Action.RESOLVED for name in newest)


@pytest.mark.parametrize(
    ("services", "outcome"), [(["cart"], Outcome.NO_SUCH_SERVICE), (["db", "api"], Outcome.NOTHING_LEFT)]
)
def test_a_split_that_cannot_be_changes_nothing(services: list[str], outcome: Outcome) -> None:
    story = paged()
    assert story.say(FeedbackAction.SPLIT, 70, services=services) is outcome
    assert story.actions() == [Action.OPENED]


def test_a_single_alert_that_is_split_off_is_an_incident_of_its_own_that_pages_and_stays_apart() -> None:
    story = Story()
    story.fire("db", "PostgresDown", 0)
    story.fire("db", "DiskFull", 5, severity=Severity.WARNING)
    story.fire("api", "HighErrorRate", 10)
    story.until(60)
    assert story.actions() == [Action.OPENED]
    first = story.published[0].incident_id
    (disk,) = (one.fingerprint for one in story.published[0].alerts.sample if one.name == "DiskFull")
    assert story.say(FeedbackAction.SPLIT, 70, alerts=[disk]) is Outcome.ACTED
    story.fire("web", "HighErrorRate", 80)
    story.until(900)
    newest = {one.incident_id: one for one in story.published}
    (apart,) = (one for name, one in newest.items() if name != first)
    assert [(one.service, one.name) for one in apart.alerts.sample] == [("db", "DiskFull")]
    assert (apart.severity, apart.alerts.firing, apart.alerts.total) == (Severity.WARNING, 1, 1)
    assert {one.name for one in newest[first].alerts.sample} == {"PostgresDown", "HighErrorRate"}
    assert story.pages == 2
    story.end("db", "DiskFull", 1000, started=5)
    story.until(2000)
    assert story.actions(apart.incident_id)[-1] is Action.RESOLVED
    assert Action.RESOLVED not in story.actions(first)
    for service, name, began in (("db", "PostgresDown", 0), ("api", "HighErrorRate", 10), ("web", "HighErrorRate", 80)):
        story.end(service, name, 2100, started=began)
    story.finish()
    assert story.actions(first)[-1] is Action.RESOLVED and story.pages == 2
    assert story.published[-1].services == ["db", "api", "web"]


def test_services_and_single_alerts_are_split_off_together() -> None:
    story = Story()
    story.fire("db", "PostgresDown", 0)
    story.fire("db", "DiskFull", 5)
    story.fire("api", "HighErrorRate", 10)
    story.until(60)
    (disk,) = (one.fingerprint for one in story.published[0].alerts.sample if one.name == "DiskFull")
    assert story.say(FeedbackAction.SPLIT, 70, services=["api"], alerts=[disk, "unknown"]) is Outcome.ACTED
    opened, left = story.published[-2:]
    assert {one.name for one in opened.alerts.sample} == {"DiskFull", "HighErrorRate"}
    assert [one.name for one in left.alerts.sample] == ["PostgresDown"]


def test_single_alerts_that_cannot_be_split_off_change_nothing() -> None:
    story = paged()
    every = [one.fingerprint for one in story.published[0].alerts.sample]
    assert story.say(FeedbackAction.SPLIT, 70, alerts=["unknown"]) is Outcome.NO_SUCH_ALERT
    assert story.say(FeedbackAction.SPLIT, 71, alerts=every) is Outcome.NOTHING_LEFT
    assert story.actions() == [Action.OPENED]


def test_a_merge_across_scopes_is_refused_as_such() -> None:
    story = paged()
    one = event("db", "PostgresDown", 65, scope="staging")
    story.said += story.engine.on_event(one, one.observed_at)
    story.until(130)
    here, there = (one.incident_id for one in story.published)
    assert story.say(FeedbackAction.MERGE, 140, incident=here, into=there) is Outcome.OTHER_SCOPE
    assert story.actions() == [Action.OPENED, Action.OPENED]


def test_what_a_split_leaves_ends_although_it_was_over_long_before() -> None:
    story = paged()
    first = story.published[0].incident_id
    story.end("db", "PostgresDown", 100, started=0)
    assert story.say(FeedbackAction.SPLIT, 3000, services=["api"]) is Outcome.ACTED
    story.until(4000)
    assert story.actions(first)[-1] is Action.RESOLVED
