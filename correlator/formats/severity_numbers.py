"""OpenTelemetry's severities, a number and a text, in its logs and in CloudEvents.

https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber
"""

from __future__ import annotations

from correlator.domain import Severity

#: By the highest number of each; what is beyond them all is no severity.
_HIGHEST = ((12, Severity.INFO), (16, Severity.WARNING), (20, Severity.ERROR), (24, Severity.CRITICAL), (99, None))
_NUMBERS = {
    digits: next(severity for highest, severity in _HIGHEST if number <= highest)
    for number in range(1, 100)
    for digits in (str(number), f"{number:02}")
}
_WORDS = {
    "TRACE": Severity.INFO,
    "DEBUG": Severity.INFO,
    "INFO": Severity.INFO,
    "INFORMATION": Severity.INFO,
    "WARN": Severity.WARNING,
    "WARNING": Severity.WARNING,
    "ERROR": Severity.ERROR,
    "FATAL": Severity.CRITICAL,
    "CRITICAL": Severity.CRITICAL,
}


def severity_numbered(number: object, text: object) -> Severity | None:
    """Return the severity of a number, which may stand in a string, else of a text; None where neither tells."""
    digits = str(number)
    if digits in _NUMBERS:
        return _NUMBERS[digits]
    # The short names have four steps each: `WARN`, `WARN2` ...
    return _WORDS.get(str(text).upper().rstrip("1234"))
