#!/usr/bin/env python3
# Correlator
"""Tell the correlator of a notification of Checkmk: its variables as one JSON object, by HTTP.

Nothing but Python 3.8 is needed. Put this into ~/local/share/check_mk/notifications of the site, make it executable and
choose it as the method of a notification rule (the comment above is its name there). The rule's parameters are the
address, such as http://correlator:6066/webhooks/checkmk, and, if needed, the path of a file that holds a bearer token.
Contacts, addresses and comments are not sent. Exit 0: told; 1: try again, which Checkmk does; 2: refused.
"""

import json
import os
import pathlib
import sys
import urllib.error
import urllib.request

TIMEOUT_SECONDS = 10
NAMES = (
    "WHAT", "NOTIFICATIONTYPE", "MICROTIME", "OMD_SITE", "HOSTNAME", "HOSTSTATE", "HOSTOUTPUT", "LASTHOSTSTATECHANGE",
    "SERVICEDESC", "SERVICESTATE", "SERVICEOUTPUT", "LASTSERVICESTATECHANGE",
)  # fmt: skip
LABELS = ("NOTIFY_HOSTLABEL_", "NOTIFY_SERVICELABEL_")


def _text(value: str) -> str:
    """Return a variable without what is no UTF-8 in it, which the output of a plugin may hold."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def main() -> int:
    url, token_file = (os.environ.get(f"NOTIFY_PARAMETER_{number}", "").strip() for number in (1, 2))
    if not url:
        print("checkmk-notify: the first parameter of the notification rule is no address", file=sys.stderr)
        return 2
    names = {f"NOTIFY_{name}" for name in NAMES}
    body = {name: _text(text) for name, text in os.environ.items() if name in names or name.startswith(LABELS)}
    headers = {"Content-Type": "application/json"}
    try:
        if token_file:
            headers["Authorization"] = "Bearer " + pathlib.Path(token_file).read_text(encoding="utf-8").strip()
        request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers, method="POST")
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):
            return 0
    except urllib.error.HTTPError as error:
        print(f"checkmk-notify: {url}: {error.code} {error.read(500).decode('utf-8', 'replace')}", file=sys.stderr)
        return 1 if error.code >= 500 or error.code == 429 else 2
    except (OSError, ValueError) as error:
        print(f"checkmk-notify: {url}: {error}", file=sys.stderr)
        return 1 if isinstance(error, OSError) else 2


if __name__ == "__main__":
    sys.exit(main())
