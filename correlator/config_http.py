"""What the worker takes over HTTP: alerts, and what PagerDuty tells of its incidents; who may post, and how much.

Secrets never stand in a file: a setting that ends in `_env` names the environment variable that holds one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

import pydantic
from pydantic import Field

from correlator.config_base import Seconds, Section, only_one


class HttpConfig(Section):
    """Alerts over HTTP on the worker's web port, and TLS of that port."""

    enabled: bool = True
    #: Name of the environment variable that holds the token which senders must show.
    token_env: str | None = None
    #: File of such tokens, one a line; read again when it changes.
    token_file: Path | None = None
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    #: Certificates of the authority that signed those of clients; whoever sends alerts then needs one.
    tls_client_ca_file: Path | None = None
    #: Name of the environment variable with the secret with which Grafana signs what it posts to `/webhooks/grafana`,
    #: or several, one a line; whoever posts there must then sign, and needs no token.
    grafana_secret_env: str | None = None
    #: File of such secrets, one a line; read again when it changes.
    grafana_secret_file: Path | None = None
    #: The header in which Grafana was told to send the time that it signs too.
    grafana_timestamp_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,100}$")] | None = None
    #: The same of Sentry: the client secret of the integration, for `/webhooks/sentry`.
    sentry_secret_env: str | None = None
    sentry_secret_file: Path | None = None
    #: What comes as of Amazon SNS must bear its signature.
    sns_signatures: bool = False
    #: ARNs of the topics that may send; all if empty. Anybody's topic has its messages signed.
    sns_topics: tuple[str, ...] = ()
    #: Certificates of Amazon's, PEM, for networks from which they cannot be asked for.
    sns_certificate_file: Path | None = None
    #: Bytes of posts that are being read or not acknowledged by Kafka, over all clients.
    max_in_flight_bytes: Annotated[int, Field(ge=1 << 20)] = 64 << 20
    body_timeout_seconds: Seconds = 10
    #: Senders have limits of their own, PagerDuty's webhooks 5 s.
    kafka_timeout_seconds: Seconds = 4
    #: 0 is no limit.
    client_requests_per_second: Annotated[float, Field(ge=0)] = 500
    client_burst: Annotated[int, Field(ge=1)] = 1000

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file go together")
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError("tls_client_ca_file needs tls_cert_file and tls_key_file")
        only_one(
            self,
            ("token_env", "token_file"),
            ("grafana_secret_env", "grafana_secret_file"),
            ("sentry_secret_env", "sentry_secret_file"),
        )
        if self.grafana_timestamp_header is not None and not (self.grafana_secret_env or self.grafana_secret_file):
            raise ValueError("grafana_timestamp_header needs grafana_secret_env or grafana_secret_file")
        if not self.sns_signatures and (self.sns_topics or self.sns_certificate_file is not None):
            raise ValueError("sns_topics and sns_certificate_file need sns_signatures")
        return self


class FeedbackConfig(Section):
    """What PagerDuty tells of its incidents; `http` has who else may post feedback."""

    #: Name of the environment variable that holds the secret of the webhook subscription, or several, one a line.
    pagerduty_secret_env: str | None = None
    #: File of such secrets, one a line; read again when it changes.
    pagerduty_secret_file: Path | None = None
    #: Name of the environment variable with a read-only REST API key, to ask for the alerts of an incident there: the
    #: webhook alone often does not tell which of ours it is.
    pagerduty_token_env: str | None = None
    pagerduty_api_url: Annotated[str, Field(pattern="^https?://")] = "https://api.pagerduty.com"

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> Self:
        only_one(self, ("pagerduty_secret_env", "pagerduty_secret_file"))
        return self
