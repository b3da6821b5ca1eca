"""The state machine of one alert: what an event means for it, by the senders' clocks rather than by arrival.

A firing names the start of its episode. What is about an older episode changes nothing; a resolve that comes before
its firing waits for it; a firing that is neither renewed nor resolved ends with its lease.
"""

from __future__ import annotations

from enum import Enum, auto

from correlator.config import EngineConfig
from correlator.domain import AlertEvent, Status
from correlator.engine.kinds import Kind
from correlator.engine.state import Alert, Habit, Instance

#: Grace beyond a sender's own lease, for its next message to arrive.
_LEASE_GRACE_MS = 60_000
_MIN_LEASE_MS = 600_000
#: One repeat may be an accident: Alertmanager sends a whole group again when another alert joins it.
_RESENDS_TO_TRUST = 3
_MAX_LEASE_MS = 7 * 86_400_000
#: A sender that never tells the end, only every time anew that there is trouble, means each report for so long:
#: Alertmanager's default `resolve_timeout`.
_REPORT_LEASE_MS = 300_000
#: Alerts fire again and again: so many activations within so long is flapping.
FLAPPING_ACTIVATIONS = 4
FLAPPING_WINDOW_MS = 1_800_000
#: An alert that is over is remembered so long, for late messages and for flapping.
MEMORY_MS = 3_600_000
_MAX_INSTANCES = 256


class Change(Enum):
    """What an event did to its alert."""

    ACTIVATED = auto()
    RENEWED = auto()
    ENDED = auto()
    INSTANCE_ENDED = auto()
    REPEATED_RESOLVE = auto()
    OLDER = auto()
    EARLY_RESOLVE = auto()
    RESTARTED = auto()  # a new episode began while the end of the old one was never told


def new_alert(event: AlertEvent, kind: Kind) -> Alert:
    return Alert(
        fingerprint=event.fingerprint,
        name=event.name,
        service=event.service,
        kind=kind,
        severity=event.severity,
        entity=event.entity,
        edge=event.edge,
        instances={},
    )


def apply(alert: Alert, event: AlertEvent, habit: Habit, config: EngineConfig, now: int) -> Change:
    """Advance the alert by one event that arrived at `now`."""
    instance = alert.instances.get(event.instance)
    if event.status is Status.RESOLVED:
        habit.resolves += 1
        return _resolve(alert, instance, event, now)
    return _fire(alert, instance, event, habit, config, now)


def _fire(
    alert: Alert, instance: Instance | None, event: AlertEvent, habit: Habit, config: EngineConfig, now: int
) -> Change:
    if instance is not None and _is_older(instance, event):
        return Change.OLDER
    restarted = False
    if instance is None:
        instance = _admit(alert, event, now)
    elif instance.ended_at is not None:
        instance.started_at, instance.ended_at, instance.expired = event.starts_at, None, False
    else:
        # A sender that sets the start anew with every repeat still means one episode; a start long after the last
        # sign of life means that the end was lost.
        silent_ms = event.starts_at - instance.last_seen_at
        restarted = silent_ms > 0 and silent_ms > max(config.correlation_window_seconds * 1000, 3 * alert.resend_ms)
        habit.restamps += event.starts_at > instance.started_at
        if restarted:
            instance.started_at = event.starts_at
        elif event.starts_at == instance.started_at and now > instance.last_seen_at:
            alert.resend_ms = max(alert.resend_ms, now - instance.last_seen_at)
            alert.resends += 1
    instance.last_seen_at = now
    instance.lease_until = _lease(alert, event, habit, config, now)
    if not alert.firing or restarted:
        others = any(other.ended_at is None for other in alert.instances.values() if other is not instance)
        if alert.firing and others:
            return Change.RENEWED
        was_firing = alert.firing
        alert.firing = True
        alert.started_at = event.starts_at
        alert.severity = event.severity
        alert.activations = [*alert.activations[-7:], now]
        return Change.RESTARTED if was_firing else Change.ACTIVATED
    if event.severity is not alert.severity and event.severity.rank > alert.severity.rank:
        alert.severity = event.severity
    return Change.RENEWED


def _is_older(instance: Instance, event: AlertEvent) -> bool:
    if instance.ended_at is None or instance.expired:
        return event.starts_at < instance.started_at
    return event.starts_at <= instance.started_at or event.starts_at < instance.ended_at


def _resolve(alert: Alert, instance: Instance | None, event: AlertEvent, now: int) -> Change:
    ended_at = min(event.ends_at or now, now)
    if instance is None:
        instance = _admit(alert, event, now)
        instance.ended_at = max(ended_at, event.starts_at)
        return Change.EARLY_RESOLVE
    if instance.ended_at is not None:
        instance.expired = False
        if event.starts_at <= instance.started_at:
            return Change.REPEATED_RESOLVE
        instance.started_at, instance.ended_at = event.starts_at, max(ended_at, event.starts_at)
        return Change.EARLY_RESOLVE
    if ended_at < instance.started_at or event.starts_at < instance.started_at:
        return Change.OLDER
    instance.ended_at = ended_at
    return _settle(alert, ended_at)


def _settle(alert: Alert, ended_at: int) -> Change:
    if any(instance.ended_at is None for instance in alert.instances.values()):
        return Change.INSTANCE_ENDED
    alert.firing = False
    alert.ended_at = ended_at
    return Change.ENDED


def _admit(alert: Alert, event: AlertEvent, now: int) -> Instance:
    """Begin to follow one more series; beyond a bound they share one."""
    key = event.instance
    if len(alert.instances) >= _MAX_INSTANCES:
        over = [name for name, known in alert.instances.items() if known.ended_at is not None]
        if over:
            del alert.instances[min(over, key=lambda name: (alert.instances[name].last_seen_at, name))]
        else:
            key = "(others)"
    instance = Instance(started_at=event.starts_at, last_seen_at=now, lease_until=now)
    return alert.instances.setdefault(key, instance)


def _lease(alert: Alert, event: AlertEvent, habit: Habit, config: EngineConfig, now: int) -> int:
    if event.ends_at is not None and now < event.ends_at <= now + _MAX_LEASE_MS:
        return event.ends_at + _LEASE_GRACE_MS
    if alert.resends >= _RESENDS_TO_TRUST:
        return now + max(3 * alert.resend_ms, _MIN_LEASE_MS)
    if habit.restamps >= 2 and habit.restamps > 10 * habit.resolves:
        return now + _REPORT_LEASE_MS
    return now + max(3 * alert.resend_ms, round(config.silence_lease_seconds * 1000))


def expire(alert: Alert, now: int) -> bool:
    """End the instances whose lease ran out; tell whether the alert ended by it."""
    if not alert.firing:
        return False
    expired = False
    for instance in alert.instances.values():
        if instance.ended_at is None and instance.lease_until <= now:
            instance.ended_at, instance.expired = instance.lease_until, True
            expired = True
    return expired and _settle(alert, now) is Change.ENDED


def told_its_end(alert: Alert) -> bool:
    """Tell whether the end of the alert's last episode was told rather than guessed from silence."""
    for instance in alert.instances.values():  # noqa: SIM110 - a generator costs more than its one instance
        if instance.expired:
            return False
    return True


def lease_due(alert: Alert) -> int:
    """Return when the next lease of a firing alert runs out."""
    due_at: int | None = None
    for instance in alert.instances.values():
        if instance.ended_at is None and (due_at is None or instance.lease_until < due_at):
            due_at = instance.lease_until
    return due_at or 0


def is_flapping(alert: Alert, now: int) -> bool:
    recent = [at for at in alert.activations if at > now - FLAPPING_WINDOW_MS]
    return len(recent) >= FLAPPING_ACTIVATIONS
