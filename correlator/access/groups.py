"""What the coordinator of a consumer group answers and aiokafka 0.14 does not hear."""

from __future__ import annotations

from typing import Any

from aiokafka.errors import NotCoordinatorForGroupError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest


def heed_errors(coordinator: Any) -> None:
    """Let it fail to fetch what a group has committed where the answer is an error of the whole group.

    aiokafka looks for errors of partitions only. A broker that was started again and still loads its groups names none,
    and the client would read from the beginning, as if the group had committed nothing. What fails, it tries again.
    """
    send = coordinator._send_req

    async def send_req(request: Any) -> Any:
        response = await send(request)
        if isinstance(request, OffsetFetchRequest) and (code := getattr(response, "error_code", 0)):
            error = for_code(code)
            if error is NotCoordinatorForGroupError:
                coordinator.coordinator_dead()
            raise error()
        return response

    coordinator._send_req = send_req
