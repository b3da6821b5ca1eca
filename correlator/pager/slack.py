"""Slack: one message for an incident.

With a bot token the message is edited in place (chat.postMessage, then chat.update with the `ts` of its reply); an
incoming webhook cannot edit, so it gets a message when the incident pages and one when it ends, none in between.
https://docs.slack.dev/reference/methods/chat.postMessage, https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks

An edited message notifies nobody: a page for an incident that is open already, which goes to another channel or is more
severe, is a message of its own in a channel it was not in, an edit otherwise.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from correlator.domain import IncidentEvent, IncidentStatus, Severity
from correlator.pager.exchange import (
    Delivered,
    Refused,
    Reply,
    Request,
    Retry,
    RetryReason,
    Verdict,
    detail,
    retry,
)
from correlator.pager.links import Links
from correlator.pager.mark import Mark, Standing, Step, Verb, ends, paging_step
from correlator.pager.routes import Routes
from correlator.pager.wording import clip, extent, headline, reasons, rivals

#: https://docs.slack.dev/reference/block-kit/blocks: 150 characters of a header, 3000 of a section's text, 2000 of a
#: field, 75 of a button. All blocks together fail beyond some 13,000 characters, which is not documented.
MAX_HEADER, MAX_TEXT, MAX_FIELD, MAX_BUTTON = 150, 2900, 1000, 75
MAX_REASONS, MAX_REASON = 5, 400

_SIGN = {
    Severity.CRITICAL: "🔴",
    Severity.ERROR: "🟠",
    Severity.WARNING: "🟡",
    Severity.UNKNOWN: "🟡",
    Severity.INFO: "🔵",
}

#: Errors in what we said; no repetition cures them. All else, a revoked token, a missing channel, an operator can mend.
_OUR_FAULT = frozenset(
    {
        "invalid_blocks",
        "invalid_blocks_format",
        "invalid_arguments",
        "invalid_post_type",
        "msg_blocks_too_long",
        "msg_too_long",
        "no_text",
        "too_many_attachments",
    }
)
#: The message is gone or cannot be edited any more.
_MESSAGE_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})


class _Answer(msgspec.Struct, frozen=True):
    ok: bool
    error: str = ""
    channel: str = ""
    ts: str = ""


class SlackBot(msgspec.Struct, frozen=True, kw_only=True):
    """Speaks to Slack's Web API; the addresses of `routes` are channels, a message's `ref` is `channel/ts`."""

    name: str
    base_url: str
    token: str
    routes: Routes
    links: Links = Links()
    coalesces: bool = True

    def step(self, event: IncidentEvent, mark: Mark, *, missed: bool, now: float) -> Step:
        """Say what comes next: a message, then edits of it."""
        route = self.routes.of(event)
        step = paging_step(event, mark, missed=missed, route=route, moves=mark.route != route)
        if step.verb is Verb.ACKNOWLEDGE:
            return msgspec.structs.replace(step, verb=Verb.TRIGGER, ref=mark.ref, part=mark.ref)
        # The message to edit; none where it is posted, or where its reply was lost.
        return msgspec.structs.replace(step, ref=mark.ref, part=mark.ref) if mark.owes_resolve else step

    def rate_key(self, step: Step) -> str:
        """Return the channel: Slack counts by it."""
        return step.route

    def request(self, event: IncidentEvent, step: Step, now: float) -> Request:
        """Write the message of an incident, or the edit of it."""
        document: dict[str, Any] = message(event, self.links, moved=_moved(event, step))
        channel, _, ts = step.part.partition("/")
        method = "chat.update" if ts else "chat.postMessage"
        document |= {"channel": channel, "ts": ts} if ts else {"channel": step.route}
        return Request(
            url=f"{self.base_url.rstrip('/')}/{method}",
            body=msgspec.json.encode(document),
            headers={"Content-Type": "application/json; charset=utf-8", "Authorization": f"Bearer {self.token}"},
        )

    def verdict(self, reply: Reply, now: float) -> Verdict:
        """Read a reply: what Slack thinks of it stands in the body, whatever the status."""
        if not 200 <= reply.status < 300:
            return retry(reply, now)
        try:
            answer = msgspec.json.decode(reply.body, type=_Answer)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return Retry(RetryReason.UNEXPECTED_STATUS)
        if answer.ok:
            return Delivered(f"{answer.channel}/{answer.ts}" if answer.ts else "")
        if answer.error in _OUR_FAULT or answer.error in _MESSAGE_GONE:
            return Refused(detail(reply, (self.token,)))
        if answer.error in ("ratelimited", "rate_limited"):
            return Retry(RetryReason.RATE_LIMITED, all=True)
        return Retry(RetryReason.UNEXPECTED_STATUS)


class SlackWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """Speaks to incoming webhooks of Slack; the addresses of `routes` are theirs, and secret."""

    name: str
    routes: Routes
    links: Links = Links()
    coalesces: bool = True

    def step(self, event: IncidentEvent, mark: Mark, *, missed: bool, now: float) -> Step:
        """Say what comes next: a message for a page and one for the end."""
        route = self.routes.of(event)
        step = paging_step(event, mark, missed=missed, route=route, moves=mark.route != route)
        says_little = step.verb is Verb.ACKNOWLEDGE or (
            step.verb is Verb.TRIGGER and mark.standing is Standing.OPEN and not event.page
        )
        return Step(verb=Verb.NONE, leaves=mark.standing, route=mark.route) if says_little else step

    def rate_key(self, step: Step) -> str:
        """Return the webhook: each belongs to a channel."""
        return step.route

    def request(self, event: IncidentEvent, step: Step, now: float) -> Request:
        """Write a message."""
        return Request(
            url=self.routes.address(step.route),
            body=msgspec.json.encode(message(event, self.links, moved=_moved(event, step))),
            headers={"Content-Type": "application/json"},
        )

    def verdict(self, reply: Reply, now: float) -> Verdict:
        """Read a reply: 200 taken; 400 never will be; 403, 404 and 410 tell of a webhook that an operator can mend."""
        if 200 <= reply.status < 300:
            return Delivered()
        if reply.status in (400, 413):
            return Refused(detail(reply, self.routes.secrets()))
        return retry(reply, now)


def message(event: IncidentEvent, links: Links, *, moved: bool = False) -> dict[str, Any]:
    """Return a message as blocks, with the text that notifications show."""
    root = event.root_cause
    is_over = ends(event)
    word = "Handed over" if moved else _word(event)
    sign = "✅" if is_over or moved else _SIGN[event.severity]
    title = headline(event)
    fields = [
        (
            "Root cause",
            _escaped(f"{root.service} ({root.confidence:.0%}{', silent' if root.silent else ''})", MAX_FIELD),
        ),
        ("Affected", extent(event)),
        ("Owner", _escaped(event.owner.team, MAX_FIELD) if event.owner else "nobody known"),
        ("Since", _date(event.started_at)),
    ]
    if event.resolved_at and is_over:
        fields.append(("Resolved", _date(event.resolved_at)))
    if others := rivals(event, 3):
        fields.append(("Other possible causes", _escaped(", ".join(others), MAX_FIELD)))
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": clip(f"{sign} {word}: {title}", MAX_HEADER)}},
        {"type": "section", "fields": [_mrkdwn(f"*{name}*\n{value}") for name, value in fields]},
    ]
    if (why := reasons(event, MAX_REASONS)) and not is_over:
        text = "\n".join(f"• {clip(reason, MAX_REASON)}" for reason in why)
        blocks.append({"type": "section", "text": _mrkdwn(_escaped(text, MAX_TEXT))})
    if buttons := links.of(event):
        blocks.append({"type": "actions", "elements": [_button(text, address) for text, address in buttons]})
    blocks.append({"type": "context", "elements": [_mrkdwn(_escaped(_footer(event), MAX_FIELD))]})
    return {"text": _escaped(f"{sign} {word}: {title}", MAX_TEXT), "blocks": blocks}


def _word(event: IncidentEvent) -> str:
    if event.merged_into:
        return "Merged"
    if ends(event):
        return "Resolved"
    return "Acknowledged" if event.status is IncidentStatus.ACKNOWLEDGED else event.severity.value.capitalize()


def _footer(event: IncidentEvent) -> str:
    merged = f", goes on as {event.merged_into}" if event.merged_into else ""
    return f"{event.incident_id}, {event.alerts.events} events in one incident{merged}"


def _moved(event: IncidentEvent, step: Step) -> bool:
    return step.verb is Verb.RESOLVE and not ends(event)


def _mrkdwn(text: str) -> dict[str, str]:
    return {"type": "mrkdwn", "text": text}


def _escaped(text: str, most: int) -> str:
    """Escape what Slack takes for markup, within `most` characters.

    https://docs.slack.dev/messaging/formatting-message-text#escaping
    """
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # Escaping makes `&` five characters, and clipping afterwards would cut one in two.
    return escaped if len(escaped) <= most else _escaped(clip(text, most // 5), most)


def _date(instant: str) -> str:
    """Write an instant so that Slack shows it in each reader's time zone."""
    seconds = int(datetime.fromisoformat(instant).timestamp())
    return f"<!date^{seconds}^{{date_short_pretty}} {{time_secs}}|{instant}>"


def _button(text: str, address: str) -> dict[str, Any]:
    return {"type": "button", "text": {"type": "plain_text", "text": clip(text, MAX_BUTTON)}, "url": address}
