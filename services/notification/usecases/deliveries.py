"""The sender: claims due dispatches, decides about them, and sends their messages.

A dispatch is claimed for a limited time, checked, marked as SENDING, sent, and updated with the outcome; dispatches
that are sent in parallel share both updates. When the process dies before SENDING, the claim expires and another
process sends the message. When it dies after SENDING, the dispatch becomes UNKNOWN and is never sent again, because the
provider may have accepted the message.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from prometheus_client import Counter

from chassis import clock
from chassis.database.rows import arrays
from chassis.errors import DomainError
from chassis.ids import new_id
from chassis.security.encryption import DecryptionError
from services.notification import clients, queries
from services.notification.app import NotificationApp
from services.notification.clients import Contact
from services.notification.model.dispatches import (
    Defer,
    Discard,
    DispatchReason,
    DispatchState,
    Outcome,
    SecretFacts,
    decide_delivery,
)
from services.notification.model.notification_types import Category, Channel
from services.notification.model.preferences import DeliveryPreferences
from services.notification.model.templates import StoreDetails, TemplateText, build_context, choose_language
from services.notification.providers import DeliveryResult, OutgoingMessage, ProviderUnreachable, Recipient
from services.notification.rows import ClaimedDispatchRow, DeferredDispatch, DiscardedDispatch, FinishedAttempt

log = structlog.get_logger(__name__)

BATCH: Final = 50
CLAIM_DURATION: Final = timedelta(seconds=90)
CUSTOMER_UNAVAILABLE_DELAY: Final = timedelta(seconds=5)
PROVIDER_UNREACHABLE_DELAY: Final = timedelta(seconds=10)
_JITTER: Final = 0.2
_NO_RETRY: Final = timedelta(0)

DISPATCHES = Counter("notification_dispatches_total", "Dispatches that came to an end", ["channel", "state"])


@dataclass(frozen=True, slots=True)
class PreparedDispatch:
    """A dispatch to send now, with its message."""

    row: ClaimedDispatchRow
    message: OutgoingMessage

    @property
    def channel(self) -> Channel:
        return Channel(self.row.channel)


async def send_due(app: NotificationApp) -> None:
    """Sends what is due, in batches, until a batch is not full. Raises when the database does not respond."""
    while await _send_batch(app) == BATCH:
        pass


async def _send_batch(app: NotificationApp) -> int:
    claim = new_id()
    rows = await app.db.all(queries.CLAIM_DISPATCHES, size=BATCH, lease=CLAIM_DURATION, claim=claim)
    if rows:
        to_send = await _apply_decisions(app, claim, rows)
        prepared = await _prepare_dispatches(app, claim, to_send)
        for channel in Channel:
            of_channel = [dispatch for dispatch in prepared if dispatch.channel is channel]
            if of_channel:
                await _send_through_channel(app, claim, channel, of_channel)
    return len(rows)


async def mark_interrupted(app: NotificationApp) -> None:
    """Marks attempts that started long ago and have not ended as UNKNOWN; they are not repeated."""
    after = timedelta(seconds=app.settings.interrupted_after_seconds)
    interrupted = await app.db.one(queries.MARK_INTERRUPTED, after=after)
    if interrupted:
        log.warning("delivery attempts were interrupted and are not repeated", attempts=interrupted)


async def _apply_decisions(
    app: NotificationApp, claim: UUID, rows: Sequence[ClaimedDispatchRow]
) -> list[ClaimedDispatchRow]:
    """Discards or defers what preferences, quiet hours and expiry do not allow now; returns the rest."""
    now, providers = clock.now(), frozenset(app.providers)
    to_send: list[ClaimedDispatchRow] = []
    discarded: list[DiscardedDispatch] = []
    deferred: list[DeferredDispatch] = []
    for row in rows:
        decision = decide_delivery(
            Category(row.category),
            Channel(row.channel),
            DeliveryPreferences.from_row(row),
            providers=providers,
            expires_at=row.expires_at,
            now=now,
        )
        if isinstance(decision, Discard):
            discarded.append(_discarded_dispatch(row, decision))
        elif isinstance(decision, Defer):
            deferred.append(DeferredDispatch(row.notification_id, row.channel, decision.until))
        else:
            to_send.append(row)
    await _discard_dispatches(app, claim, discarded)
    if deferred:
        await app.db.run(queries.DEFER_DISPATCHES, claim=claim, **arrays(DeferredDispatch, deferred))
    return to_send


def _discarded_dispatch(row: ClaimedDispatchRow, decision: Discard) -> DiscardedDispatch:
    return DiscardedDispatch(row.notification_id, row.channel, decision.state, decision.reason)


async def _discard_dispatches(app: NotificationApp, claim: UUID, discarded: Sequence[DiscardedDispatch]) -> None:
    if not discarded:
        return
    await app.db.run(queries.DISCARD_DISPATCHES, claim=claim, **arrays(DiscardedDispatch, discarded))
    for dispatch in discarded:
        DISPATCHES.labels(dispatch.channel, dispatch.state).inc()


async def _prepare_dispatches(
    app: NotificationApp, claim: UUID, rows: Sequence[ClaimedDispatchRow]
) -> list[PreparedDispatch]:
    """Resolves addresses and renders messages; discards what cannot be sent.

    Postpones the dispatches that need customer when it is unavailable.
    """
    try:
        contacts = await clients.get_contacts(app.channels, [row.user_id for row in rows if row.sealed is None])
    except DomainError as error:
        log.info("customer is unavailable; messages are postponed", error=error.message)
        await _postpone_dispatches(app, claim, [row for row in rows if row.sealed is None], CUSTOMER_UNAVAILABLE_DELAY)
        rows, contacts = [row for row in rows if row.sealed is not None], {}
    stores = await app.stores.get(app.channels, [row.store_id for row in rows])
    prepared: list[PreparedDispatch] = []
    discarded: list[DiscardedDispatch] = []
    for row in rows:
        result = _prepare_dispatch(app, row, contacts, stores)
        if isinstance(result, PreparedDispatch):
            prepared.append(result)
        else:
            discarded.append(_discarded_dispatch(row, result))
    await _discard_dispatches(app, claim, discarded)
    return prepared


def _prepare_dispatch(
    app: NotificationApp,
    row: ClaimedDispatchRow,
    contacts: Mapping[UUID, Contact],
    stores: Mapping[UUID, StoreDetails],
) -> PreparedDispatch | Discard:
    contact = contacts.get(row.user_id)
    code_facts: dict[str, str] = {}
    if row.category == Category.SECURITY:
        contact = None
        secret = _decrypt_facts(app, row)
        if secret is not None:
            contact = Contact(Recipient(row.user_id, secret.name, secret.email), secret.locale)
            code_facts = {"code": secret.code, "expires_at": secret.expires_at}
    channel = Channel(row.channel)
    if contact is None or not app.providers[channel].get_address(contact.recipient):
        return Discard(DispatchState.SKIPPED, DispatchReason.NO_ADDRESS)
    language = choose_language(row.language, contact.locale)
    store = stores[row.store_id] if row.store_id is not None else StoreDetails()
    context = build_context(row, store, name=contact.recipient.name, **code_facts)
    override = (row.overrides or {}).get(language)
    try:
        content = app.renderer.render(
            row.template, channel, language, context, TemplateText(**override) if override else None
        )
    except Exception:
        log.exception("template rendering failed", template=row.template, channel=row.channel, language=language)
        return Discard(DispatchState.FAILED, DispatchReason.REJECTED)
    is_bulk = row.category == Category.MARKETING
    return PreparedDispatch(row, OutgoingMessage(row.notification_id, contact.recipient, content, is_bulk))


def _decrypt_facts(app: NotificationApp, row: ClaimedDispatchRow) -> SecretFacts | None:
    """Recipient and code of a security message; None when they were deleted or cannot be decrypted."""
    if row.sealed is None:
        return None
    try:
        return SecretFacts.decrypt(row.sealed, app.cipher)
    except DecryptionError:
        log.exception("decryption of a security message failed", notification_id=str(row.notification_id))
        return None


async def _send_through_channel(
    app: NotificationApp, claim: UUID, channel: Channel, dispatches: Sequence[PreparedDispatch]
) -> None:
    try:
        await app.providers[channel].prepare()
    except ProviderUnreachable as error:
        log.warning("provider is unreachable; messages are postponed", channel=channel, error=str(error))
        rows = [dispatch.row for dispatch in dispatches]
        await _postpone_dispatches(app, claim, rows, PROVIDER_UNREACHABLE_DELAY)
        return
    # A shutdown waits for attempts that have started.
    await app.run_shielded(_send_in_groups(app, claim, channel, dispatches))


async def _send_in_groups(
    app: NotificationApp, claim: UUID, channel: Channel, dispatches: Sequence[PreparedDispatch]
) -> None:
    """Sends as many messages in parallel as there are connections."""
    size = app.settings.smtp_connections
    for start in range(0, len(dispatches), size):
        await _send_group(app, claim, channel, dispatches[start : start + size])


async def _send_group(
    app: NotificationApp, claim: UUID, channel: Channel, dispatches: Sequence[PreparedDispatch]
) -> None:
    ids = [dispatch.row.notification_id for dispatch in dispatches]
    rows = await app.db.all(queries.START_ATTEMPTS, claim=claim, channel=channel, notification_ids=ids)
    attempts = {row.notification_id: row.attempts for row in rows}
    # A dispatch that did not start has another claim by now.
    started = [dispatch for dispatch in dispatches if dispatch.row.notification_id in attempts]
    results = await asyncio.gather(*(_send(app, dispatch) for dispatch in started))
    finished: list[FinishedAttempt] = []
    not_sent: list[ClaimedDispatchRow] = []
    for dispatch, result in zip(started, results, strict=True):
        if result is None:
            not_sent.append(dispatch.row)
        else:
            notification_id = dispatch.row.notification_id
            finished.append(_finished_attempt(app, notification_id, attempts[notification_id], result))
    await _finish_attempts(app, claim, channel, finished)
    await _postpone_dispatches(app, claim, not_sent, PROVIDER_UNREACHABLE_DELAY)


async def _send(app: NotificationApp, dispatch: PreparedDispatch) -> DeliveryResult | None:
    """The result of the attempt; None when the provider became unreachable before it got the message."""
    try:
        return await app.providers[dispatch.channel].send(dispatch.message)
    except ProviderUnreachable as error:
        log.warning("provider became unreachable; message is postponed", channel=dispatch.channel, error=str(error))
        return None
    except Exception:  # the results of the rest of the group must be stored
        log.exception("delivery attempt failed unexpectedly", channel=dispatch.channel)
        return DeliveryResult(Outcome.UNKNOWN)


async def _finish_attempts(
    app: NotificationApp, claim: UUID, channel: Channel, finished: Sequence[FinishedAttempt]
) -> None:
    if not finished:
        return
    await app.db.run(queries.FINISH_ATTEMPTS, claim=claim, channel=channel, **arrays(FinishedAttempt, finished))
    for attempt in finished:
        if attempt.state != DispatchState.PENDING:
            DISPATCHES.labels(channel, attempt.state).inc()


def _finished_attempt(
    app: NotificationApp, notification_id: UUID, attempts: int, result: DeliveryResult
) -> FinishedAttempt:
    state, reason, retry_delay = _evaluate_outcome(app, attempts, result.outcome)
    return FinishedAttempt(
        notification_id=notification_id,
        state=state,
        reason=reason,
        retry_delay=retry_delay,
        outcome=result.outcome,
        reply=result.reply[:20] or None,
    )


def _evaluate_outcome(
    app: NotificationApp, attempts: int, outcome: Outcome
) -> tuple[DispatchState, DispatchReason | None, timedelta]:
    """The state of the dispatch after the attempt, its reason, and the delay of the next attempt."""
    if outcome is Outcome.SENT:
        return DispatchState.SENT, None, _NO_RETRY
    if outcome is Outcome.UNKNOWN:
        return DispatchState.UNKNOWN, DispatchReason.INTERRUPTED, _NO_RETRY
    if outcome is Outcome.REJECTED:
        return DispatchState.FAILED, DispatchReason.REJECTED, _NO_RETRY
    delay = app.retries.get_delay(attempts)
    if delay is None:
        return DispatchState.FAILED, DispatchReason.ATTEMPTS_EXHAUSTED, _NO_RETRY
    return DispatchState.PENDING, None, delay * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - spreads load


async def _postpone_dispatches(
    app: NotificationApp, claim: UUID, rows: Sequence[ClaimedDispatchRow], delay: timedelta
) -> None:
    if rows:
        await app.db.run(
            queries.POSTPONE_DISPATCHES,
            claim=claim,
            notification_ids=[row.notification_id for row in rows],
            channels=[row.channel for row in rows],
            delay=delay,
        )
