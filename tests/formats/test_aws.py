"""CloudWatch by SNS, Lambda, SQS and EventBridge: JSON in a string, confirmations that nobody visits, states."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.domain import Severity, Status
from correlator.errors import InputError
from correlator.formats.alert import ParsedAlert
from correlator.formats.reading import Formats
from correlator.formats.sns_signature import signed
from tests.formats.examples import AT, EXAMPLES, alert, alerts, error, payload, read
from tests.formats.vendor_examples import CLOUDWATCH_ALARM

ARN = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:checkout-5xx-critical"
HOST = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336"


def alarm(**fields: Any) -> dict[str, Any]:
    return {**CLOUDWATCH_ALARM, **fields}


def envelope(message: object, **fields: Any) -> dict[str, Any]:
    text = message if isinstance(message, str) else json.dumps(message)
    return {**EXAMPLES["sns"], "Message": text, **fields}


def eventbridge(state: str = "ALARM", **fields: Any) -> dict[str, Any]:
    metric = {"namespace": "AWS/SQS", "name": "AgeOfOldestMessage", "dimensions": {"QueueName": "orders"}}
    return {
        "version": "0", "id": "c4c1", "detail-type": "CloudWatch Alarm State Change", "source": "aws.cloudwatch",
        "account": "123456789012", "region": "eu-west-1", "resources": [ARN],
        "detail": {"alarmName": "checkout-5xx-critical",
                   "configuration": {"metrics": [{"id": "m", "metricStat": {"metric": metric}}, {"expression": "m*2"}]},
                   "state": {"value": state, "reason": "r", "timestamp": "2026-11-23T03:40:00.989+0000"}}, **fields,
    }  # fmt: skip


def without_ids(document: object, headers: dict[str, str] | None = None) -> list[ParsedAlert]:
    return [msgspec.structs.replace(one, id=None) for one in alerts(document, headers)]


def test_an_alarm_by_sns_is_read_out_of_its_string() -> None:
    (event,) = read(envelope(alarm())).events
    one = alert(envelope(alarm()))
    assert (event.id("place"), one.source, one.status, one.name) == (
        "e288882d-4281", "cloudwatch", Status.FIRING, "checkout-5xx-critical",
    )  # fmt: skip
    assert (one.service, one.entity, one.fingerprint) == ("checkout", "app/web/50dc6c495c0c9188", ARN)
    assert (one.severity, one.starts_at, one.ends_at) == (Severity.CRITICAL, AT - 29_907, AT + 86_400_000)
    assert one.summary == "Checkout answers with errors"
    assert one.labels == {
        "account": "123456789012", "region": "EU (Ireland)", "namespace": "AWS/ApplicationELB",
        "metric": "HTTPCode_Target_5XX_Count", "ServiceName": "checkout", "LoadBalancer": "app/web/50dc6c495c0c9188",
    }  # fmt: skip


def test_the_real_alarm_is_read_with_its_time_whose_zone_has_no_colon() -> None:
    one = alert(payload("aws_sns_cloudwatch_alarm"))
    assert (one.status, one.name, one.service) == (Status.FIRING, "bucketbytesAlarm", "try.alerta.io")
    assert one.starts_at == 1_550_274_825_093
    assert one.severity is None


def test_functions_queues_and_eventbridge_tell_of_the_same_alarm() -> None:
    plain = alert(alarm())
    sns = {"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": envelope(alarm())}
    sqs = {"eventSource": "aws:sqs", "messageId": "q", "body": json.dumps(envelope(alarm()))}
    assert without_ids({"Records": [sns, sqs]}) == [plain, plain]
    assert alert(envelope(eventbridge())).fingerprint == alert(eventbridge()).fingerprint == plain.fingerprint
    assert without_ids(envelope(alarm()), {"format": "cloudwatch"}) == [plain]


def test_an_alarm_by_eventbridge_is_read() -> None:
    one = alert(eventbridge())
    assert (one.id, one.service, one.starts_at) == ("c4c1", "orders", AT - 29_011)
    assert one.labels["metric"] == "AgeOfOldestMessage"
    real = alert(payload("aws_eventbridge_cloudwatch_alarm"))
    assert (real.name, real.entity, real.labels["InstanceId"]) == (
        "ServerCpuTooHigh", "i-12345678901234567", "i-12345678901234567",
    )  # fmt: skip


def test_an_alarm_that_is_ok_ended_when_its_state_changed() -> None:
    one = alert(alarm(NewStateValue="OK"))
    assert (one.status, one.starts_at, one.ends_at) == (Status.RESOLVED, AT - 29_907, AT - 29_907)
    assert alert(eventbridge("OK")).status is Status.RESOLVED


def test_missing_data_fires_if_someone_asked_to_be_told_and_else_is_no_alert() -> None:
    one = alert(payload("aws_sns_cloudwatch_insufficient_data"))
    assert (one.status, one.severity) == (Status.FIRING, Severity.UNKNOWN)
    contents = read(eventbridge("INSUFFICIENT_DATA"))
    assert (contents.events, contents.notices) == ([], {("cloudwatch", "insufficient_data"): 1})


def test_without_its_arn_an_alarm_is_its_name_within_account_and_region() -> None:
    one = alert(alarm(AlarmArn=None))
    assert one.fingerprint == alert(alarm(AlarmArn=None, NewStateValue="OK")).fingerprint
    assert len({one.fingerprint, alert(alarm(AlarmArn=None, Region="x")).fingerprint, ARN}) == 3


@pytest.mark.parametrize(
    ("name", "severity"),
    [
        ("P1 checkout", Severity.CRITICAL),
        ("db-sev-2", Severity.ERROR),
        ("[Warning] lag", Severity.WARNING),
        ("HighErrorRate", None),
        ("app1-errors", None),
        ("critically", None),
    ],
)
def test_only_a_word_that_means_nothing_else_is_a_severity(name: str, severity: Severity | None) -> None:
    assert alert(alarm(AlarmName=name)).severity is severity


def test_dimensions_of_an_expression_are_those_of_its_metrics() -> None:
    metrics = [{"Expression": "a/b", "Id": "e"}, {"Id": "a", "MetricStat": {"Metric": {"Dimensions": [
        {"name": "FunctionName", "value": "resize"}]}}}]  # fmt: skip
    assert alert(alarm(Trigger={"Metrics": metrics})).service == "resize"


@pytest.mark.parametrize("kind", ["SubscriptionConfirmation", "UnsubscribeConfirmation"])
def test_a_confirmation_is_no_alert_but_told_to_a_human(kind: str) -> None:
    contents = read({"Type": kind, "TopicArn": "arn:t", "Message": "You have chosen ...", "SubscribeURL": HOST})
    ((name, word, text),) = contents.said
    assert contents.events == [] and contents.notices == {(name, word): 1}
    assert (word == "subscription_pending") is (HOST in text)


def test_the_real_confirmation_tells_its_address() -> None:
    contents = read(payload("aws_sns_subscription_confirmation"))
    assert contents.notices == {("sns", "subscription_pending"): 1}
    assert payload("aws_sns_subscription_confirmation")["SubscribeURL"] in contents.said[0][2]


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/?Action=ConfirmSubscription",
        "http://sns.eu-west-1.amazonaws.com/",
        "https://sns.eu-west-1.amazonaws.com@evil.example/",
        "https://sns.eu-west-1.amazonaws.com.evil.example/",
        "https://sns.eu-west-1.amazonaws.com:x/",
        "https://[",
        "",
    ],
)
def test_an_address_that_is_not_amazons_is_never_shown_as_one_to_visit(url: str) -> None:
    contents = read({"Type": "SubscriptionConfirmation", "TopicArn": "arn:t", "SubscribeURL": url})
    ((_, word, text),) = contents.said
    assert word == "subscription_refused" and (not url or url not in text)


def test_what_is_wrong_is_said_with_its_place() -> None:
    assert error(alarm(NewStateValue="BAD")).startswith("wrong_value: state: 'BAD' is none of ALARM, OK")
    assert error(alarm(StateChangeTime="soon")).startswith("bad_timestamp: StateChangeTime: 'soon'")
    assert error(envelope("disk full")).startswith("not_json: Message: text, no JSON: 'disk full'")
    assert error({"Records": [{"Sns": 5}]}).startswith("wrong_type: Records[0].Sns: expected object")
    assert error({"Records": [{"eventSource": "aws:sqs", "body": None}]}).startswith("wrong_type: Records[0].body")


def test_an_id_that_is_no_text_costs_no_alarm() -> None:
    assert alert(envelope(alarm(), MessageId=7)).fingerprint == alert(envelope(alarm())).fingerprint


def test_a_message_that_nobody_dated_arrived_when_it_was_sent() -> None:
    data = json.dumps(envelope(alarm(StateChangeTime=None))).encode()
    (one,) = Formats().read(data).alerts
    assert one.starts_at == AT - 29_866


# -- signatures ----------------------------------------------------------------------------------------------------

SIGNATURE = {
    "SignatureVersion": "1",
    "Signature": "AAAA",
    "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/x.pem",
}


def test_the_text_that_is_signed_is_that_of_the_documentation() -> None:
    told = {"Message": "a\nb", "MessageId": "m", "Timestamp": "t", "TopicArn": "arn"}
    assert signed({**told, **SIGNATURE, "Type": "Notification", "Subject": "s"}).text == (
        b"Message\na\nb\nMessageId\nm\nSubject\ns\nTimestamp\nt\nTopicArn\narn\nType\nNotification\n"
    )
    confirmation = {**told, **SIGNATURE, "Type": "SubscriptionConfirmation", "Token": "k", "SubscribeURL": "u"}
    assert signed(confirmation).text == (
        b"Message\na\nb\nMessageId\nm\nSubscribeURL\nu\nTimestamp\nt\nToken\nk\nTopicArn\narn\n"
        b"Type\nSubscriptionConfirmation\n"
    )


_KEYS = st.sampled_from(["Type", "TopicArn", "Message", "MessageId", "Subject", "Timestamp", *SIGNATURE])
_VALUES = (
    st.none() | st.text() | st.integers() | st.lists(st.text()) | st.sampled_from(["Notification", "1", "2", "\ud800"])
)


@given(st.dictionaries(_KEYS, _VALUES))
def test_no_envelope_makes_the_signature_fail_otherwise(fields: dict[str, Any]) -> None:
    for document in (fields, {**envelope(alarm()), **SIGNATURE, **fields}):
        try:
            assert signed(document).text
        except InputError as error:
            assert error.reason in ("missing_field", "wrong_value")
