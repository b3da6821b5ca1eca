"""Each incident event as a CloudEvent in a topic of Kafka.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md: binary mode has the
attributes in `ce_` headers and the event as it is in the value, structured mode has all of it in the value. The key of
the record is the incident id, as attribute `partitionkey`. (source, id) is unique for an event: who drops repeats of it
hears each once. Extensions: severitytext and severitynumber as in OpenTelemetry's logs, sequence,
correlationid (the incident), causationid (the fingerprint of the root's alert, unless the root is silent).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from correlator.domain import IncidentEvent, Severity
from correlator.pager.exchange import Delivered, Refused, Reply, Request, Verdict
from correlator.pager.mark import Mark, Step, every_event

#: https://opentelemetry.io/docs/specs/otel/logs/data-model/#field-severitynumber
_SEVERITY = {
    Severity.CRITICAL: ("FATAL", 21),
    Severity.ERROR: ("ERROR", 17),
    Severity.WARNING: ("WARN", 13),
    Severity.UNKNOWN: ("WARN", 13),
    Severity.INFO: ("INFO", 9),
}
#: The status by which a transport says that Kafka does not take a record for its size.
TOO_LARGE = 413


class CloudEvents(msgspec.Struct, frozen=True, kw_only=True):
    """Speaks to a topic."""

    name: str
    topic: str
    mode: Literal["binary", "structured"]
    source: str
    type_prefix: str
    coalesces: bool = False

    def step(self, event: IncidentEvent, mark: Mark, *, missed: bool, now: float) -> Step:
        """Publish it: a topic hears everything."""
        return every_event(event)

    def rate_key(self, step: Step) -> str:
        """Return one key for all."""
        return self.name

    def request(self, event: IncidentEvent, step: Step, now: float) -> Request:
        """Write an event as a record: `url` is the topic."""
        attributes = self.attributes(event)
        if self.mode == "structured":
            body = msgspec.json.encode({**attributes, "data": event})
            headers = {"content-type": "application/cloudevents+json; charset=UTF-8"}
        else:
            body = msgspec.json.encode(event)
            headers = {f"ce_{name}": str(value) for name, value in attributes.items() if name != "datacontenttype"} | {
                "content-type": "application/json"
            }
        return Request(url=self.topic, body=body, headers=headers, key=event.incident_id)

    def attributes(self, event: IncidentEvent) -> dict[str, str | int]:
        """Return the attributes of an event."""
        text, number = _SEVERITY[event.severity]
        root = event.root_cause.service
        cause = next((alert.fingerprint for alert in event.alerts.sample if alert.service == root), None)
        known: dict[str, str | int] = {
            "specversion": "1.0",
            "id": f"{event.incident_id}-{event.revision}",
            "source": self.source,
            "type": f"{self.type_prefix}.{event.action.value}.v1",
            "time": event.published_at,
            "subject": f"service/{event.root_cause.service}",
            "datacontenttype": "application/json",
            "partitionkey": event.incident_id,
            "correlationid": event.incident_id,
            "sequence": f"{event.revision:010d}",
            "severitytext": text,
            "severitynumber": number,
        }
        return known if cause is None else {**known, "causationid": cause}

    def verdict(self, reply: Reply, now: float) -> Verdict:
        """Read what the transport made of Kafka's answer."""
        return Refused("the record is larger than Kafka takes") if reply.status == TOO_LARGE else Delivered()
