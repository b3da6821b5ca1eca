"""Links of an alert: where its sender lets a human read more.

Three kinds: the `runbook` that the author of the rule named, a `dashboard` (or the very panel), and the `source`, the
sender's own page of the alert. Pages show them, so what a target could refuse a whole page for is no link.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote

#: No target takes longer addresses everywhere.
MAX_URL_CHARACTERS = 1024
#: What links are called where senders are free to name them; of several the first that is an address.
RUNBOOK_NAMES = ("runbook_url", "runbook")
DASHBOARD_NAMES = ("dashboard_url", "dashboard")
#: By kind, for who hides annotations by name.
LINK_NAMES = {"runbook": RUNBOOK_NAMES, "dashboard": DASHBOARD_NAMES, "source": ("generatorURL", "url", "link")}
_NAMES = frozenset((*RUNBOOK_NAMES, *DASHBOARD_NAMES))
#: Sets of links that are remembered, some ten kilobytes each at the most.
_MOST_KNOWN = 4096
#: A user before the host is a password that somebody forgot there.
_ORIGIN = re.compile(r"https?://(?:[a-z0-9._~-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?(?=[/?#]|$)", re.IGNORECASE)
_PLAIN = "!$%&'()*+,/:;=?@"
_RUN = r"[\w.~/?!$&'()*+,:;=@-]*"
_PART = rf"{_RUN}(?:%[0-9a-f]{{2}}{_RUN})*"
#: An address in which nothing is to be spelled otherwise, as nearly all are.
_SPELLED = re.compile(rf"{_ORIGIN.pattern}{_PART}(?:#{_PART})?", re.IGNORECASE | re.ASCII)
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def links_of(
    fields: Mapping[str, object], *, runbook: object = None, dashboard: object = None, source: object = None
) -> dict[str, str]:
    """Return the links among annotations or the like, and those that stand in fields of their own, by kind.

    Alerts that bring the same share one dictionary, which nobody changes.
    """
    # Of every alert it is asked, and few have anything new to say.
    if source is None and runbook is None and dashboard is None and _NAMES.isdisjoint(fields):
        return {}
    get = fields.get
    # In the order of the names above.
    told = runbook, dashboard, source, get("runbook_url"), get("runbook"), get("dashboard_url"), get("dashboard")
    # What is remembered must be short: of a message that is no more than a link there may be thousands.
    return _links(*[one if type(one) is str and len(one) <= MAX_URL_CHARACTERS else "" for one in told])


@lru_cache(maxsize=_MOST_KNOWN)
def _links(
    runbook: str,
    dashboard: str,
    source: str,
    runbook_url: str,
    other_runbook: str,
    dashboard_url: str,
    other_dashboard: str,
) -> dict[str, str]:
    found = {
        "runbook": address(runbook_url) or address(other_runbook) or address(runbook),
        "dashboard": address(dashboard) or address(dashboard_url) or address(other_dashboard),
        "source": address(source),
    }
    return {kind: url for kind, url in found.items() if url}


def address(text: str) -> str:
    """Return a text as an address of http or https in the characters of RFC 3986; "" where it is none."""
    if not text or (len(text) <= MAX_URL_CHARACTERS and _SPELLED.fullmatch(text)):
        return text
    text = text.strip()
    origin = _ORIGIN.match(text) if len(text) <= MAX_URL_CHARACTERS and text.isprintable() and " " not in text else None
    if origin is None:
        return ""
    path, mark, fragment = text[origin.end() :].partition("#")
    spelled = f"{origin[0]}{_spelled(path)}{mark}{_spelled(fragment)}"
    return spelled if len(spelled) <= MAX_URL_CHARACTERS else ""


def _spelled(part: str) -> str:
    return quote(_LONE_PERCENT.sub("%25", part), safe=_PLAIN, errors="replace")
