"""Names of services, out of the addresses and reference forms that sources give."""

from __future__ import annotations

import ipaddress
import re

_PORT = re.compile(r":\d+$")
#: A service of a Kubernetes cluster: name, namespace, `svc`, and the cluster's domain or not.
_IN_CLUSTER = re.compile(r"^(?P<name>[a-z0-9-]+)\.(?P<namespace>[a-z0-9-]+)\.svc(?:\.[a-z0-9.-]+)?$", re.IGNORECASE)
#: What sources write where they do not know.
_NOBODY = frozenset({"", "-", "unknown", "unknown_service", "none", "null", "localhost"})


def service_name(address: str) -> str:
    """Return the service that an address or a name stands for; empty where it says nothing (an IP address, unknown).

    `payments.shop.svc.cluster.local:8080` is `payments`.
    """
    name = _PORT.sub("", address.strip().rstrip("."))
    if name.lower() in _NOBODY or name.lower().startswith("unknown_service:") or is_ip(name):
        return ""
    match = _IN_CLUSTER.match(name)
    return match["name"] if match else name


def is_ip(name: str) -> bool:
    """Tell whether a name is an address, which tells of a machine of the moment and no service."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def is_outside(name: str) -> bool:
    """Tell whether a name is a host of the internet rather than one of our services."""
    return "." in name and not name.lower().endswith((".svc", ".local", ".internal", ".cluster"))
