"""Incidents: how trees keep their identity over time, when one is published, updated, resolved, merged or forgotten.

What may follow what is the table of `lifecycle`; here is what triggers it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from correlator.config import EngineConfig
from correlator.domain import Action, Candidate, Disposition, IncidentStatus, Severity, Versions
from correlator.engine import background, ended, faults, lasting, report, worth
from correlator.engine.causes import Explainer, Paths
from correlator.engine.decisions import Output, Reason, Verdict
from correlator.engine.forest import Forest, Link, Tree
from correlator.engine.lifecycle import Stage, Trigger, stage_of, take
from correlator.engine.memory import LinkMemory
from correlator.engine.ranking import Ranker, ordered, suspects_of
from correlator.engine.state import Facet, Incident, Node, Scope, State
from correlator.engine.timers import Due, Timers

#: Ages, in seconds since the first arrival, at which a pending incident is looked at again: a lone alert gains
#: confidence by staying.
_REVIEW_AGES = (10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 450, 600, 900, 1200, 1800, 2700, 3600)
#: What is over before it could page is paged all the same if it was surely a fault: log odds.
_SURE_GAIN = 6.0
#: A changed root is told when it is this much likelier than the one told before.
_ROOT_MARGIN = 0.15

#: What leaves an incident that was told of must stand for so long before it pages: somebody was paged for it already,
#: and of what comes back to it, two thirds do within this time (docs/quality.md).
_APART_MS = 60_000


class Lifecycle(msgspec.Struct):
    """The incidents of one scope at one moment."""

    config: EngineConfig
    state: State
    scope: Scope
    paths: Paths
    explainer: Explainer
    ranker: Ranker
    timers: Timers
    memory: LinkMemory[Link]
    versions: Versions
    now: int

    # -- identity ------------------------------------------------------------------------------------------------

    def follow(self, forest: Forest, live: Mapping[int, Node]) -> Iterator[Output]:
        """Give every tree its incident, then review what changed."""
        for key, parent in forest.parents.items():
            node = live[key]
            # What is frozen keeps the cause that it had, though that has long been over and none can be found any more.
            if parent or not node.frozen or node.parent in live:
                node.parent = parent
            node.covered_by = forest.covered.get(key, "")
        touched: dict[str, None] = {}
        for tree, incident in self._matched(forest.trees):
            self._settle(tree, incident, live, touched)
        for incident_id in sorted(touched, key=self._age):
            known = self.scope.incidents.get(incident_id)
            if known is not None:
                yield from self.review(known)

    def _age(self, incident_id: str) -> tuple[int, str]:
        incident = self.scope.incidents.get(incident_id)
        return (incident.created_at if incident else 0, incident_id)

    def _matched(self, trees: list[Tree]) -> list[tuple[Tree, Incident]]:
        """Match trees with incidents: first where frozen nodes hold them together, then by overlap, oldest first."""
        matched: dict[int, Incident] = {}
        claimed: set[str] = set()
        for position, tree in enumerate(trees):
            frozen = (key for key in tree.nodes if self.scope.nodes[key].frozen)
            held = [incident for incident in self._incidents_of(frozen) if incident.revision]
            if held:
                matched[position] = min(held, key=lambda incident: (incident.created_at, incident.id))
                claimed.add(matched[position].id)
        overlaps: list[tuple[tuple[bool, int, bool, int], str, int]] = []
        for position, tree in enumerate(trees):
            if position not in matched:
                votes = Counter(self.scope.nodes[key].incident for key in tree.nodes)
                for incident in self._incidents_of(tree.nodes):
                    rootless = all(self.scope.nodes[key].service != incident.root for key in tree.nodes)
                    rank = (incident.revision == 0, -votes[incident.id], rootless, incident.created_at)
                    overlaps.append((rank, incident.id, position))
        for _, incident_id, position in sorted(overlaps):
            if position not in matched and incident_id not in claimed:
                matched[position] = self.scope.incidents[incident_id]
                claimed.add(incident_id)
        return [(tree, matched.get(position) or self.begin(tree.nodes)) for position, tree in enumerate(trees)]

    def _incidents_of(self, keys: Iterable[int]) -> list[Incident]:
        names = dict.fromkeys(self.scope.nodes[key].incident for key in keys)
        return [self.scope.incidents[name] for name in names if name in self.scope.incidents]

    def begin(self, keys: Iterable[int]) -> Incident:
        """Return a new incident for some nodes, which are not in it yet."""
        seed = min((self.scope.nodes[key] for key in keys), key=lambda node: (node.onset_at, node.id))
        first = min(seed.facets, key=lambda facet: (facet.started_at, facet.fingerprint))
        scope, generation = self.scope, 0
        while (name := _incident_id(scope.name, seed, first, generation)) in scope.incidents or name in scope.ended:
            generation += 1
        incident = Incident(id=name, created_at=self.now, nodes=[], grown_at=self.now)
        self.scope.incidents[name] = incident
        return incident

    def _settle(self, tree: Tree, incident: Incident, live: Mapping[int, Node], touched: dict[str, None]) -> None:
        incident.weight, incident.weighed, incident.shares = tree.weight, list(tree.nodes), list(tree.shares)
        touched[incident.id] = None
        for key in tree.nodes:
            node = live[key]
            old = self.scope.incidents.get(node.incident)
            if old is incident or (old is not None and node.frozen and old.revision):
                touched[old.id] = None
                continue  # where it belongs, or frozen to what somebody has seen
            if old is not None:
                old.nodes.remove(key)
                old.merged_into = incident.id
                touched[old.id] = None
            self._note_told(node, old, incident)
            node.incident = incident.id
            incident.nodes.append(key)
            incident.grown_at = self.now
        since = min((self.scope.nodes[key].onset_at for key in incident.nodes), default=0)
        for key in incident.nodes:
            self.scope.nodes[key].since = since

    def _note_told(self, node: Node, old: Incident | None, new: Incident) -> None:
        """Remember of a node in which incident it was told, until somebody is told of it in another."""
        if new.revision:
            node.told_in = ""
        elif old is not None and old.revision:
            node.told_in = old.id
            new.split_at = self.now

    # -- review --------------------------------------------------------------------------------------------------

    def review(self, incident: Incident) -> Iterator[Output]:
        """Do what the incident's state asks for now."""
        incident.due_at = 0
        if not incident.nodes:
            yield from self.vanish(incident)
            return
        members = self.members(incident)
        firing = any(node.firing for node in members)
        stage = stage_of(incident)
        if stage is Stage.PENDING:
            yield from self._review_pending(incident, members, firing)
        elif stage is Stage.ENDED:
            yield from self._review_ended(incident, members, firing)
        elif stage is Stage.RESOLVED:
            yield from self._review_resolved(incident, members, firing)
        else:
            yield from self._review_open(incident, members, firing)

    def step(self, incident: Incident, trigger: Trigger, roots: list[Candidate] | None = None) -> Iterator[Output]:
        """Take the step that the table gives, and publish what it says."""
        step = take(incident, trigger, self.now)
        if step.action is not None:
            yield self.publish(incident, step.action, page=step.page, roots=roots)

    def members(self, incident: Incident) -> list[Node]:
        """Return the nodes of an incident."""
        return [self.scope.nodes[key] for key in incident.nodes]

    def _review_pending(self, incident: Incident, members: list[Node], firing: bool) -> Iterator[Output]:
        reason = self._why_wait(incident, members, firing)
        if reason is None:
            roots = self._roots(incident, members)
            earlier = self._earlier(incident, members, roots[0].service)
            if earlier is None:
                yield from self.step(incident, Trigger.WORTH_A_PAGE, roots)
                if not incident.split_from:
                    faults.note(self.scope.pages, incident.real, self.now)
                yield from self._tell_what_is_left(incident)
            else:
                yield from self.step(incident, Trigger.CONTINUES)
                self._absorb(earlier, incident)
                yield from self.review(earlier)
            return
        incident.why_not = reason
        if not firing and all(node.frozen for node in members):
            yield from self.step(incident, Trigger.OVER)
            yield from self._forget(incident, members)
            return
        yield from self.step(incident, Trigger.HELD)
        self._look_again(incident, members, firing)

    def _why_wait(self, incident: Incident, members: list[Node], firing: bool) -> Reason | None:
        """Return why the incident does not page yet; None when it does."""
        severity = _severity(members)
        gain = worth.odds(incident, self.scope.nodes, self.explainer, self.config)
        real = worth.probability(gain)
        incident.real = round(real, 4)
        if severity is Severity.INFO:
            return Reason.LOW_SEVERITY
        if real < self._needed(members) and not self._stands(members):
            return Reason.BACKGROUND
        if not firing and gain < _SURE_GAIN:
            return Reason.TRANSIENT
        if self._origin(members) and (not firing or self.now < self._apart_at(incident)):
            return Reason.TRANSIENT
        incident.ready_at = incident.ready_at or self.now
        age = (self.now - min(node.arrived_at for node in members)) / 1000
        quiet = (self.now - incident.grown_at) / 1000
        waited = (self.now - incident.ready_at) / 1000
        held = age >= self.config.hold_min_seconds and (
            quiet >= self.config.hold_quiet_seconds or waited >= self.config.hold_max_seconds
        )
        return None if held else Reason.TRANSIENT

    def _origin(self, members: list[Node]) -> str:
        """Return the incident that most of the members were told of in; the first by name of equals."""
        told = Counter(node.told_in for node in members if node.told_in)
        return min(told, key=lambda name: (-told[name], name)) if told else ""

    def _tell_what_is_left(self, apart: Incident) -> Iterator[Output]:
        """Publish what an incident has become without what came apart from it."""
        origin = self.scope.incidents.get(apart.split_from)
        if origin is not None and origin.nodes and stage_of(origin) in (Stage.OPEN, Stage.QUIET):
            yield from self.step(origin, Trigger.NEWS)

    def _apart_at(self, incident: Incident) -> int:
        """Return from when on what left an incident that somebody was told of may page."""
        return incident.split_at + _APART_MS

    def _needed(self, members: list[Node]) -> float:
        expected = background.expected(self.scope.background, self.config.correlation_window_seconds, self.now)
        return worth.needed(members, self.explainer, self.config, expected)

    def _stands(self, members: list[Node]) -> bool:
        """Tell whether a critical alert has been firing for so long that it pages whatever the past says."""
        since = round(1000 * self.config.standing_critical_seconds)
        return any(
            node.firing and node.severity is Severity.CRITICAL and self.now - node.arrived_at >= since
            for node in members
        )

    def _look_again(self, incident: Incident, members: list[Node], firing: bool) -> None:
        arrived = min(node.arrived_at for node in members)
        age = (self.now - arrived) / 1000
        times = [arrived + 1000 * later for later in _REVIEW_AGES if later > age]
        if self.now - incident.grown_at < 1000 * self.config.hold_quiet_seconds:
            times.append(incident.grown_at + round(1000 * self.config.hold_quiet_seconds))
        times.append(arrived + round(1000 * self.config.standing_critical_seconds))
        if incident.split_at:
            times.append(self._apart_at(incident))
        if incident.ready_at:
            times.append(incident.ready_at + round(1000 * self.config.hold_max_seconds))
        times = [at for at in times if at > self.now]
        if not firing:
            # A node's end may come before it is frozen; only then is its fate sealed.
            times = [max(node.due_at for node in members) + 1000]
        elif not times:
            return
        self.due(incident, min(times))

    def _review_open(self, incident: Incident, members: list[Node], firing: bool) -> Iterator[Output]:
        if firing:
            yield from self.step(incident, Trigger.FIRES)
            yield from self._tell_changes(incident, members)
            return
        if stage_of(incident) is Stage.OPEN:
            take(incident, Trigger.FALLS_QUIET, self.now, quiet_since=max(node.ended_at for node in members))
        over_at = max(incident.quiet_since, incident.opened_at) + round(1000 * self.config.resolve_after_seconds)
        if self.now >= over_at:
            yield from self.step(incident, Trigger.STAYED_QUIET)
            self.due(incident, self.now + round(1000 * self.config.reopen_window_seconds))
            return
        yield from self._tell_changes(incident, members)
        self.due(incident, over_at if incident.due_at == 0 else min(over_at, incident.due_at))

    def _tell_changes(self, incident: Incident, members: list[Node]) -> Iterator[Output]:
        """Publish an update if the incident has become another thing to its reader, at a bounded rate."""
        severity = _severity(members)
        services = len({node.service for node in members})
        worse = severity.rank > incident.severity.rank
        grown = services >= len(incident.told_services) + 2 or services > 1.5 * len(incident.told_services)
        if not (worse or grown or incident.nodes_ranked != len(members)):
            return
        ready_at = incident.published_at + round(1000 * self.config.update_interval_seconds)
        if self.now < ready_at and not worse:
            self.due(incident, ready_at)
            return
        roots = self._roots(incident, members)
        incident.nodes_ranked = len(members)
        best = roots[0]
        told = next((known.probability for known in roots if known.service == incident.root), 0.0)
        rerooted = best.service != incident.root and best.probability >= told + _ROOT_MARGIN
        if worse or grown or rerooted:
            yield from self.step(incident, Trigger.NEWS, roots)

    def _review_resolved(self, incident: Incident, members: list[Node], firing: bool) -> Iterator[Output]:
        if firing:
            yield from self.step(incident, Trigger.FIRES)
            return
        over_at = incident.resolved_at + round(1000 * self.config.reopen_window_seconds)
        if self.now < over_at or not all(node.frozen for node in members):
            self.due(incident, max(over_at, self.now + 1000))
            return
        yield from self.step(incident, Trigger.OVER)
        yield from self._forget(incident, members)

    def _review_ended(self, incident: Incident, members: list[Node], firing: bool) -> Iterator[Output]:
        """Be silent after an operator's resolve, as long as nothing asks for another page."""
        patience = self.config.resolved_by_hand_seconds
        if why := ended.why_page(incident, members, patience_seconds=patience, now=self.now):
            incident.note = why
            # What was said before is about what is over.
            incident.said_at = max(incident.said_at, self.now)
            yield from self.step(incident, Trigger.PAGES_AGAIN)
        elif firing:
            if at := ended.page_at(incident, members, patience_seconds=patience):
                self.due(incident, at)
        elif all(node.frozen for node in members):
            yield from self.step(incident, Trigger.OVER)
            yield from self._forget(incident, members)
        else:
            self.due(incident, max(node.due_at for node in members) + 1000)

    # -- ends ----------------------------------------------------------------------------------------------------

    def _earlier(self, incident: Incident, members: list[Node], root: str) -> Incident | None:
        """Return the incident that this one continues: quiet or just resolved, with the same alerts or root."""
        fingerprints = {name for node in members for name in node.members}
        horizon = self.now - round(1000 * self.config.reopen_window_seconds)
        for other in sorted(self.scope.incidents.values(), key=lambda known: (-known.created_at, known.id)):
            recent = other.status is not IncidentStatus.RESOLVED or other.resolved_at > horizon
            recent = recent and not other.ended_by_hand  # what comes after that is judged on its own
            if other.revision == 0 or other.id == incident.id or not recent or not other.quiet_since:
                continue
            known = {name for node in self.members(other) for name in node.members}
            if 2 * len(fingerprints & known) >= len(fingerprints) and other.root == root:
                return other
        return None

    def _absorb(self, incident: Incident, pending: Incident) -> None:
        for key in pending.nodes:
            self.scope.nodes[key].incident, self.scope.nodes[key].told_in = incident.id, ""
        incident.nodes += pending.nodes
        incident.grown_at = self.now
        del self.scope.incidents[pending.id]

    def vanish(self, incident: Incident) -> Iterator[Output]:
        """End an incident whose nodes all went to another."""
        ended.remember(incident, self.scope, self.now)
        yield from self.step(incident, Trigger.EMPTIED)
        del self.scope.incidents[incident.id]

    def _forget(self, incident: Incident, members: list[Node]) -> Iterator[Output]:
        """Seal the fate of the nodes and let go of all."""
        ended.remember(incident, self.scope, self.now)
        for node in members:
            yield self._verdict(incident, node)
            if incident.revision == 0:
                self._note_length(node, 1 - incident.real)
            del self.scope.nodes[node.id]
            if self.scope.current.get(node.service) == node.id:
                del self.scope.current[node.service]
        del self.scope.incidents[incident.id]

    def _note_length(self, node: Node, weight: float) -> None:
        windows = self.explainer.age_ms(node) / self.explainer.window_ms
        for name in node.names:
            lasting.note(self.scope.background, node.service, name, windows, weight, self.now)

    def _verdict(self, incident: Incident, node: Node) -> Verdict:
        published = incident.revision > 0
        reason = Reason.EXPLAINED if node.service != incident.root else Reason.ROOT_OF_INCIDENT
        return Verdict(
            node=node.id,
            scope=self.scope.name,
            incident_id=incident.id if published else None,
            disposition=Disposition.ATTACHED if published else Disposition.SUPPRESSED,
            reason=reason if published else Reason(incident.why_not),
            opening_event=incident.opening_event if published else None,
        )

    # -- publishing ----------------------------------------------------------------------------------------------

    def _roots(self, incident: Incident, members: list[Node]) -> list[Candidate]:
        suspects = suspects_of(incident.id, members, self.paths, self.explainer, self.now, self.memory)
        found = [
            report.candidate(root, chance, suspects.scene.nodes) for root, chance in ordered(suspects, self.ranker)
        ]
        return report.named(incident.root_said, found) if incident.root_said else found

    def publish(
        self, incident: Incident, action: Action, *, page: bool, roots: list[Candidate] | None = None
    ) -> Output:
        """Return the next event of an incident."""
        members = self.members(incident)
        if members:
            roots = roots or self._roots(incident, members)
            incident.last_roots = roots
            incident.severity = max((incident.severity, _severity(members)), key=lambda severity: severity.rank)
            services = dict.fromkeys(
                node.service for node in sorted(members, key=lambda node: (node.onset_at, node.id))
            )
            incident.told_services = list(services)
            incident.nodes_ranked = len(members)
            incident.started_at = min(node.onset_at for node in members)
        incident.root = incident.last_roots[0].service
        if incident.revision == 0:
            incident.opened_at = self.now
            first = min(members, key=lambda node: (node.onset_at, node.id))
            incident.opening_event = first.facets[0].event_id
            incident.split_from = incident.split_from or self._origin(members)
            for node in members:
                node.told_in = ""
            came_apart = f"It came apart from {incident.split_from}." if incident.split_from else ""
            follows = ended.what_it_follows(incident, self.scope, self.paths.graph)
            incident.note = incident.note or came_apart or follows
        incident.revision += 1
        incident.published_at = self.now
        if action is Action.OPENED:
            self.due(incident, self.now + 1000)
        return report.event(incident, action, page, self.scope, self.paths.graph, self.versions, self.now)

    def due(self, incident: Incident, at: int) -> None:
        """See that an incident is reviewed at `at`."""
        at = max(at, self.now + 1)
        incident.due_at = self.timers.add(at, Due.INCIDENT, self.scope.name, incident.id)


def _incident_id(scope: str, seed: Node, first: Facet, generation: int) -> str:
    """Return a name that a replay gives again and no other incident has, though senders may repeat a start for ever."""
    parts = f"{scope}\0{first.fingerprint}\0{first.started_at}\0{seed.arrived_at}\0{generation}"
    return hashlib.blake2b(parts.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()


def _severity(members: Iterable[Node]) -> Severity:
    return max((node.severity for node in members), key=lambda severity: severity.rank)
