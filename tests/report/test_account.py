"""Nothing is counted twice or left out: parts sum up to the whole, teams and services too."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from correlator.domain import Action, Disposition, IncidentEvent, Owner
from correlator.report.account import Period, Report, report
from correlator.report.noise import Fate, Parts, fires
from correlator.report.stories import conflicts, stories
from tests.report.making import DAY, HOUR, MINUTE, MONDAY, UTC_HOURS, event, fate, said

#: A busy machine draws slowly; that is no property of ours.
_UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
_TEAMS = (None, "payments", "web")
_SERVICES = ("db", "cart", "web")
_INSTANTS = some.integers(MONDAY - DAY, MONDAY + 8 * DAY)
_REASONS = {
    Disposition.DUPLICATE: ("repeat", "repeated_resolve"),
    Disposition.STALE: ("older_episode", "resolved_before_firing"),
    Disposition.SUPPRESSED: ("background", "transient", "low_severity", "change"),
    Disposition.RESOLVED: ("alert_resolved", "instance_resolved"),
    Disposition.REJECTED: ("not_json",),
    Disposition.ATTACHED: ("explained", "root_of_incident"),
    Disposition.OPENED: ("root_of_incident",),
}


@some.composite
def fates(draw: some.DrawFn) -> list[Fate]:
    made = []
    for _ in range(draw(some.integers(0, 25))):
        disposition = draw(some.sampled_from(list(_REASONS)))
        reason = draw(some.sampled_from(_REASONS[disposition]))
        is_rejected = disposition is Disposition.REJECTED
        made.append(
            Fate(
                fingerprint=None if is_rejected else draw(some.sampled_from("fgh")),
                disposition=disposition,
                reason=reason,
                incident_id=draw(some.sampled_from([None, "incident-0", "incident-1"])),
                firing=fires(disposition, reason),
                name=None if is_rejected else draw(some.sampled_from(["A", "B"])),
                service=None if is_rejected else draw(some.sampled_from(_SERVICES)),
                at=None if is_rejected else draw(_INSTANTS),
            )
        )
    return sorted(made, key=lambda one: one.at or 0)


@some.composite
def histories(draw: some.DrawFn) -> list[IncidentEvent]:
    told = []
    for number in range(draw(some.integers(0, 6))):
        at = opened_at = draw(_INSTANTS)
        for revision in range(1, draw(some.integers(1, 4)) + 1):
            action = Action.OPENED if revision == 1 else draw(some.sampled_from(list(Action)[1:]))
            team, root = draw(some.sampled_from(_TEAMS)), draw(some.sampled_from(_SERVICES))
            page = draw(some.booleans())
            key = f"incident-{number}"
            told.append(event(key, revision, action, at=at, opened_at=opened_at, page=page, team=team, root=root))
            at += draw(some.integers(0, DAY))
    return told


def total(parts: Parts) -> tuple[int, ...]:
    return (
        parts.events,
        parts.resolves,
        parts.rejected,
        parts.firing,
        parts.deduplicated,
        parts.stale,
        sum(parts.suppressed.values()),
        parts.correlated,
        parts.opened,
        parts.pages,
    )


def summed(parts: Sequence[Parts | None]) -> tuple[int, ...]:
    return tuple(map(sum, zip(*(total(one) for one in parts if one), strict=True))) or (0,) * 10


@_UNHURRIED
@given(histories(), fates(), some.none() | _INSTANTS, some.none() | _INSTANTS)
def test_parts_sum_up_to_the_whole_and_teams_and_services_too(
    events: list[IncidentEvent], known: list[Fate], begin: int | None, end: int | None
) -> None:
    found = report(stories(events), known, period=Period(begin=begin, end=end), hours=UTC_HOURS)
    parts = found.noise
    assert parts is not None
    assert parts.events == parts.firing + parts.resolves + parts.rejected
    held = sum(parts.suppressed.values())
    assert parts.firing == parts.deduplicated + parts.stale + held + parts.correlated + parts.opened
    assert summed([line.noise for line in found.teams]) == total(parts)
    assert summed([line.noise for line in found.services]) == total(parts)
    assert found.pages == parts.pages == sum(found.pages_by_action.values())
    for lines in (found.teams, found.services):
        assert sum(line.incidents for line in lines) == found.incidents
        assert sum(line.pages for line in lines) == found.pages
    assert sum(load.interruptions for load in found.load.values()) == found.pages
    for load in found.load.values():
        assert load.business + load.off + load.sleep == load.interruptions


@_UNHURRIED
@given(histories(), fates(), _INSTANTS)
def test_two_periods_that_meet_hold_what_both_hold(events: list[IncidentEvent], known: list[Fate], cut: int) -> None:
    timed = [one for one in known if one.at is not None]

    def figures(period: Period) -> tuple[int, ...]:
        found = report(stories(events), timed, period=period, hours=UTC_HOURS)
        assert found.noise is not None
        baseline = sum((found.baseline_pages or {}).values())
        return (found.incidents, found.pages, baseline, *total(found.noise))

    before, after = figures(Period(end=cut)), figures(Period(begin=cut))
    assert figures(Period()) == tuple(map(sum, zip(before, after, strict=True)))


@_UNHURRIED
@given(histories().flatmap(lambda events: some.tuples(some.just(events), some.permutations([*events, *events]))))
def test_neither_order_nor_repetition_of_incident_events_changes_a_story(
    drawn: tuple[list[IncidentEvent], list[IncidentEvent]],
) -> None:
    events, shuffled = drawn
    assert stories(shuffled) == stories(events)


def test_a_revision_that_stands_for_two_events_is_found() -> None:
    assert conflicts([event(), event(), event("incident-2")]) == []
    assert conflicts([event(), event(root="cart")]) == ["incident-1"]


def one_incident(*words: str) -> Report:
    events = [event(), event(revision=2, action=Action.RESOLVED, at=MONDAY + HOUR, opened_at=MONDAY)]
    feedback = [said(word, MONDAY + 5 * MINUTE, to="web") for word in words]
    return report(stories(events, feedback), None, period=Period(), hours=UTC_HOURS)


def test_times_are_those_of_the_formulas() -> None:
    found = one_incident("acknowledge").response
    assert (found.detect.p50, found.acknowledge.p50, found.resolve.p50) == (30.0, 300.0, 3600.0)
    assert found.correlate.count == 0


def test_percentiles_are_of_the_nearest_rank() -> None:
    events = [event(f"incident-{minutes:02}") for minutes in range(1, 11)]
    events += [
        event(f"incident-{minutes:02}", 2, Action.RESOLVED, at=MONDAY + minutes * MINUTE, opened_at=MONDAY)
        for minutes in range(1, 11)
    ]
    found = report(stories(events), None, period=Period(), hours=UTC_HOURS).response.resolve
    assert (found.count, found.p50, found.p90, found.mean) == (10, 300.0, 540.0, 330.0)


def test_what_ended_in_another_incident_has_no_time_to_its_end() -> None:
    events = [event(), event(revision=2, action=Action.MERGED, at=MONDAY + HOUR, opened_at=MONDAY)]
    found = report(stories(events), None, period=Period(), hours=UTC_HOURS)
    assert (found.merged, found.response.resolve.count) == (1, 0)


def test_noise_is_not_actionable_though_it_was_acknowledged_and_silence_of_humans_is_no_judgement() -> None:
    assert one_incident().worth is None
    taken, noise, moved = (
        one_incident(*words).worth for words in (["annotate"], ["acknowledge", "noise"], ["reassign"])
    )
    assert taken is not None and noise is not None and moved is not None
    assert (taken.actionability, noise.actionability, moved.actionability) == (1.0, 0.0, 1.0)
    assert (taken.misroutes, noise.misroutes, moved.misroutes) == (0.0, None, 1.0)


def test_a_misroute_is_judged_by_the_team_that_had_it_before_it_was_given_away() -> None:
    given_at = MONDAY + 5 * MINUTE
    after = event(revision=2, action=Action.UPDATED, at=given_at, opened_at=MONDAY, team="web")
    word = said("reassign", given_at, to="web")
    (moved,) = stories([event(team="payments"), after], [word])
    (stayed,) = stories([event(team="web"), after], [word])
    (compacted,) = stories([after], [word])
    assert (moved.team, moved.reassigned) == ("web", True)
    assert not stayed.reassigned
    assert compacted.reassigned


def test_an_incident_that_is_given_to_a_person_is_still_with_the_team() -> None:
    at = MONDAY + 5 * MINUTE
    with_ann = event(revision=2, action=Action.UPDATED, at=at, opened_at=MONDAY, team="Ann")
    with_ann = msgspec.structs.replace(with_ann, owner=Owner(team="Ann", route="payments"))
    back = event(revision=3, action=Action.UPDATED, at=at + MINUTE, opened_at=MONDAY, team="payments")
    away = event(revision=3, action=Action.REOPENED, at=at + MINUTE, opened_at=MONDAY, team="web", page=True)
    to_ann = said("reassign", at, to="Ann", to_person=True)
    (kept,) = stories([event(), with_ann], [to_ann])
    assert (kept.team, kept.reassigned, kept.feedback) == ("payments", False, (to_ann,))
    (compacted,) = stories([with_ann], [to_ann])
    assert (compacted.team, compacted.reassigned) == ("payments", False)
    assert {page.team for page in compacted.pages} == {"payments"}
    (returned,) = stories([event(), with_ann, back], [to_ann, said("reassign", at + MINUTE, to="payments")])
    assert (returned.team, returned.reassigned) == ("payments", False)
    (moved,) = stories([event(), with_ann, away], [to_ann, said("reassign", at + MINUTE, to="web")])
    assert (moved.team, moved.reassigned) == ("web", True)


def test_a_delivery_that_is_repeated_counts_once_and_the_first_acknowledgement_counts() -> None:
    words = [said("acknowledge", MONDAY + 9 * MINUTE, id="b"), said("acknowledge", MONDAY + MINUTE, id="a")] * 2
    (story,) = stories([event()], words)
    assert [word.id for word in story.feedback] == ["a", "b"]
    assert story.acknowledged_at == MONDAY + MINUTE


def test_of_a_compacted_topic_an_incident_paged_once_when_it_was_opened() -> None:
    (story,) = stories([event(revision=7, action=Action.RESOLVED, at=MONDAY + HOUR, opened_at=MONDAY)])
    assert [(page.at, page.action) for page in story.pages] == [(MONDAY, Action.OPENED)]
    assert story.is_compacted


def test_the_baseline_pages_once_while_a_group_fires_and_again_when_it_begins_anew() -> None:
    known = [
        fate(at=MONDAY, fingerprint="f"),
        fate(at=MONDAY + MINUTE, fingerprint="g"),  # joins the group
        fate(Disposition.RESOLVED, "alert_resolved", at=MONDAY + 2 * MINUTE, fingerprint="f", firing=False),
        fate(at=MONDAY + 3 * MINUTE, fingerprint="f"),  # the group still fires
        fate(at=MONDAY + 3 * MINUTE, service="web"),  # another group
        fate(Disposition.SUPPRESSED, "change", at=MONDAY + 3 * MINUTE, name="Deploy"),
        fate(at=MONDAY + 4 * HOUR, fingerprint="f"),  # never resolved, and over long since
    ]
    found = report([], known, period=Period(), hours=UTC_HOURS)
    assert found.baseline_pages == {"business": 0, "off": 0, "sleep": 3}
    assert sum((report([], known[:1], period=Period(), hours=UTC_HOURS).baseline_pages or {}).values()) == 1


def test_a_rule_is_judged_by_the_incidents_that_mattered() -> None:
    events = [event("incident-1"), event("incident-2", alert="CartSlow"), event("incident-3", alert="Flaky")]
    known = [
        fate(incident_id="incident-1", name="DbDown"),
        fate(incident_id="incident-2", name="DbDown", at=MONDAY - MINUTE),
        fate(incident_id="incident-2", name="CartSlow"),
        fate(incident_id="incident-3", name="Flaky"),
        *[fate(Disposition.SUPPRESSED, "background", name="Chatter")] * 5,
    ]
    words = [said("useful", incident_id="incident-1"), said("acknowledge", incident_id="incident-2")]
    words.append(said("noise", incident_id="incident-3"))
    found = report(stories(events, words), known, period=Period(), hours=UTC_HOURS)
    assert {rule.name: (rule.incidents, rule.root, rule.first, rule.only, rule.risk) for rule in found.rules} == {
        "Chatter": (0, 0, 0, 0, "none seen"),
        "DbDown": (2, 1, 2, 1, "loses 1 incident"),
        "CartSlow": (1, 1, 0, 0, "hides 1 root"),
        "Flaky": (0, 0, 0, 0, "none seen"),
    }
    assert found.rules[0].name == "Chatter"
    unheard = report(stories(events), known, period=Period(), hours=UTC_HOURS)
    assert {rule.name: rule.only for rule in unheard.rules}["Flaky"] == 1  # in doubt it mattered
