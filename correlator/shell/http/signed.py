"""Senders that sign what they post with a shared secret, Grafana and Sentry: that lets them in, in place of a token.

https://grafana.com/docs/grafana/latest/alerting/configure-notifications/manage-contact-points/integrations/webhook-notifier/
https://docs.sentry.io/organization/integrations/integration-platform/webhooks/
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from correlator.config_http import HttpConfig
from correlator.secrets import Secrets, secrets_of
from correlator.shell.http.refusal import Refused

GRAFANA_HEADER = "X-Grafana-Alerting-Signature"
SENTRY_HEADER = "Sentry-Hook-Signature"
#: What was signed longer ago may be somebody's copy; clocks differ by less.
_LONGEST_MS = 300_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """HMAC-SHA256 of the body in hexadecimal, in `header`; with the time in `timestamp_header`, of `time:body`."""

    header: str
    secrets: Secrets
    timestamp_header: str | None = None

    def check(self, body: bytes, headers: Mapping[str, str], now: int) -> None:
        """Return if the body is signed with one of the secrets.

        Args:
            headers: names in any case.
            now: milliseconds.

        Raises:
            Refused: 401.
        """
        signed = body
        if self.timestamp_header is not None:
            told = headers.get(self.timestamp_header, "")
            if not (told.isascii() and told.isdigit() and len(told) <= 12):
                raise Refused(401, "signature", f"{self.timestamp_header} is missing, or no number of seconds")
            if abs(int(told) * 1000 - now) > _LONGEST_MS:
                raise Refused(401, "signature", f"{self.timestamp_header} is more than five minutes from now")
            signed = f"{told}:".encode() + body
        shown = headers.get(self.header, "").strip().encode("utf-8", "replace")
        made = [hmac.new(secret, signed, hashlib.sha256).hexdigest().encode() for secret in self.secrets.lines()]
        # All of them, whichever matches: the time tells nothing.
        if not sum(hmac.compare_digest(shown, one) for one in made):
            raise Refused(401, "signature", f"{self.header} is missing, or made with another secret")


def signed_of(config: HttpConfig, environ: Mapping[str, str]) -> dict[str, Signature]:
    """Return how senders sign that a configuration knows the secret of, by the name of their format.

    Raises:
        ConfigError: a secret that it names is not there.
    """
    grafana = secrets_of("http.grafana_secret", config.grafana_secret_env, config.grafana_secret_file, environ)
    sentry = secrets_of("http.sentry_secret", config.sentry_secret_env, config.sentry_secret_file, environ)
    found: dict[str, Signature] = {}
    if grafana is not None:
        found["grafana"] = Signature(
            header=GRAFANA_HEADER, secrets=grafana, timestamp_header=config.grafana_timestamp_header
        )
    if sentry is not None:
        found["sentry"] = Signature(header=SENTRY_HEADER, secrets=sentry)
    return found


def headers_of(config: HttpConfig) -> dict[str, list[str]]:
    """Return the headers that a signature needs, by the name of the format, where a configuration wants one."""
    found: dict[str, list[str]] = {}
    if config.grafana_secret_env is not None or config.grafana_secret_file is not None:
        found["grafana"] = [GRAFANA_HEADER, *filter(None, [config.grafana_timestamp_header])]
    if config.sentry_secret_env is not None or config.sentry_secret_file is not None:
        found["sentry"] = [SENTRY_HEADER]
    return found
