"""What a group has committed, as aiokafka's own code fetches it from a coordinator that answers with errors."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import GroupAuthorizationFailedError, GroupLoadInProgressError, NotCoordinatorForGroupError
from aiokafka.protocol.commit import OffsetFetchResponse_v1, OffsetFetchResponse_v3
from aiokafka.structs import OffsetAndMetadata, TopicPartition

from correlator.access.groups import heed_errors

PLACE = TopicPartition("alerts", 1)
COMMITTED = OffsetFetchResponse_v3(0, [("alerts", [(1, 7, "", 0)])], 0)


class Coordinator(GroupCoordinator):  # type: ignore[misc]
    """The client's side of a group, with answers in place of a broker."""

    def __init__(self, *answers: Any) -> None:
        self.group_id = "group"
        self.answers = list(answers)
        self.dead = 0
        heed_errors(self)

    def __del__(self, **_: Any) -> None:
        pass

    async def _send_req(self, request: Any) -> Any:
        return self.answers.pop(0)

    def coordinator_dead(self) -> None:
        self.dead += 1


class Assignment:
    """One partition, of which somebody wants to know what is committed."""

    def __init__(self) -> None:
        self.told: list[OffsetAndMetadata] = []

    def requesting_committed(self) -> list[TopicPartition]:
        return [PLACE]

    def state_value(self, place: TopicPartition) -> Assignment:
        return self

    def update_committed(self, offset: OffsetAndMetadata) -> None:
        self.told.append(offset)


async def test_a_coordinator_that_still_loads_is_asked_again_and_not_taken_for_one_without_commits() -> None:
    assignment = Assignment()
    coordinator = Coordinator(OffsetFetchResponse_v3(0, [], GroupLoadInProgressError.errno), COMMITTED)
    assert not await coordinator._maybe_refresh_commit_offsets(assignment)
    assert assignment.told == []
    assert await coordinator._maybe_refresh_commit_offsets(assignment)
    assert assignment.told == [OffsetAndMetadata(7, "")]


async def test_another_coordinator_is_looked_for() -> None:
    coordinator = Coordinator(OffsetFetchResponse_v3(0, [], NotCoordinatorForGroupError.errno))
    assert not await coordinator._maybe_refresh_commit_offsets(Assignment())
    assert coordinator.dead == 1


async def test_what_no_further_question_mends_is_an_error() -> None:
    coordinator = Coordinator(OffsetFetchResponse_v3(0, [], GroupAuthorizationFailedError.errno))
    with pytest.raises(GroupAuthorizationFailedError):
        await coordinator._maybe_refresh_commit_offsets(Assignment())


async def test_answers_without_errors_are_as_they_were() -> None:
    old = OffsetFetchResponse_v1([("alerts", [(1, 7, "", 0)])])
    nothing = OffsetFetchResponse_v3(0, [("alerts", [(1, -1, "", 0)])], 0)
    assignment = Assignment()
    coordinator = Coordinator(old, nothing)
    for _ in range(2):
        assert await coordinator._maybe_refresh_commit_offsets(assignment)
    assert [offset.offset for offset in assignment.told] == [7, -1]
