#!/usr/bin/env python3
"""Tell the correlator of a notification of Nagios: its macros as one JSON object, by HTTP.

Nothing but Python 3.8 is needed. The arguments are `key=value`; nagios-notify.cfg has the commands that give them. A
bearer token is read from the file that `--token-file` names. Exit 0: told; 1: not told, which Nagios logs.
"""

import argparse
import json
import pathlib
import sys
import time
import urllib.error
import urllib.request


def tell(url: str, body: bytes, headers: "dict[str, str]", timeout_seconds: float) -> "tuple[str, bool]":
    """Return what went wrong, empty if nothing, and whether it makes sense to try again."""
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=timeout_seconds):
            return "", False
    except urllib.error.HTTPError as error:
        text = error.read(500).decode("utf-8", "replace")
        return f"{error.code} {text}", error.code >= 500
    except OSError as error:
        return str(error), True


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="such as http://correlator:6066/webhooks/nagios")
    parser.add_argument("--token-file", type=pathlib.Path, help="file that holds a bearer token")
    parser.add_argument("--timeout", type=float, default=5, help="seconds for each try (default: 5)")
    parser.add_argument("--tries", type=int, default=3, help="how often to try (default: 3)")
    parser.add_argument("--pause", type=float, default=2, help="seconds between tries (default: 2)")
    parser.add_argument("macros", nargs="+", metavar="key=value")
    options = parser.parse_args()
    body = {"source": "nagios", **dict(macro.partition("=")[::2] for macro in options.macros)}
    headers = {"Content-Type": "application/json"}
    if options.token_file is not None:
        headers["Authorization"] = "Bearer " + options.token_file.read_text(encoding="utf-8").strip()
    problem = ""
    for attempt in range(options.tries):
        if attempt:
            time.sleep(options.pause)
        problem, again = tell(options.url, json.dumps(body).encode(), headers, options.timeout)
        if not problem:
            return 0
        if not again:
            break
    print(f"nagios-notify: {options.url}: {problem}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
