"""The engine: alert events and time in, decisions and incident events out. Pure and deterministic.

One engine serves one partition of the event log. What is in different scopes is never correlated. Results depend on
the events, their arrival times and the announced versions alone; how often somebody says what time it is changes
nothing, because the engine itself knows at which second something is due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from correlator.config import EngineConfig
from correlator.domain import AlertEvent, Disposition, Feedback, IncidentStatus, Versions
from correlator.engine import background, episodes, faults, lasting, nodes, operators, pins, skew, warmth
from correlator.engine.causes import Explainer, Paths
from correlator.engine.decisions import Decision, Heard, Outcome, Output, Reason
from correlator.engine.episodes import Change
from correlator.engine.forest import Link, plant
from correlator.engine.incidents import Lifecycle
from correlator.engine.kinds import Kind, KindTable
from correlator.engine.memory import LinkMemory
from correlator.engine.ranking import PosteriorRanker, Ranker
from correlator.engine.state import Alert, Incident, Node, Scope, State, WarmStart
from correlator.engine.timers import Due, Timers
from correlator.engine.view import View
from topology.graph import ServiceGraph


class Engine:
    """Correlate one partition's events.

    Args:
        config: every setting that changes a decision.
        ranker: names the root among the candidates; the plain posterior unless given.
        state: where to go on from; empty unless given.
        graph: the version of the graph that `state` names, if it names one.
        witness: hears of verdicts and incident events while the state is still the one that they speak of.
    """

    def __init__(
        self,
        config: EngineConfig,
        *,
        ranker: Ranker | None = None,
        state: State | None = None,
        graph: ServiceGraph | None = None,
        witness: Callable[[Output], None] | None = None,
    ) -> None:
        self._config = config
        self._ranker = ranker or PosteriorRanker()
        self._witness = witness
        self._kinds = KindTable(config.kind_rules)
        self._window_ms = round(config.correlation_window_seconds * 1000)
        self._config_version = config.version()
        self._timers = Timers()
        self.state = state or State()
        self._set_graph(graph or ServiceGraph.empty())
        self._note_everything_due()

    # -- what the shell calls ------------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        return self.state.now

    @property
    def ranker(self) -> Ranker:
        """What names the roots from now on."""
        return self._ranker

    def next_due(self) -> int | None:
        """Return when something is to happen without a further event; None when nothing is pending any more."""
        return self._timers.next_at()

    def on_event(self, event: AlertEvent, now: int) -> list[Output]:
        """Apply one event that arrived at `now`; time never goes back."""
        outputs = self.tick(now)
        scope = self.state.scopes.get(event.scope)
        if scope is None:
            scope = self.state.scopes[event.scope] = Scope(name=event.scope)
            if (start := self.state.warm_starts.pop(event.scope, None)) is not None:
                warmth.begin(scope, start, self.state.now)
            background.start(scope.background, self.state.now)
        outputs.append(self._apply(scope, event))
        return outputs

    def tick(self, now: int) -> list[Output]:
        """Let everything happen that is due until `now`."""
        outputs: list[Output] = []
        state = self.state
        while (entry := self._timers.pop(now)) is not None:
            at, what, scope_name, key = entry
            state.now = max(state.now, at)
            scope = state.scopes[scope_name]
            if what is Due.LEASE:
                self._lease_due(scope, key, at)
            elif what is Due.NODE:
                self._freeze(scope, int(key), at)
            elif what is Due.SOLVE:
                if scope.solve_due_at == at:
                    outputs.extend(self._witnessed(self._solve(scope)))
            elif (incident := scope.incidents.get(key)) is not None and incident.due_at == at:
                was_ended = incident.ended_by_hand
                outputs.extend(self._witnessed(self._lifecycle(scope).review(incident)))
                if was_ended and not incident.ended_by_hand:
                    self._changed(scope)
        if now > state.now:
            state.now = now
        return outputs

    def on_feedback(self, feedback: Feedback, now: int) -> list[Output]:
        """Hear what an operator said; nothing is said of incidents that this engine never told of."""
        outputs = self.tick(now)
        name = feedback.incident_id
        for scope in self.state.scopes.values():
            incident = scope.incidents.get(name)
            if (incident is not None and incident.revision) or name in scope.ended:
                outputs.extend(self._hear(scope, incident, feedback))
                break
        return outputs

    def use_topology(self, graph: ServiceGraph, now: int) -> list[Output]:
        """Go on with another version of the graph from `now` on."""
        outputs = self.tick(now)
        self._set_graph(graph)
        for scope in self.state.scopes.values():
            self._changed(scope)
        return outputs

    def use_ranker(self, ranker: Ranker, now: int) -> list[Output]:
        """Go on with another ranker from `now` on; what is open is judged anew."""
        outputs = self.tick(now)
        if ranker.version != self._ranker.version:
            self._ranker = ranker
            for scope in self.state.scopes.values():
                for incident in scope.incidents.values():
                    incident.nodes_ranked = 0
                self._changed(scope)
        return outputs

    def use_warm_start(self, start: WarmStart, now: int) -> list[Output]:
        """Let its scope begin with what was learned of it; a scope that has begun is left as it is."""
        outputs = self.tick(now)
        if start.scope not in self.state.scopes:
            self.state.warm_starts[start.scope] = start
        return outputs

    def view(self, scope: str) -> View:
        """Return what the engine knows of a scope now, and how it judges; for reading only."""
        known = self.state.scopes[scope]
        return View(
            scope=known,
            graph=self._graph,
            paths=self._paths,
            explainer=self._explainer(known),
            ranker=self._ranker,
            config=self._config,
            now=self.state.now,
        )

    def _witnessed(self, said: Iterable[Output]) -> Iterator[Output]:
        """Let the witness hear each output before the engine goes on."""
        for output in said:
            if self._witness is not None:
                self._witness(output)
            yield output

    # -- events --------------------------------------------------------------------------------------------------

    def _apply(self, scope: Scope, event: AlertEvent) -> Decision:
        now = self.state.now
        kind = self._kinds.kind(event)
        if kind is Kind.CHANGE:
            nodes.note_change(scope, event)
            return _decision(event, 0, Disposition.SUPPRESSED, Reason.CHANGE)
        alert = scope.alerts.get(event.fingerprint)
        if alert is None:
            alert = scope.alerts[event.fingerprint] = episodes.new_alert(event, kind)
        severity, told = alert.severity, episodes.told_its_end(alert)
        change = episodes.apply(alert, event, nodes.habit(scope, event.name), self._config, now)
        self._note_lease(scope, alert)
        node = scope.nodes.get(alert.node)
        key = node.id if node is not None else 0  # the fate of a node that is gone was told
        if change is Change.RENEWED:
            if node is not None:
                node.events += 1
                if alert.severity is not severity and alert.severity.rank > node.severity.rank:
                    node.severity = alert.severity
                    self._changed(scope)
                    if self._is_ended(scope, node):
                        self._see_to(scope, node)
            return _decision(event, key, Disposition.DUPLICATE, Reason.REPEAT)
        if change in (Change.ACTIVATED, Change.RESTARTED):
            if change is Change.RESTARTED and node is not None:
                nodes.leave(node, now)
                self._note_end(scope, node)
            if Kind.DEPENDENCY in (kind, alert.kind):
                alert.kind = kind  # a parent is down this time and was up the last, or the other way round
            skew.note(scope, event.source, event.starts_at, now)
            node, reason = self._join(scope, alert, skew.righted(scope, event), told=told)
            skew.flag(scope, node, event.source)
            return _decision(event, node.id, None, reason)
        if node is not None:
            node.events += 1
        if change is Change.ENDED and event.ends_at is not None:
            skew.note(scope, event.source, event.ends_at, now)
        if change is Change.ENDED and node is not None:
            nodes.leave(node, alert.ended_at)
            self._changed(scope)
            self._note_end(scope, node)
        return _decision(event, key, *_SETTLED[change])

    def _hear(self, scope: Scope, incident: Incident | None, feedback: Feedback) -> Iterator[Output]:
        outcome, said = Outcome.ENDED, list[Output]()
        if operators.is_repeat(self.state, feedback.id):
            outcome = Outcome.REPEATED
        elif incident is not None:
            outcome, said = operators.act(self._lifecycle(scope), incident, feedback)
        if said:
            self._changed(scope)
            # What it remembers of a node takes for granted that nothing leaves it.
            self._memories.pop(scope.name, None)
        yield Heard(id=feedback.id, incident_id=feedback.incident_id, action=feedback.action, outcome=outcome)
        yield from said

    def _join(self, scope: Scope, alert: Alert, event: AlertEvent, *, told: bool) -> tuple[Node, Reason]:
        """Put a newly firing alert into the current node of its service, or begin one."""
        now = self.state.now
        flapping = episodes.is_flapping(alert, now)
        node = scope.nodes.get(alert.node) if flapping else None
        reason = Reason.FLAPPING
        if node is None or self._is_ended(scope, node):
            node = nodes.current(scope, event, now, self._window_ms)
            reason = Reason.SAME_SERVICE
        if node is None:
            node = nodes.begin(scope, self.state.next_node, event, now)
            self.state.next_node += 1
            node.due_at = self._timers.add(now + self._window_ms + 60_000, Due.NODE, scope.name, str(node.id))
            node.relapse_of = alert.node if told and self._is_resting(scope, alert.node) else 0
            reason = Reason.NEW_TROUBLE
        nodes.add(node, alert, event, flapping=flapping, mentions=self._mentions(event))
        if background.is_scheduled(scope.background, event.service, event.name, event.starts_at):
            nodes.schedule(node, event.name)
        alert.node = node.id
        self._changed(scope)
        return node, reason

    def _is_resting(self, scope: Scope, key: int) -> bool:
        """Tell whether a node's incident was told of, fires no more and is not yet over."""
        node = scope.nodes.get(key)
        incident = scope.incidents.get(node.incident) if node is not None else None
        if incident is None or not incident.revision or incident.status is IncidentStatus.RESOLVED:
            return False
        return not any(scope.nodes[member].firing for member in incident.nodes)

    def _is_ended(self, scope: Scope, node: Node) -> bool:
        """Tell whether an operator resolved a node's incident: it explains nothing, and nothing new joins it."""
        incident = scope.incidents.get(node.incident)
        return incident is not None and incident.ended_by_hand

    def _mentions(self, event: AlertEvent) -> Iterator[str]:
        """Yield the services that the alert's text names, other than its own and the caller of its call."""
        own = {event.service} | ({event.edge.caller, event.edge.callee} if event.edge else set())
        for word in nodes.words(event.summary):
            service = self._graph.resolve(word)
            if service is not None and service not in own:
                yield service

    # -- time ----------------------------------------------------------------------------------------------------

    def _lease_due(self, scope: Scope, fingerprint: str, at: int) -> None:
        alert = scope.alerts.get(fingerprint)
        if alert is None or alert.lease_due_at != at:
            return
        alert.lease_due_at = 0
        if alert.firing and episodes.expire(alert, at):
            node = scope.nodes.get(alert.node)
            if node is not None:
                nodes.leave(node, alert.ended_at)
                self._see_to(scope, node)
            self._changed(scope)
        elif not alert.firing and alert.last_heard() + episodes.MEMORY_MS <= at:
            del scope.alerts[fingerprint]
            return
        self._note_lease(scope, alert)

    def _note_lease(self, scope: Scope, alert: Alert) -> None:
        """See that the alert has one entry in the timers, not later than it needs."""
        due_at = episodes.lease_due(alert) if alert.firing else alert.last_heard() + episodes.MEMORY_MS
        if alert.lease_due_at == 0 or due_at < alert.lease_due_at - 1000:
            alert.lease_due_at = self._timers.add(due_at, Due.LEASE, scope.name, alert.fingerprint)

    def _freeze(self, scope: Scope, key: int, at: int) -> None:
        """Let a node keep its place from now on; its alerts count towards the background rates."""
        node = scope.nodes.get(key)
        if node is None or node.frozen or node.due_at != at:
            return
        node.frozen = True
        node.due_at = 0
        if scope.current.get(node.service) == key:
            del scope.current[node.service]
        incident = scope.incidents.get(node.incident)
        # Each counts for as much as it was likely to be noise.
        weight = 1.0 if incident is None else max(background.LEAST_NOISE, 1 - incident.real)
        if incident is not None and len({scope.nodes[key].service for key in incident.nodes}) == 1:
            weight = max(weight, background.LONE)
        for name in node.names:
            background.count(scope.background, node.service, name, weight, node.onset_at, at)

    def _note_end(self, scope: Scope, node: Node) -> None:
        """See to a node that nothing may explain any more when the scope is solved next.

        The news of its end is so late that it may be frozen by then, or an operator ended its incident.
        """
        is_late = not node.firing and node.ended_at <= self.state.now + 1000 - 2 * self._window_ms
        if is_late or self._is_ended(scope, node):
            self._see_to(scope, node)

    def _see_to(self, scope: Scope, node: Node) -> None:
        """See that a node's incident is reviewed, although the node may be too long over to be explained anew."""
        incident = scope.incidents.get(node.incident)
        if incident is not None:
            incident.due_at = self._timers.add(self.state.now + 1, Due.INCIDENT, scope.name, incident.id)

    def _changed(self, scope: Scope) -> None:
        """See that the scope is solved at the next whole second."""
        if scope.solve_due_at == 0:
            scope.solve_due_at = self._timers.add(self.state.now + 1, Due.SOLVE, scope.name, "")

    def _note_everything_due(self) -> None:
        """Rebuild the timers from the state, after a snapshot was loaded."""
        for scope in self.state.scopes.values():
            entries = [(scope.solve_due_at, Due.SOLVE, "")]
            entries += [(alert.lease_due_at, Due.LEASE, key) for key, alert in scope.alerts.items()]
            entries += [(node.due_at, Due.NODE, str(key)) for key, node in scope.nodes.items()]
            entries += [(incident.due_at, Due.INCIDENT, key) for key, incident in scope.incidents.items()]
            for at, what, key in entries:
                if at:
                    self._timers.add(at, what, scope.name, key)

    # -- correlation ---------------------------------------------------------------------------------------------

    def _solve(self, scope: Scope) -> Iterator[Output]:
        """Explain all live nodes anew and let the incidents follow."""
        scope.solve_due_at = 0
        now = self.state.now
        live = {key: node for key, node in scope.nodes.items() if nodes.is_live(node, now, self._window_ms)}
        if any(incident.ended_by_hand for incident in scope.incidents.values()):
            live = {key: node for key, node in live.items() if not self._is_ended(scope, node)}
        published = {key: _is_published(scope.incidents.get(node.incident)) for key, node in live.items()}
        lifecycle = self._lifecycle(scope)
        forest = plant(live, self._paths, lifecycle.explainer, published, lifecycle.memory)
        return lifecycle.follow(pins.regroup(forest, live), live)

    def _explainer(self, scope: Scope) -> Explainer:
        now = self.state.now
        width = max(len(self._graph), len(scope.background.pairs))
        rate = background.rates(scope.background, width, now)
        return Explainer(
            self._config,
            self._paths,
            rate,
            lambda service: nodes.changed_at(scope, service),
            now,
            lengths=lasting.lengths(scope.background, now),
            fault_odds=faults.odds(scope.pages, scope.background.since, width, now),
        )

    def _lifecycle(self, scope: Scope) -> Lifecycle:
        memory = self._memories.get(scope.name)
        if memory is None:
            memory = self._memories[scope.name] = LinkMemory(self._graph, self._paths.nearby)
        return Lifecycle(
            config=self._config,
            state=self.state,
            scope=scope,
            paths=self._paths,
            explainer=self._explainer(scope),
            ranker=self._ranker,
            timers=self._timers,
            memory=memory,
            versions=Versions(topology=self.state.topology, model=self._model(scope), config=self._config_version),
            now=self.state.now,
        )

    def _model(self, scope: Scope) -> str:
        """Return the name of all that was learned elsewhere and decides here."""
        return f"{self._ranker.version}+{scope.warm}" if scope.warm else self._ranker.version

    def _set_graph(self, graph: ServiceGraph) -> None:
        self._graph = graph
        self._paths = Paths(graph, self._config.max_hops)
        self._memories: dict[str, LinkMemory[Link]] = {}  # by scope
        self.state.topology = graph.version


_SETTLED = {
    Change.ENDED: (Disposition.RESOLVED, Reason.ALERT_RESOLVED),
    Change.INSTANCE_ENDED: (Disposition.RESOLVED, Reason.INSTANCE_RESOLVED),
    Change.REPEATED_RESOLVE: (Disposition.DUPLICATE, Reason.REPEATED_RESOLVE),
    Change.OLDER: (Disposition.STALE, Reason.OLDER_EPISODE),
    Change.EARLY_RESOLVE: (Disposition.STALE, Reason.RESOLVED_BEFORE_FIRING),
}


def _decision(event: AlertEvent, node: int, disposition: Disposition | None, reason: Reason) -> Decision:
    return Decision(
        event_id=event.id,
        fingerprint=event.fingerprint,
        disposition=disposition,
        reason=reason,
        scope=event.scope,
        node=node,
    )


def _is_published(incident: Incident | None) -> bool:
    return incident is not None and incident.revision > 0
