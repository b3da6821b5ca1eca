"""What holds for every format of the table: it is found, it never fails, and senders may run ahead of it."""

from __future__ import annotations

import copy
import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from correlator.domain import Severity, Status
from correlator.errors import InputError
from correlator.formats import format as format_module
from correlator.formats.format import Enclosed, Format, Notice, Payload, Refusal
from correlator.formats.reading import Formats
from correlator.formats.table import FORMATS
from tests.formats.examples import AT, EXAMPLES, SHARED, alerts, errors, payload, read

NAMES = [one.name for one in FORMATS]
REASONS = {"not_utf8", "not_json", "missing_field", "wrong_type", "wrong_value", "bad_timestamp"}
#: Objects whose keys are the sender's own words: another key is another label, not an unknown field.
_OPEN = {
    "labels", "tags", "annotations", "custom_details", "values", "policy_user_labels", "customProperties", "details",
    "fields", "group_by_fields",
}  # fmt: skip

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)

_KEYS = sorted({key for example in EXAMPLES.values() for key in example})

each_format = pytest.mark.parametrize("one", FORMATS, ids=NAMES)
_slow = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def paths(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where every value stands in a document."""
    yield at
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from paths(inner, (*at, index))


def found(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def test_names_are_words_for_paths_and_labels_and_differ() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert all(re.fullmatch(r"[a-z][a-z0-9-]{1,30}", name) for name in NAMES)


def test_every_format_has_an_example() -> None:
    assert set(EXAMPLES) == set(NAMES)


def test_the_docs_list_the_table_in_its_order() -> None:
    text = (Path(__file__).parents[2] / "docs" / "inputs.md").read_text(encoding="utf-8")
    section = text.partition("## Formats\n")[2].partition("\n#")[0]
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", section, re.MULTILINE) == NAMES


def test_the_docs_tell_the_words_of_what_is_no_alert() -> None:
    text = (Path(__file__).parents[2] / "docs" / "inputs.md").read_text(encoding="utf-8")
    section = text.partition("## What is no alert\n")[2].partition("\n#")[0]
    told = set(re.findall(r"`([a-z_]+)`", section))
    words: set[str] = set()
    for module in sorted((Path(__file__).parents[2] / "correlator" / "formats").glob("*.py")):
        code = module.read_text(encoding="utf-8")
        if module.name != "format.py":
            words |= set(re.findall(r'Notice\(\s*"([a-z_]+)"', code))
        for table in re.findall(r"_NOTICES[^=\n]* = [({]([^)}]*)[)}]", code):
            words |= set(re.findall(r'"([a-z_]+)"(?!:)', table))
    assert words and words <= told


def test_the_example_of_how_to_add_a_format_is_one() -> None:
    lines = (format_module.__doc__ or "").splitlines()
    code = textwrap.dedent("\n".join(line for line in lines if line.startswith("    ") or not line))
    names = {**vars(format_module), "Severity": Severity, "Status": Status}
    exec(code, names)
    document = {"tool": "acme", "alarms": [{"rule": "N", "since": "2026-11-23T03:40:00Z", "severity": "fatal"}, {}]}
    contents = Formats((names["FORMAT"],)).read(json.dumps(document).encode())
    (alert,) = contents.alerts
    assert (alert.name, alert.severity) == ("N", Severity.CRITICAL)
    assert errors(contents) == ["missing_field: alarms[1]: missing required field `rule`"]


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_recognised_as_what_it_is_and_gives_an_alert(name: str) -> None:
    contents = read(EXAMPLES[name])
    assert contents.formats[0] == name
    assert errors(contents) == []
    assert contents.alerts


@each_format
@given(data=st.data())
def test_what_a_format_recognises_has_one_of_its_signs(one: Format, data: st.DataObject) -> None:
    keys = data.draw(st.sets(st.sampled_from(sorted(EXAMPLES[one.name]))))
    document = {key: value for key, value in EXAMPLES[one.name].items() if key in keys}
    assert not one.recognises(document, {}) or not one.signs or not set(one.signs).isdisjoint(document)


@pytest.mark.parametrize("name", NAMES)
def test_a_header_or_a_batch_changes_nothing(name: str) -> None:
    expected = alerts(EXAMPLES[name])
    assert alerts(EXAMPLES[name], {"format": name}) == expected
    assert alerts([EXAMPLES[name], EXAMPLES[name]]) == 2 * expected
    assert alerts([EXAMPLES[name]], {"format": name}) == expected


@pytest.mark.parametrize("name", NAMES)
def test_the_same_message_reads_the_same_and_has_the_same_ids(name: str) -> None:
    first, second = read(EXAMPLES[name]), read(EXAMPLES[name])
    assert [(one.id("t-0-1"), one.event) for one in first.events] == [
        (one.id("t-0-1"), one.event) for one in second.events
    ]
    assert len({one.id("t-0-1") for one in first.events}) == len(first.events)


@each_format
@_slow
@given(data=st.data())
def test_fields_of_the_future_change_nothing(one: Format, data: st.DataObject) -> None:
    example = EXAMPLES[one.name]
    objects = [
        path
        for path in paths(example)
        if isinstance(found(example, path), dict) and not (_OPEN & set(path) - {"labels"} or path[-1:] == ("labels",))
    ]
    document = copy.deepcopy(example)
    for path in data.draw(st.lists(st.sampled_from(objects), min_size=1, max_size=4)):
        extra = data.draw(st.dictionaries(st.text(max_size=6).map(lambda text: f"x_{text}"), _json, max_size=3))
        found(document, path).update(extra)
    assert alerts(document) == alerts(example)


@each_format
@_slow
@given(data=st.data())
def test_a_document_damaged_anywhere_is_read_or_refused_with_a_place(one: Format, data: st.DataObject) -> None:
    document = {"root": copy.deepcopy(EXAMPLES[one.name])}
    path = data.draw(st.sampled_from([at for at in paths(document) if at]))
    parent = found(document, path[:-1])
    if isinstance(parent, dict) and data.draw(st.booleans()):
        del parent[path[-1]]
    else:
        parent[path[-1]] = data.draw(_json)
    contents = read(document.get("root"), {"format": one.name})
    assert all(text.partition(":")[0] in REASONS and text.partition(": ")[2] for text in errors(contents))
    assert all(isinstance(alert.severity, Severity | None) for alert in contents.alerts)


@each_format
@_slow
@given(
    document=_json
    | st.dictionaries(st.sampled_from(sorted({*"abc"} | {k for e in EXAMPLES.values() for k in e})), _json)
)
def test_no_document_makes_it_fail(one: Format, document: Any) -> None:
    payload = Payload(json.dumps(document).encode("utf-8", "surrogatepass"), arrived_at=AT)
    if isinstance(document, dict):
        recognised = one.recognises(document, {})
        assert recognised in (True, False)
        assert not recognised or not one.signs or not set(one.signs).isdisjoint(document)
    try:
        elements = list(one.read(payload))
    except InputError as refusal:
        assert refusal.reason in REASONS and refusal.detail
    else:
        assert not any(isinstance(element, Notice) and not element.word for element in elements)
        assert all(element.error.reason in REASONS for element in elements if isinstance(element, Refusal))
        assert all(element.payload.data for element in elements if isinstance(element, Enclosed))


@each_format
@given(data=st.binary(max_size=100))
def test_no_bytes_make_it_fail(one: Format, data: bytes) -> None:
    contents = Formats().read(data, {"format": one.name}, arrived_at=AT)
    assert all(text.partition(":")[0] in REASONS for text in errors(contents))


#: Name, formats, number of alerts.
REAL: list[tuple[str, list[str], int]] = [
    ("alertmanager_webhook_v4_firing", ["alertmanager"], 2),
    ("alertmanager_webhook_v4_resolved", ["alertmanager"], 2),
    ("alertmanager_webhook_v4_from_correlator", ["alertmanager"], 1),
    ("alertmanager_api_v2_post_alerts", ["prometheus"] * 2, 2),
    ("alertmanager_api_v2_get_alerts", ["prometheus"] * 2, 2),
    ("alertmanager_api_v2_get_groups", ["prometheus"], 2),
    ("prometheus_post_api_v2_alerts_firing", ["prometheus"], 1),
    ("prometheus_post_api_v2_alerts_resolved", ["prometheus"], 1),
    ("alertmanager_event_recorder_alert_created", ["alertmanager-events"], 1),
    ("alertmanager_event_recorder_alert_resolved", ["alertmanager-events"], 1),
    ("grafana_alerting_webhook_v1", ["grafana"], 1),
    ("grafana_legacy_v6_webhook", ["grafana-legacy"], 1),
    ("pagerduty_events_v2_trigger_example", ["pagerduty"], 1),
    ("pagerduty_events_v2_trigger_by_alertmanager", ["pagerduty"], 1),
    ("pagerduty_events_v2_resolve_by_alertmanager", ["pagerduty"], 1),
    ("pagerduty_events_v2_trigger_from_correlator", ["pagerduty"], 1),
    ("pagerduty_events_v2_ack_resolve", ["pagerduty"] * 2, 1),
    ("pagerduty_change_event", ["pagerduty-change"], 1),
    ("keep_alertdto_example", ["keep"], 1),
    ("aws_sns_cloudwatch_alarm", ["sns", "cloudwatch"], 1),
    ("aws_sns_cloudwatch_insufficient_data", ["sns", "cloudwatch"], 1),
    ("aws_sns_subscription_confirmation", ["sns"], 0),
    ("aws_eventbridge_cloudwatch_alarm", ["cloudwatch"], 1),
    ("gcp_monitoring_v1_0_keep_mock", ["gcp"], 1),
    ("gcp_monitoring_v1_2", ["gcp"], 1),
    ("azure_common_alert_schema_metric", ["azure"], 1),
    ("datadog_webhook_rendered", ["datadog"], 1),
    ("newrelic_workflow_default", ["newrelic"], 1),
    ("newrelic_legacy_incident", ["newrelic"], 1),
    ("sentry_metric_alert", ["sentry"], 1),
    ("sentry_issue_alert", ["sentry"], 1),
    ("zabbix_webhook_high", ["zabbix"], 1),
    ("icinga2_statechange_service", ["icinga2"], 0),
    ("icinga2_acknowledgement_set", ["icinga2"], 0),
    ("nagios_notify_macros", ["nagios"], 1),
    ("sensu_go_event", ["sensu"], 1),
    ("kibana_alert_document", ["kibana"], 1),
    ("opsgenie_outgoing_webhook_create", ["opsgenie"], 1),
    ("otlp_logs_example_spec", ["otlp"], 1),
    ("pingdom_down", ["pingdom"], 1),
    ("graylog_alert", ["graylog"], 1),
    ("riemann_event", ["riemann"], 1),
    ("vmware_vrealize", ["vmware"], 1),
]
#: A template before it is filled in; what PagerDuty tells of an incident, which is feedback (tests/shell/http).
NO_ALERTS = {"datadog_webhook_template_keep", "pagerduty_webhook_v3_incident"}


@pytest.mark.parametrize(("name", "formats", "count"), REAL)
def test_real_payloads_are_recognised_and_read(name: str, formats: list[str], count: int) -> None:
    contents = read(payload(name))
    assert contents.formats == formats
    assert errors(contents) == []
    assert len(contents.alerts) == count


def test_every_real_payload_is_among_those_that_are_read() -> None:
    payload(next(iter(NO_ALERTS)))  # they lie beside the repository, or not
    assert {path.stem for path in (SHARED / "input").iterdir()} == NO_ALERTS | {
        name for name, _, _ in REAL if (SHARED / "input" / f"{name}.json").exists()
    }
