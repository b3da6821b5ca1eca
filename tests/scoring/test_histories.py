from itertools import permutations

from correlator.scoring.histories import histories
from tests.scoring.streams import step

STEPS = [
    step("old", 1, 10, page=True),
    step("young", 1, 20, page=True),
    step("young", 2, 30, merged_into="old"),
    step("old", 2, 30),
    step("third", 1, 40),
    step("third", 2, 50, merged_into="young"),
]


def test_alerts_of_a_merged_incident_are_where_it_went_over_any_number_of_merges() -> None:
    found = histories(STEPS)
    assert [found.survivor(name) for name in ("old", "young", "third", None)] == ["old", "old", "old", None]
    assert list(found.by_id) == ["old"]


def test_pages_of_a_merged_incident_count_where_it_went() -> None:
    assert [page.at for page in histories(STEPS).by_id["old"].pages] == [10_000, 20_000]


def test_the_end_of_an_incident_is_its_own_last_revision() -> None:
    assert histories(STEPS).by_id["old"].end == STEPS[3]


def test_the_order_of_lines_does_not_matter() -> None:
    for order in permutations(STEPS):
        assert histories(order) == histories(STEPS)


def test_a_circle_of_merges_ends() -> None:
    found = histories([step("a", 1, 0, merged_into="b"), step("b", 1, 0, merged_into="a")])
    assert {found.survivor("a"), found.survivor("b")} <= {"a", "b"}


def test_an_incident_merged_into_one_never_published_stands_for_itself() -> None:
    assert histories([step("a", 1, 0, merged_into="ghost")]).survivor("a") == "a"
