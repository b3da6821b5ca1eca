"""Words for numbers and for names of the engine."""

from __future__ import annotations

import math

from correlator.engine.decisions import Reason

#: Least nats of a strength, with the word for it.
_STRENGTHS = ((6.0, "decisive"), (3.0, "strong"), (1.0, "fair"), (0.0, "slight"))

#: Faults that are so many times as frequent as usual are worth a word.
_NOTABLE_TIMES = 1.1

_FEATURES = {
    "weight": "weight of all explanations that begin with it",
    "weight_order": "place by that weight",
    "alerts": "number of its alerts",
    "alerts_share": "its share of the alerts",
    "rules": "number of its rules that fire",
    "rarest": "how rare its rarest alert is",
    "surprise": "how rare its alerts are together",
    "surprise_share": "its share of all that is rare here",
    "surprise_share_ln": "its share of all that is rare here, on a logarithmic scale",
    "real": "odds of a fault of its own against noise",
    "severity": "severity",
    "lasting": "how long its trouble lasts",
    "firing": "whether it still fires",
    "flapping": "whether it flaps",
    "onset": "how early it began",
    "onset_sharp": "whether it began with the first",
    "onset_order": "how many began before it",
    "company": "how much began at the same time as it",
    "accused_by": "services whose alerts on calls blame it",
    "accuses": "services that it blames",
    "mentioned_by": "services whose alerts name it",
    "mentions": "services that its alerts name",
    "explains": "share of the services that it may have caused",
    "explained_by": "share of the services that may have caused it",
    "isolated": "whether it neither explains nor is explained",
    "near_dependents": "trouble of those that depend on it directly",
    "far_dependents": "trouble of those that depend on it over others",
    "near_dependencies": "trouble of what it depends on directly",
    "far_dependencies": "trouble of what it depends on over others",
    "covers_1": "share of the services that are it or one hop above it",
    "covers_2": "share of the services within two hops above it",
    "covers_3": "share of the services within three hops above it",
    "quiet_dependents": "share of its dependents that say nothing",
    "lowest": "whether nothing that it depends on alerts",
    "lowest_2": "whether nothing within two hops below it alerts",
    "walk": "where a walk from the alerts along dependencies stays",
    "walk_surprise": "where a walk from the rare alerts stays",
    "walk_ln": "where a walk from the alerts stays, on a logarithmic scale",
    "walk_surprise_ln": "where a walk from the rare alerts stays, on a logarithmic scale",
    "callers": "how many depend on it",
    "callees": "on how many it depends",
    "host": "whether it is a host",
    "queue": "whether it is a queue",
    "datastore": "whether it is a datastore",
    "unknown": "whether the graph does not know it",
    "changed": "how fresh its last change is",
    "silent": "whether it says nothing",
    "tree_root": "whether the forest explains it by nothing else",
    "descendants": "share of the incident below it in the forest",
    "joined": "whether no path leads to it",
}

_REASONS = {
    Reason.NEW_TROUBLE: "the first alert of its service's episode; its incident is not decided yet",
    Reason.SAME_SERVICE: "another alert of its service's episode; its incident is not decided yet",
    Reason.FLAPPING: "fires too often to begin an episode of its own",
    Reason.REPEAT: "firing, and known to fire: a repeat",
    Reason.REPEATED_RESOLVE: "its end was told before",
    Reason.ALERT_RESOLVED: "the end of the alert",
    Reason.INSTANCE_RESOLVED: "the end of one of its series; others still fire",
    Reason.OLDER_EPISODE: "about a firing that is over",
    Reason.RESOLVED_BEFORE_FIRING: "a resolve that came before its firing",
    Reason.CHANGE: "a change (a deploy or the like): context for other alerts, never a page",
    Reason.ROOT_OF_INCIDENT: "at the root of its incident",
    Reason.EXPLAINED: "explained by the root of its incident",
    Reason.BACKGROUND: "more likely everyday noise than a fault",
    Reason.TRANSIENT: "over before it was worth a page",
    Reason.LOW_SEVERITY: "nobody calls it a problem: severity info",
}


def strength(nats: float | None) -> str:
    """Return the word for a weight of evidence."""
    if nats is None:
        return "not weighed any more"
    return next((word for least, word in _STRENGTHS if nats >= least), "against it")


def feature(name: str) -> str:
    if name.startswith("rarest_"):
        return f"how rare its rarest alert of the kind {name.removeprefix('rarest_')} is"
    return _FEATURES.get(name, name.replace("_", " "))


def reason(text: str) -> str:
    return _REASONS[Reason(text)] if text in set(Reason) else text


def duration(seconds: float) -> str:
    """Write a span as a human would: `45 s`, `2 min 5 s`, `1 h 10 min`."""
    whole = round(abs(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    parts = [(hours, "h"), (minutes, "min"), (left if not hours else 0, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"


def faults_of_late(nats: float) -> str:
    """Return that faults were frequent of late, empty where they were not; `nats` are the log of how many times."""
    times = math.exp(nats)
    return f"faults were {times:.1f} times as frequent as usual here of late" if times >= _NOTABLE_TIMES else ""
