"""Every figure on streams small enough to count by hand."""

from itertools import permutations

import pytest

from correlator.errors import ConfigError
from correlator.scoring import figures, score
from tests.scoring.streams import assigned, fire, resolve, step, truth

# Two failures and one blip: case a has alerts at 0 and 10 s, case b at 100 s, case quiet none; 200 s is background.
ALERTS = [
    fire(0, 0, name="A", service="db"),
    fire(1, 10, name="B", service="web"),
    fire(2, 100, name="C", service="auth"),
    fire(3, 200, name="D", service="cron"),
    resolve(4, 86_400, name="D", service="cron"),
]
TRUTH = truth({0: "a", 1: "a", 2: "b"}, {"a": "db", "b": "auth", "quiet": "cache"})
PERFECT = [
    step("one", 1, 30, page=True, candidates=["web", "db"], confidence=0.5),
    step("one", 2, 40, candidates=["db", "web"], confidence=0.8),
    step("two", 1, 150, page=True, candidates=["web", "db", "auth"], confidence=0.6),
]


def test_a_perfect_grouping_scores_one() -> None:
    found = figures(score(ALERTS, TRUTH, assigned("one", "one", "two", None, None), PERFECT))
    for name in ("pairwise", "bcubed", "bcubed_macro"):
        assert [found[f"{name}_{part}"] for part in ("precision", "recall", "f_score")] == [1, 1, 1]
    assert [found[name] for name in ("ari", "ami", "detected", "pages_per_case", "one_page")] == [1] * 5
    assert [found[name] for name in ("mixed", "over_merge", "under_merge", "false_suppression")] == [0] * 4


def test_roots_are_judged_at_the_end_at_the_page_over_all_cases_and_over_visible_ones() -> None:
    found = figures(score(ALERTS, TRUTH, assigned("one", "one", "two", None, None), PERFECT, services=10))
    # Case a is right at its end and not at its page; b names its root third; quiet cannot be named.
    assert [found["top1"], found["top3"]] == pytest.approx([1 / 3, 2 / 3])
    assert (found["top1_visible"], found["top3_visible"]) == (1 / 2, 1)
    assert (found["page_top1"], found["page_top1_visible"]) == (0, 0)
    assert found["chance"] == pytest.approx(1 / 10)


def test_calibration_takes_the_confidence_of_main_incidents_at_the_end_and_at_the_page() -> None:
    result = score(ALERTS, TRUTH, assigned("one", "one", "two", None, None), PERFECT)
    assert result.calibration_end.brier == pytest.approx((0.2**2 + 0.6**2) / 2)
    assert result.calibration_page.brier == pytest.approx((0.5**2 + 0.6**2) / 2)


def test_time_to_page_is_from_the_first_alert_of_the_case_to_the_page() -> None:
    found = figures(score(ALERTS, TRUTH, assigned("one", "one", "two", None, None), PERFECT))
    # 30 s for a, 50 s for b.
    assert found["time_to_page_p50"] == pytest.approx(40)
    assert found["time_to_page_p95"] == pytest.approx(49)


def test_volume_noise_reduction_and_compression_by_hand() -> None:
    found = figures(score(ALERTS, TRUTH, assigned("one", "one", "two", None, None), PERFECT))
    assert [found[name] for name in ("cases", "visible_cases", "firing_events", "alerts", "labelled_alerts")] == [
        3,
        2,
        4,
        4,
        3,
    ]
    assert (found["pages"], found["incidents"], found["days"]) == (2, 2, 1)
    assert (found["noise_reduction"], found["compression"]) == (1 / 2, 1 / 2)


def test_a_page_of_an_incident_without_an_alert_of_any_case_is_background() -> None:
    noise = step("noise", 1, 230, page=True)
    found = figures(score(ALERTS, TRUTH, assigned("one", "one", "two", "noise", "noise"), [*PERFECT, noise]))
    assert (found["background_pages"], found["background_pages_per_day"]) == (1, 1)


def test_one_incident_for_two_cases_is_mixed_and_hides_one() -> None:
    all_in_one = [step("one", 1, 30, page=True, candidates=["db"])]
    result = score(ALERTS, TRUTH, assigned("one", "one", "one", "one", "one"), all_in_one)
    found = figures(result)
    assert (found["mixed"], found["over_merge"]) == (1, 1 / 2)
    # The page for both came before the first alert of b: it told nobody of b.
    assert (found["detected"], found["paged_before"], found["time_to_page_p50"]) == (1, 1, 30)
    assert found["background_pages"] == 0


def test_a_case_in_two_paged_incidents_has_two_pages() -> None:
    split = [step("one", 1, 30, page=True), step("other", 1, 35, page=True), step("two", 1, 150, page=True)]
    found = figures(score(ALERTS, TRUTH, assigned("one", "other", "two", None, None), split))
    assert (found["pages_per_case"], found["one_page"], found["under_merge"]) == (3 / 2, 1 / 2, 1 / 2)
    assert (found["pairwise_precision"], found["pairwise_recall"]) == (1, 0)


def test_two_incidents_that_became_one_are_one_group_with_both_pages() -> None:
    merged = [
        step("one", 1, 30, page=True),
        step("other", 1, 35, page=True),
        step("other", 2, 60, merged_into="one"),
        step("two", 1, 150, page=True),
    ]
    found = figures(score(ALERTS, TRUTH, assigned("one", "other", "two", None, None), merged))
    assert (found["pairwise_recall"], found["pages_per_case"]) == (1, 3 / 2)


def test_unassigned_alerts_are_alone() -> None:
    found = figures(score(ALERTS, TRUTH, assigned(None, None, None, None, None), []))
    assert (found["pairwise_precision"], found["pairwise_recall"]) == (1, 0)
    assert found["bcubed_recall"] == pytest.approx((1 / 2 + 1 / 2 + 1) / 3)
    assert (found["detected"], found["top1"], found["mixed"]) == (0, 0, 0)


def test_alerts_of_a_case_that_nobody_was_told_of_are_falsely_suppressed() -> None:
    quiet = [step("one", 1, 30, page=True), step("two", 1, 150)]
    assert figures(score(ALERTS, TRUTH, assigned("one", None, "two", None, None), quiet))["false_suppression"] == 1


def test_an_alert_held_back_beside_a_page_for_its_own_case_is_not_falsely_suppressed() -> None:
    found = figures(score(ALERTS, TRUTH, assigned("one", None, "two", None, None), PERFECT))
    assert found["false_suppression"] == 0


def test_what_is_held_back_while_another_case_has_the_page_is_falsely_suppressed() -> None:
    # Two alerts of a went into the incident of b, where three of b are the matter; the third of a went nowhere.
    alerts = [fire(number, number, name=f"N{number}") for number in range(6)]
    labels = {0: "a", 1: "a", 2: "a", 3: "b", 4: "b", 5: "b"}
    swallowed = [step("two", 1, 10, page=True)]
    found = score(alerts, truth(labels, {"a": "s", "b": "s"}), assigned("two", "two", None, *["two"] * 3), swallowed)
    assert figures(found)["false_suppression"] == 1


def test_the_main_incident_has_most_alerts_of_the_case_and_of_equals_was_opened_first() -> None:
    alerts = [fire(number, number, name=f"N{number}") for number in range(3)]
    steps = [step("late", 1, 20), step("early", 1, 10), step("big", 1, 30)]
    one_case = truth(dict.fromkeys(range(3), "a"), {"a": "s"})
    assert score(alerts, one_case, assigned("late", "early", None), steps).cases[0].main_incident == "early"
    assert score(alerts, one_case, assigned("big", "early", "big"), steps).cases[0].main_incident == "big"


def test_repeats_of_an_alert_weigh_as_one() -> None:
    alerts = [fire(number, 60 * number) for number in range(4)]
    found = figures(score(alerts, truth(dict.fromkeys(range(4), "a"), {"a": "s"}), assigned(*["one"] * 4), []))
    assert (found["firing_events"], found["alerts"], found["labelled_alerts"]) == (4, 1, 1)


def test_warm_up_is_left_out_but_its_alerts_are_no_background() -> None:
    alerts = [fire(0, 10, name="A"), fire(1, 60, name="B"), fire(2, 110, name="C")]
    warmed = truth({0: "early@5", 1: "early@5", 2: "late@105"}, {"early@5": "s", "late@105": "s"}, scored_from=50)
    steps = [
        step("one", 1, 20, page=True),
        step("more", 1, 70, page=True),
        step("two", 1, 120, page=True),
    ]
    found = figures(score(alerts, warmed, assigned("one", "more", "two"), steps))
    assert (found["cases"], found["labelled_alerts"], found["firing_events"]) == (1, 1, 2)
    assert (found["pages"], found["background_pages"], found["pages_per_case"]) == (2, 0, 1)


def test_the_order_of_incident_lines_does_not_matter() -> None:
    results = {
        repr(score(ALERTS, TRUTH, assigned("one", "one", "two", None, None), steps)) for steps in permutations(PERFECT)
    }
    assert len(results) == 1


def test_a_stream_without_cases_has_volume_and_nothing_to_judge() -> None:
    found = figures(score(ALERTS, truth({}, {}), assigned(None, None, None, None, None), []))
    assert found["firing_events"] == 4
    assert {found[name] for name in ("detected", "top1", "ari", "pairwise_precision", "chance", "brier_end")} == {None}


def test_files_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 lines for an input of at least 5"):
        score(ALERTS, TRUTH, assigned("one", "one"), [])
    with pytest.raises(ConfigError, match="line 1: is of event 'e1', the input has 'e0'"):
        score(ALERTS, TRUTH, assigned(*[None] * 6)[1:], [])
    with pytest.raises(ConfigError, match="events are not in the alerts, such as 'e9'"):
        score(ALERTS, truth({9: "a"}, {"a": "db"}), assigned(*[None] * 5), [])
