from correlator.scoring.episodes import Episode, episodes
from tests.scoring.streams import fire, resolve


def spans(found: list[Episode]) -> list[tuple[list[int], float]]:
    return [([event.position for event in episode.firings], episode.ended_at / 1000) for episode in found]


def test_repeats_before_the_resolution_are_one_episode_that_ends_with_it() -> None:
    assert spans(episodes([fire(0, 0), fire(1, 60), fire(2, 120), resolve(3, 150)])) == [([0, 1, 2], 150)]


def test_a_firing_after_the_resolution_begins_a_new_episode() -> None:
    assert spans(episodes([fire(0, 0), resolve(1, 50), fire(2, 60), resolve(3, 70)])) == [([0], 50), ([2], 70)]


def test_a_late_copy_that_began_before_the_resolution_belongs_to_what_is_over() -> None:
    assert spans(episodes([fire(0, 0), resolve(1, 50, ends=50), fire(2, 52, starts=0)])) == [([0, 2], 50)]


def test_an_alert_never_renewed_nor_resolved_is_over_after_the_resolve_timeout() -> None:
    assert spans(episodes([fire(0, 0), fire(1, 301)])) == [([0], 300), ([1], 601)]
    assert spans(episodes([fire(0, 0), fire(1, 300)])) == [([0, 1], 600)]


def test_a_lease_beyond_the_timeout_holds_the_episode_open() -> None:
    assert spans(episodes([fire(0, 0, lease=1000), fire(1, 900)])) == [([0, 1], 1200)]


def test_one_change_and_its_late_resolution_are_one_long_episode() -> None:
    assert spans(episodes([fire(0, 0), resolve(1, 5000)])) == [([0], 5000)]


def test_a_resolution_without_a_firing_is_no_episode() -> None:
    assert episodes([resolve(0, 0)]) == []


def test_alerts_of_different_services_are_different_episodes() -> None:
    assert spans(episodes([fire(0, 0, service="a"), fire(1, 1, service="b")])) == [([0], 300), ([1], 301)]
