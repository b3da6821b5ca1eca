"""How Kafka is reached by whoever reaches it: TLS, passwords, tokens; one way for every client of every process."""

from correlator.access.groups import heed_errors
from correlator.access.settings import client_settings, explained, tls_context

__all__ = ["client_settings", "explained", "heed_errors", "tls_context"]
