"""Keep's AlertDto."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from correlator.domain import Severity, Status
from tests.formats.examples import AT, EXAMPLES, alert, error, read


def dto(**fields: Any) -> dict[str, Any]:
    return {**EXAMPLES["keep"], **fields}


def test_an_alert_of_keep_is_read() -> None:
    one = alert(dto())
    assert (one.status, one.name, one.service, one.source) == (
        Status.FIRING, "Pod lacks memory", "backend", "prometheus",
    )  # fmt: skip
    assert (one.severity, one.fingerprint, one.starts_at) == (Severity.ERROR, "1234", AT - 30_000)
    assert one.labels == {"pod": "p", "cpu": "88", "environment": "production"}


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("critical", Severity.CRITICAL),
        ("High", Severity.ERROR),
        ("low", Severity.INFO),
        (5, Severity.CRITICAL),
        (3, Severity.WARNING),
        (9, None),
        ("purple", None),
        (None, None),
    ],
)
def test_severities_are_words_or_numbers(word: object, severity: Severity | None) -> None:
    assert alert(dto(severity=word)).severity is severity


@pytest.mark.parametrize("word", ["acknowledged", "suppressed", "pending", "maintenance"])
def test_states_in_between_are_no_alerts(word: str) -> None:
    contents = read(dto(status=word))
    assert (contents.events, contents.notices) == ([], {("keep", word): 1})
    assert read(dto(dismissed=True)).notices == {("keep", "suppressed"): 1}


@pytest.mark.parametrize("word", ["firing", "burning", None])
def test_any_other_state_is_a_firing(word: str | None) -> None:
    assert alert(dto(status=word)).status is Status.FIRING


def test_a_resolve_ended_when_it_was_last_received_and_began_with_its_firing() -> None:
    one = alert(dto(status="resolved", startedAt="2026-11-23T03:30:00Z"))
    assert (one.status, one.starts_at, one.ends_at) == (Status.RESOLVED, AT - 630_000, AT - 30_000)


def test_a_missing_fingerprint_is_made_as_keep_makes_it_and_a_long_one_cut() -> None:
    assert alert(dto(fingerprint=None)).fingerprint == hashlib.sha256(b"Pod lacks memory").hexdigest()
    assert len(alert(dto(fingerprint="x" * 400)).fingerprint or "") == 255


def test_what_is_wrong_is_said_with_its_place() -> None:
    assert error(dto(lastReceived="later")).startswith("bad_timestamp: lastReceived: 'later'")
    assert error(dto(labels=[1])).startswith("wrong_type: labels: expected object or null, got array")
