"""Writing down what somebody is told. Nothing is sent here: the sender works the rows off."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis import Call, clock
from chassis.database import Jsonb, Row, Transaction
from chassis.errors import NotFound
from chassis.ids import new_id
from chassis.rpc import idempotency
from services.notification import clients, queries
from services.notification.app import NotificationApp
from services.notification.clients import StoreFacts
from services.notification.messages import ANNOUNCEMENT, KINDS, Kind
from services.notification.model import (
    CREDENTIALS,
    DEFAULT_LANGUAGE,
    Category,
    Channel,
    Reason,
    State,
    choose_language,
    merge_order,
)
from services.notification.rendering import Rendered


@dataclass(frozen=True, slots=True)
class News:
    """One message to one person."""

    event_id: UUID
    user_id: UUID
    kind: Kind
    facts: Mapping[str, Any]
    occurred_at: datetime
    expires_at: datetime
    channels: Sequence[Channel]
    order_id: UUID | None = None
    store_id: UUID | None = None
    category: Category | None = None
    sent_by: UUID | None = None
    sent_because: str | None = None


@dataclass(frozen=True, slots=True)
class Ordered:
    """A new order, and what mails may say of it beside the event that they tell."""

    order_id: UUID
    facts: Mapping[str, Any]


async def tell(
    app: NotificationApp, tx: Transaction, news: Iterable[News], orders: Sequence[Ordered] = ()
) -> list[UUID]:
    """Writes the notifications and their dispatches; what was told before is left as it is. Ids in the given order.

    New orders are remembered by the same statement, for the mails about them.
    """
    rows = [_row(app, item) for item in news]
    if rows or orders:
        await tx.run(
            queries.TELL,
            rows=Jsonb(rows),
            order_ids=[order.order_id for order in orders],
            order_facts=[Jsonb(order.facts) for order in orders],
        )
    if rows:
        tx.after_commit(app.wake_sender)
    return [UUID(row["id"]) for row in rows]


def _row(app: NotificationApp, news: News) -> dict[str, Any]:
    return {
        "id": str(new_id()),
        "event_id": str(news.event_id),
        "user_id": str(news.user_id),
        "template": news.kind.name,
        "category": news.category or news.kind.category,
        "facts": news.facts,
        "order_id": news.order_id and str(news.order_id),
        "store_id": news.store_id and str(news.store_id),
        "sent_by": news.sent_by and str(news.sent_by),
        "sent_because": news.sent_because,
        "occurred_at": news.occurred_at.isoformat(),
        "expires_at": news.expires_at.isoformat(),
        "channels": [_channel(app, channel) for channel in news.channels],
    }


def _channel(app: NotificationApp, channel: Channel) -> dict[str, Any]:
    """A channel without a provider is recorded as skipped at once; the sender need not look at it."""
    if channel in app.providers:
        return {"name": channel, "state": State.PENDING, "reason": None}
    return {"name": channel, "state": State.SKIPPED, "reason": Reason.PROVIDER_OFF}


@dataclass(frozen=True, slots=True)
class Secret:
    """A code and where it goes."""

    user_id: UUID
    kind: Kind
    email: str
    name: str
    code: str
    locale: str
    expires_at: datetime


async def send_code(app: NotificationApp, secret: Secret) -> UUID:
    """Queues the mail with the code sealed. The same code for the same purpose and account is queued once."""
    digest = app.cipher.blind(f"{secret.user_id}|{secret.kind.name}|{secret.code}")
    event_id = UUID(bytes=digest[:16], version=5)
    now = clock.now()
    news = News(event_id, secret.user_id, secret.kind, {}, now, secret.expires_at, secret.kind.channels)
    sealed = app.cipher.encrypt(
        json.dumps(
            {
                "email": secret.email,
                "name": secret.name,
                "code": secret.code,
                "locale": secret.locale,
                "expires_at": secret.expires_at.isoformat(),
            }
        ),
        CREDENTIALS,
    )
    async with app.db.transaction() as tx:
        [notification_id] = await tell(app, tx, [news])
        if await tx.run(queries.SEAL, id=notification_id, sealed=sealed, expires_at=secret.expires_at):
            return notification_id
        known: UUID = await tx.value(
            queries.TOLD_BEFORE, event_id=event_id, user_id=secret.user_id, template=secret.kind.name
        )
        return known


@dataclass(frozen=True, slots=True)
class Announcement:
    """What an administrator writes to one account, and why."""

    user_id: UUID
    category: Category
    title: str
    body: str
    channels: Sequence[Channel]
    reason: str


async def announce(app: NotificationApp, call: Call, announcement: Announcement, request: Any) -> Row:
    """Tells the account what the administrator wrote. NotFound without such an account.

    With an Idempotency-Key a repeat gets the notification of the first call.
    """
    if announcement.user_id not in await clients.contacts(app.channels, [announcement.user_id]):
        raise NotFound
    now = clock.now()
    news = News(
        new_id(),
        announcement.user_id,
        ANNOUNCEMENT,
        {"title": announcement.title, "body": announcement.body},
        now,
        now + ANNOUNCEMENT.good_for,
        announcement.channels,
        category=announcement.category,
        sent_by=call.caller.account_id,
        sent_because=announcement.reason,
    )

    async def write(tx: Transaction) -> UUID:
        [notification_id] = await tell(app, tx, [news])
        return notification_id

    if call.idempotency_key:
        notification_id = await idempotency.run_once(app.db, idempotency.Claim.of(call), write)
    else:
        async with app.db.transaction() as tx:
            notification_id = await write(tx)
    return await notification(app, notification_id)


async def notification(app: NotificationApp, notification_id: UUID) -> Row:
    """One notification with its dispatches. NotFound."""
    row = await app.db.one(queries.NOTIFICATION, id=notification_id)
    if row is None:
        raise NotFound
    return row


async def notifications(
    app: NotificationApp, user_id: UUID, *, unread_only: bool, before: UUID | None, limit: int
) -> list[Row]:
    """Newest first, below the given id."""
    newest = UUID(int=(1 << 128) - 1)
    what = queries.UNREAD if unread_only else queries.NOTIFICATIONS
    return await app.db.all(what, user_id=user_id, before=before or newest, limit=limit)


async def mark_read(app: NotificationApp, call: Call, notification_id: UUID) -> Row:
    """Marks it as read; the first time counts. NotFound when it is not the caller's."""
    scope = call.scope
    read = await app.db.value(queries.MARK_READ, id=notification_id, everything=scope.everything, owner=scope.owner)
    if read is None:
        raise NotFound
    return await notification(app, notification_id)


def shown(app: NotificationApp, row: Row, stores: Mapping[UUID, StoreFacts]) -> Rendered:
    """Title and text as an app shows them: the push message, which every kind has that is listed."""
    language = choose_language(row.language, DEFAULT_LANGUAGE)
    kind = KINDS[row.template]
    store = stores.get(row.store_id, StoreFacts())
    channel = Channel.PUSH if (kind.name, Channel.PUSH, language) in app.texts.shipped else Channel.EMAIL
    return app.texts.render(kind.name, channel, language, context(row, store))


def context(row: Row, store: StoreFacts, **more: Any) -> dict[str, Any]:
    """What a text may say: the facts of the event, the order, the store, when it happened."""
    return {
        **row.facts,
        "order": merge_order(row.facts, row.order_facts),
        "store": {"name": store.name},
        "zone": store.zone,
        "occurred_at": row.occurred_at.isoformat(),
        **more,
    }
