"""An explanation as text for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from correlator.explain import wording
from correlator.explain.values import Bond, Explanation, Fate, Hop, Member, Need, Rival

_WAYS = {
    "calls": "calls",
    "depends_on": "depends on",
    "consumes": "consumes from",
    "runs_on": "runs on",
    "text": "names in its text",
    "call": "complains about calls to",
}


def explanation(found: Explanation) -> str:
    """Write the explanation of an incident."""
    return "\n".join(_explanation(found)) + "\n"


def _explanation(found: Explanation) -> Iterator[str]:
    page = ", page" if found.page else ""
    yield found.title
    revision = f"revision {found.revision} of {found.revisions} ({found.action}{page})"
    yield f"incident {found.incident_id}, {revision}, {found.at}"
    if found.merged_into:
        yield f"later merged into {found.merged_into}"
    if found.as_published is not None:
        yield "as it was published" if found.as_published else "DIFFERS from what was published: see docs/explain.md"
    yield ""
    yield from _why_root(found)
    yield ""
    yield "Why these belong together (nats by which each explanation beats everyday noise)"
    yield from _tree(found)
    if late := wording.faults_of_late(found.faults_of_late):
        yield f"  {late} ({found.faults_of_late:+.1f} nats)"
    sums = f"together {found.gain:+.1f} nats: {found.real:.1%} that this is a fault and no noise"
    yield f"  {sums}"
    yield from _section("What would make another service the root", _turns(found))
    yield from _section("What says nothing", _silences(found))
    yield from _section("Trouble nearby that was not joined", _neighbours(found))
    yield from _section("Changes considered", _changes(found))
    yield ""
    versions = found.versions
    yield f"topology {versions.topology}, model {versions.model}, configuration {versions.config}"


def _section(title: str, lines: Iterator[str]) -> Iterator[str]:
    written = list(lines)
    if written:
        yield ""
        yield title
        yield from (f"  {line}" for line in written)


def _why_root(found: Explanation) -> Iterator[str]:
    yield f"Why {found.root}"
    first = next((suspect for suspect in found.suspects if suspect.service == found.root), None)
    if first is not None:
        yield f"  probability {first.probability:.0%} (before calibration {first.weighed:.0%})"
        for evidence in first.evidence:
            yield f"  - {evidence.text}"
    top = next((member for member in found.members if member.parent is None), None)
    if top is not None and found.root not in (top.service, top.cause):
        begins = top.cause or top.service
        yield f"  The tree below begins at {begins}; weighed over all trees, {found.root} is likelier."
    for rival in found.rivals:
        yield from _rival(found.root, rival)


def _rival(root: str, rival: Rival) -> Iterator[str]:
    lead = f"{root} weighs {rival.lead:.1f} nats more" if rival.lead >= 0 else f"it weighs {-rival.lead:.1f} nats more"
    yield f"and not {rival.service} ({rival.probability:.0%}): {lead}"
    for factor in rival.factors:
        values = f"{factor.root:g} against {factor.rival:g}"
        yield f"  {factor.nats:+6.2f}  {factor.words} ({values})"


def _tree(found: Explanation) -> Iterator[str]:
    children: dict[int | None, list[Member]] = {}
    keys = {member.node for member in found.members}
    for member in found.members:
        children.setdefault(member.parent if member.parent in keys else None, []).append(member)
    waiting = [(member, "  ", "") for member in reversed(children.get(None, []))]
    while waiting:
        member, indent, branch = waiting.pop()
        yield f"{indent}{branch}{_head(member)}"
        under = indent + {"": "", "├─ ": "│  ", "└─ ": "   "}[branch]
        below = children.get(member.node, [])
        yield f"{under}{'│  ' if below else '   '}{_reason(member)}"
        last = len(below) - 1
        waiting += reversed([(child, under, "└─ " if at == last else "├─ ") for at, child in enumerate(below)])


def _head(member: Member) -> str:
    names = ", ".join(dict.fromkeys(alert.name for alert in member.alerts))
    more = f" and {member.alerts_total - len(member.alerts)} more" if member.alerts_total > len(member.alerts) else ""
    state = "" if member.firing else ", over"
    elsewhere = f" [kept in {member.elsewhere}]" if member.elsewhere else ""
    return f"{member.service}: {names}{more}, since {member.onset_at}{state}{elsewhere}"


def _reason(member: Member) -> str:
    said = _bond(member)
    if member.strength is None:
        return f"{said}; {member.strength_words}"
    rest = f"; {member.next_best} is next, {member.margin:+.1f} nats behind" if member.margin is not None else ""
    if member.margin is not None and member.margin < 0:
        rest = f"; kept as it was told, though {member.next_best} is likelier by {-member.margin:.1f} nats now"
    return f"{said}: {member.strength:+.1f} nats, {member.strength_words}{rest}"


def _bond(member: Member) -> str:
    delay = "" if member.delay_seconds is None else _delay(member.delay_seconds)
    if member.bond is Bond.FAULT:
        return "a fault of its own"
    if member.bond is Bond.SILENT_CAUSE:
        return f"{member.cause} is taken for its cause, and says nothing"
    if member.bond is Bond.KEPT:
        return "its cause is over and gone; it keeps its place"
    if member.bond is Bond.AGAIN:
        return f"again the same service, {delay}"
    if member.bond is Bond.BEYOND_THE_GRAPH:
        return f"{delay} {member.cause}, to which no path is known"
    silent = f", {' and '.join(member.silent)} says nothing" if member.silent else ""
    return f"{delay} {member.cause}: {', '.join(map(_hop, member.path))}{silent}"


def _hop(hop: Hop) -> str:
    return f"{hop.source} {_WAYS[hop.type]} {hop.to}"


def _delay(seconds: float) -> str:
    if seconds == 0:
        return "together with"
    return f"{wording.duration(seconds)} {'after' if seconds > 0 else 'before'}"


def _turns(found: Explanation) -> Iterator[str]:
    for turn in found.turns:
        yield f"- {turn.change}: {turn.root} ({turn.probability:.0%})"
    tried = found.tried
    if tried.changes:
        yield f"{tried.changes} changes were applied and the engine run again; {tried.turned} of them turn the root"
    elif tried.why_none != "not asked for":
        yield f"nothing was tried: {tried.why_none}"


def _silences(found: Explanation) -> Iterator[str]:
    for silence in found.silences:
        cost = "" if silence.cost is None else f" ({silence.cost:.1f} nats against a failure of all of {found.root})"
        yield f"- {silence.service}, {silence.where}{cost}"


def _neighbours(found: Explanation) -> Iterator[str]:
    for one in found.neighbours:
        where = f"in incident {one.incident_id}" if one.published else "in no incident that was told"
        yield f"- {one.service}: {', '.join(one.alerts)}, since {one.onset_at}, {where}"
        yield f"  {one.why}"


def _changes(found: Explanation) -> Iterator[str]:
    for change in found.changes:
        before = change.seconds_before_onset
        when = (
            "" if before is None else f", {wording.duration(before)} {'before' if before >= 0 else 'after'} its trouble"
        )
        yield f"- {change.at} {change.service}: {change.name}{when}"
        yield f"  a fault of {change.service} is {change.raises:+.1f} nats likelier by it"


def fate(found: Fate) -> str:
    """Write what became of an alert."""
    return "\n".join(_fate(found)) + "\n"


def _fate(found: Fate) -> Iterator[str]:
    yield f"{found.service}: {found.name} ({found.severity}), {found.arrived_at}"
    yield f"event {found.event_id}, fingerprint {found.fingerprint}, scope {found.scope}"
    yield f"{found.disposition or 'pending'}: {found.words}"
    if found.incident_id:
        yield f"in incident {found.incident_id}"
    if found.member is not None:
        yield f"  {_reason(found.member)}"
    paging = [need for need in found.needs if need.pages]
    yield from _section("It would have paged", (_need(need) for need in paging))
    yield from _section("Not enough would have been", (f"- {need.change}" for need in found.needs if not need.pages))


def _need(need: Need) -> str:
    after = "" if need.after_seconds is None else f", after {wording.duration(need.after_seconds)}"
    return f"- {need.change}{after}"
