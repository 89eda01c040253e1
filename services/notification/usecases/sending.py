"""Working off what is due: who may be written to now, in which words, and what became of it.

A dispatch is claimed for a while, looked at, recorded as SENDING, handed over and recorded again; those that are handed
over at a time share both records. A process that dies before SENDING leaves claims that run out, so somebody else
sends; one that dies after it leaves a SENDING that becomes UNKNOWN and is never sent again, because it may have
arrived.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from prometheus_client import Counter

from chassis import clock
from chassis.database import Row
from chassis.errors import DomainError
from chassis.ids import new_id
from chassis.security.encryption import DecryptionError
from services.notification import clients, queries
from services.notification.app import NotificationApp
from services.notification.clients import Contact, StoreFacts
from services.notification.model import (
    CREDENTIALS,
    Category,
    Channel,
    Leave,
    QuietHours,
    Reason,
    State,
    Wait,
    Wishes,
    choose_language,
    decide,
)
from services.notification.providers import NotReachable, Outcome, Parcel, Recipient, Report
from services.notification.rendering import Text
from services.notification.usecases.telling import context

log = structlog.get_logger(__name__)

BATCH: Final = 50
CLAIM: Final = timedelta(seconds=90)
PEER_PAUSE: Final = timedelta(seconds=5)
PROVIDER_PAUSE: Final = timedelta(seconds=10)
_JITTER: Final = 0.2

SENT = Counter("notification_dispatches_total", "Dispatches that came to an end", ["channel", "state"])


@dataclass(frozen=True, slots=True)
class Ready:
    """A dispatch that may go out, and all that it takes."""

    row: Row
    parcel: Parcel

    @property
    def channel(self) -> Channel:
        """The way it goes."""
        return Channel(self.row.channel)


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt, and what its outcome means for the dispatch."""

    notification_id: UUID
    report: Report
    state: State
    reason: Reason | None
    again_in: timedelta


async def send_due(app: NotificationApp) -> None:
    """Sends what is due. What comes due meanwhile wakes the loop, or is seen when it looks again by itself.

    Raises when the database does not answer.
    """
    while await _send_batch(app) == BATCH:
        pass


async def _send_batch(app: NotificationApp) -> int:
    claim = new_id()
    rows = await app.db.all(queries.CLAIM, size=BATCH, lease=CLAIM, claim=claim)
    if rows:
        await _work_off(app, claim, rows)
    return len(rows)


async def give_up_interrupted(app: NotificationApp) -> None:
    """Hand-overs that began long ago and never ended: UNKNOWN."""
    after = timedelta(seconds=app.settings.interrupted_after_seconds)
    cut_off = await app.db.run(queries.GIVE_UP_INTERRUPTED, after=after)
    if cut_off:
        log.warning("hand-overs were cut off; they are not repeated", most=cut_off)


async def _work_off(app: NotificationApp, claim: UUID, rows: Sequence[Row]) -> None:
    wanted = await _settle_without_sending(app, claim, rows)
    ready = await _prepare(app, claim, wanted)
    for channel in Channel:
        mine = [item for item in ready if item.channel is channel]
        if mine:
            await _hand_over_all(app, claim, channel, mine)


async def _settle_without_sending(app: NotificationApp, claim: UUID, rows: Sequence[Row]) -> list[Row]:
    """Records what preferences, quiet hours and time decide; returns what is to be sent now."""
    now, providers = clock.now(), frozenset(app.providers)
    wanted: list[Row] = []
    left: list[tuple[Row, Leave]] = []
    waiting: list[tuple[Row, Wait]] = []
    for row in rows:
        decision = decide(
            Category(row.category),
            Channel(row.channel),
            wishes_of(row),
            providers=providers,
            expires_at=row.expires_at,
            now=now,
        )
        if isinstance(decision, Leave):
            left.append((row, decision))
        elif isinstance(decision, Wait):
            waiting.append((row, decision))
        else:
            wanted.append(row)
    await _leave(app, claim, left)
    if waiting:
        await app.db.run(
            queries.WAIT,
            claim=claim,
            notification_ids=[row.notification_id for row, _ in waiting],
            channels=[row.channel for row, _ in waiting],
            untils=[wait.until for _, wait in waiting],
        )
    return wanted


def wishes_of(row: Row) -> Wishes:
    """The person's preferences; the defaults for one who never changed any."""
    if row.email is None:
        return Wishes()
    quiet = QuietHours(row.quiet_start, row.quiet_end, row.quiet_zone) if row.quiet_zone else None
    on = frozenset(channel for channel in Channel if getattr(row, channel))
    return Wishes(on, row.marketing, quiet)


async def _leave(app: NotificationApp, claim: UUID, left: Sequence[tuple[Row, Leave]]) -> None:
    if not left:
        return
    await app.db.run(
        queries.LEAVE,
        claim=claim,
        notification_ids=[row.notification_id for row, _ in left],
        channels=[row.channel for row, _ in left],
        states=[leave.state for _, leave in left],
        reasons=[leave.reason for _, leave in left],
    )
    for row, leave in left:
        SENT.labels(row.channel, leave.state).inc()


async def _prepare(app: NotificationApp, claim: UUID, rows: Sequence[Row]) -> list[Ready]:
    """Finds addresses and words. What cannot be sent is recorded; what must wait for customer is put back."""
    try:
        found = await clients.contacts(app.channels, [row.user_id for row in rows if row.sealed is None])
    except DomainError as refusal:
        log.info("messages wait for customer", error=refusal.message)
        await _postpone(app, claim, [row for row in rows if row.sealed is None], PEER_PAUSE)
        rows, found = [row for row in rows if row.sealed is not None], {}
    stores = await app.stores.get(app.channels, [row.store_id for row in rows])
    ready: list[Ready] = []
    left: list[tuple[Row, Leave]] = []
    for row in rows:
        prepared = _prepare_one(app, row, found, stores)
        if isinstance(prepared, Ready):
            ready.append(prepared)
        else:
            left.append((row, prepared))
    await _leave(app, claim, left)
    return ready


def _prepare_one(
    app: NotificationApp, row: Row, found: dict[UUID, Contact], stores: dict[UUID, StoreFacts]
) -> Ready | Leave:
    contact = found.get(row.user_id)
    secret: dict[str, Any] = {}
    if row.category == Category.SECURITY:
        contact, secret = _opened(app, row)
    if contact is None or not app.providers[Channel(row.channel)].address_of(contact.recipient):
        return Leave(State.SKIPPED, Reason.NO_ADDRESS)
    language = choose_language(row.language, contact.locale)
    facts = context(row, stores.get(row.store_id, StoreFacts()), name=contact.recipient.name, **secret)
    replaced = (row.replaced or {}).get(language)
    try:
        message = app.texts.render(
            row.template, Channel(row.channel), language, facts, Text(**replaced) if replaced else None
        )
    except Exception:
        log.exception("a text cannot be rendered", template=row.template, channel=row.channel, language=language)
        return Leave(State.FAILED, Reason.REJECTED)
    bulk = row.category == Category.MARKETING
    return Ready(row, Parcel(row.notification_id, contact.recipient, message, bulk))


def _opened(app: NotificationApp, row: Row) -> tuple[Contact | None, dict[str, Any]]:
    """The address and the code of a sealed mail; nothing once they were forgotten."""
    if row.sealed is None:
        return None, {}
    try:
        secret = json.loads(app.cipher.decrypt(row.sealed, CREDENTIALS))
    except DecryptionError:
        log.exception("a sealed mail does not open", notification_id=str(row.notification_id))
        return None, {}
    recipient = Recipient(row.user_id, secret["name"], secret["email"])
    return Contact(recipient, secret["locale"]), {"code": secret["code"], "expires_at": secret["expires_at"]}


async def _hand_over_all(app: NotificationApp, claim: UUID, channel: Channel, items: Sequence[Ready]) -> None:
    try:
        await app.providers[channel].prepare()
    except NotReachable as error:
        log.warning("a provider is not reachable; messages wait", channel=channel, error=str(error))
        await _postpone(app, claim, [item.row for item in items], PROVIDER_PAUSE)
        return
    # Once begun, a hand-over is not cut off by a shutdown.
    await app.run_shielded(_hand_over_in_groups(app, claim, channel, items))


async def _hand_over_in_groups(app: NotificationApp, claim: UUID, channel: Channel, items: Sequence[Ready]) -> None:
    """As many at a time as there are connections: what begins together is also recorded together."""
    size = app.settings.smtp_connections
    for start in range(0, len(items), size):
        await _hand_over_group(app, claim, channel, items[start : start + size])


async def _hand_over_group(app: NotificationApp, claim: UUID, channel: Channel, items: Sequence[Ready]) -> None:
    ids = [item.row.notification_id for item in items]
    rows = await app.db.all(queries.BEGIN, claim=claim, channel=channel, notification_ids=ids)
    attempts = {row.notification_id: row.attempts for row in rows}
    # Of what did not begin the claim ran out, and somebody else has it.
    begun = [item for item in items if item.row.notification_id in attempts]
    reports = await asyncio.gather(*(_hand_over(app, item) for item in begun))
    ended: list[Ended] = []
    untried: list[Row] = []
    for item, report in zip(begun, reports, strict=True):
        if report is None:
            untried.append(item.row)
        else:
            notification_id = item.row.notification_id
            ended.append(Ended(notification_id, report, *conclude(app, attempts[notification_id], report.outcome)))
    await _record(app, claim, channel, ended)
    await _postpone(app, claim, untried, PROVIDER_PAUSE)


async def _hand_over(app: NotificationApp, item: Ready) -> Report | None:
    """What became of it; None when the provider went away before it heard of the message."""
    try:
        return await app.providers[item.channel].hand_over(item.parcel)
    except NotReachable as error:
        log.warning("a provider went away; the message waits", channel=item.channel, error=str(error))
        return None
    except Exception:  # what the others of the group came to is recorded all the same
        log.exception("a hand-over broke off", channel=item.channel)
        return Report(Outcome.UNKNOWN)


async def _record(app: NotificationApp, claim: UUID, channel: Channel, ended: Sequence[Ended]) -> None:
    if not ended:
        return
    await app.db.run(
        queries.END,
        claim=claim,
        channel=channel,
        notification_ids=[attempt.notification_id for attempt in ended],
        states=[attempt.state for attempt in ended],
        reasons=[attempt.reason for attempt in ended],
        pauses=[attempt.again_in for attempt in ended],
        outcomes=[attempt.report.outcome for attempt in ended],
        replies=[attempt.report.reply[:20] or None for attempt in ended],
    )
    for attempt in ended:
        if attempt.state is not State.PENDING:
            SENT.labels(channel, attempt.state).inc()


def conclude(app: NotificationApp, attempt: int, outcome: Outcome) -> tuple[State, Reason | None, timedelta]:
    """What an attempt's outcome means for the dispatch: its state, why, and when it is looked at again."""
    never = timedelta(0)
    if outcome is Outcome.SENT:
        return State.SENT, None, never
    if outcome is Outcome.UNKNOWN:
        return State.UNKNOWN, Reason.INTERRUPTED, never
    if outcome is Outcome.REJECTED:
        return State.FAILED, Reason.REJECTED, never
    pause = app.retries.next_after(attempt)
    if pause is None:
        return State.FAILED, Reason.ATTEMPTS_EXHAUSTED, never
    return State.PENDING, None, pause * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - spreads load


async def _postpone(app: NotificationApp, claim: UUID, rows: Sequence[Row], pause: timedelta) -> None:
    if rows:
        await app.db.run(
            queries.POSTPONE,
            claim=claim,
            notification_ids=[row.notification_id for row in rows],
            channels=[row.channel for row in rows],
            again_in=pause,
        )
