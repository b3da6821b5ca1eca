"""What a sender hears, in the words of the interface it believes to talk to: three of them, all pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from correlator.errors import InputError
from correlator.shell.http.refusal import Refused

#: Problems told one by one; of more, only how many.
_MAX_TOLD = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What was taken of a post.

    `refused` are the parts that nobody can use, of a post that others of can be; `dedup_key` is PagerDuty's.
    """

    events: int
    notices: int = 0
    refused: Sequence[InputError] = ()
    dedup_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status, headers and JSON; no body at all where that is None."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        return b"" if self.body is None else msgspec.json.encode(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """One way to answer, with the JSON Schemas of what it says; None is no body."""

    taken: Callable[[Taken], Answer]
    refused: Callable[[Refused], Answer]
    taken_status: int
    taken_schema: Mapping[str, Any] | None
    refused_schema: Mapping[str, Any]


def told(problems: Sequence[InputError]) -> list[str]:
    """Return what is wrong and where, problem by problem."""
    texts = [problem.detail for problem in problems[:_MAX_TOLD]]
    return texts + ([f"and {len(problems) - _MAX_TOLD} more"] if len(problems) > _MAX_TOLD else [])


# -- Alertmanager's API: an empty body; errors are a JSON string --------------------------------------------------


def _alertmanager_taken(taken: Taken) -> Answer:
    # As Alertmanager itself: the good alerts are in, the bad ones are told of.
    return Answer(status=400, body="; ".join(told(taken.refused))) if taken.refused else Answer(status=200)


def _alertmanager_refused(refused: Refused) -> Answer:
    text = "; ".join(told(refused.problems)) or refused.detail
    return Answer(status=refused.status, body=text, headers=refused.headers)


ALERTMANAGER = Answers(
    taken=_alertmanager_taken,
    refused=_alertmanager_refused,
    taken_status=200,
    taken_schema=None,
    refused_schema={"type": "string"},
)


# -- webhooks -----------------------------------------------------------------------------------------------------

_TEXTS = {"type": "array", "items": {"type": "string"}}


def _webhook_taken(taken: Taken) -> Answer:
    body: dict[str, Any] = {"status": "success", "events": taken.events, "notices": taken.notices}
    # Whoever gets a 400 may not come back: what is bad of a post in part must not cost the sender its subscription.
    return Answer(status=200, body=body | ({"refused": told(taken.refused)} if taken.refused else {}))


def _webhook_refused(refused: Refused) -> Answer:
    body: dict[str, Any] = {"status": "error", "reason": refused.reason, "detail": refused.detail}
    if len(refused.problems) > 1:
        body["refused"] = told(refused.problems)
    return Answer(status=refused.status, body=body, headers=refused.headers)


WEBHOOK = Answers(
    taken=_webhook_taken,
    refused=_webhook_refused,
    taken_status=200,
    taken_schema={
        "type": "object",
        "required": ["status", "events", "notices"],
        "properties": {
            "status": {"const": "success"},
            "events": {"type": "integer", "description": "Alerts that were understood."},
            "notices": {"type": "integer", "description": "What was told that is no alert."},
            "refused": {**_TEXTS, "description": "Parts that nobody can use: what is wrong, and where."},
        },
    },
    refused_schema={
        "type": "object",
        "required": ["status", "reason", "detail"],
        "properties": {
            "status": {"const": "error"},
            "reason": {"type": "string"},
            "detail": {"type": "string"},
            "refused": _TEXTS,
        },
    },
)


# -- PagerDuty's Events API v2: https://developer.pagerduty.com/docs/events-api-v2/overview/ ----------------------


def _pagerduty_taken(taken: Taken) -> Answer:
    return Answer(
        status=202, body={"status": "success", "message": "Event processed", "dedup_key": taken.dedup_key or ""}
    )


def _change_taken(taken: Taken) -> Answer:
    return Answer(status=202, body={"status": "success", "message": "Change event processed"})


def _pagerduty_refused(refused: Refused) -> Answer:
    if refused.status == 400:
        body = {
            "status": "invalid event",
            "message": "Event object is invalid",
            "errors": told(refused.problems) or [refused.detail],
        }
    else:
        body = {"status": refused.reason.replace("_", " "), "message": refused.detail, "errors": [refused.detail]}
    return Answer(status=refused.status, body=body, headers=refused.headers)


_PAGERDUTY_ERROR = {
    "type": "object",
    "required": ["status", "message", "errors"],
    "properties": {"status": {"type": "string"}, "message": {"type": "string"}, "errors": _TEXTS},
}


def _pagerduty_success(*fields: str) -> dict[str, Any]:
    properties = {"status": {"const": "success"}} | {name: {"type": "string"} for name in fields}
    return {"type": "object", "required": list(properties), "properties": properties}


PAGERDUTY = Answers(
    taken=_pagerduty_taken,
    refused=_pagerduty_refused,
    taken_status=202,
    taken_schema=_pagerduty_success("message", "dedup_key"),
    refused_schema=_PAGERDUTY_ERROR,
)
PAGERDUTY_CHANGE = Answers(
    taken=_change_taken,
    refused=_pagerduty_refused,
    taken_status=202,
    taken_schema=_pagerduty_success("message"),
    refused_schema=_PAGERDUTY_ERROR,
)
