"""Notifications: created with their dispatches, listed and marked as read. The sender sends them later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from chassis import Caller, clock
from chassis.database import Transaction
from chassis.database.rows import json_rows, parameters
from chassis.errors import NotFound
from chassis.ids import new_id
from chassis.rpc import idempotency
from chassis.rpc.pagination import Page
from services.notification import clients, queries
from services.notification.app import NotificationApp
from services.notification.commands import (
    CreateAnnouncement,
    CreateCodeNotification,
    CreateNotification,
    ListNotifications,
    StoreManagers,
)
from services.notification.model.dispatches import DispatchReason, DispatchState, SecretFacts
from services.notification.model.notification_types import ANNOUNCEMENT, NOTIFICATION_TYPES, Channel
from services.notification.model.templates import (
    DEFAULT_LANGUAGE,
    RenderedNotification,
    StoreDetails,
    build_context,
    choose_language,
)
from services.notification.rows import NewDispatch, NewEncryptedFacts, NewNotification, NewOrderFacts, NotificationRow

_MAX_ID = UUID(int=(1 << 128) - 1)


async def create_notifications(
    app: NotificationApp,
    tx: Transaction,
    commands: Sequence[CreateNotification],
    orders: Sequence[NewOrderFacts] = (),
) -> list[UUID]:
    """Creates the notifications and their dispatches; those that exist already stay as they are.

    The same statement stores the facts of new orders. Returns the ids in the order of the commands.
    """
    managers = await _list_managers(tx, commands)
    notifications: list[NewNotification] = []
    dispatches: list[NewDispatch] = []
    for command in commands:
        for user_id in _get_recipients(command, managers):
            notification = _new_notification(command, user_id)
            notifications.append(notification)
            dispatches += [_new_dispatch(app, notification.id, channel, command) for channel in command.channels]
    if notifications or orders:
        await tx.run(
            queries.INSERT_NOTIFICATIONS,
            notifications=json_rows(notifications),
            dispatches=json_rows(dispatches),
            orders=json_rows(orders),
        )
    if notifications:
        tx.after_commit(app.wake_sender)
    return [notification.id for notification in notifications]


async def _list_managers(tx: Transaction, commands: Iterable[CreateNotification]) -> dict[UUID, list[UUID]]:
    managers: dict[UUID, list[UUID]] = {}
    store_ids = {command.recipient.store_id for command in commands if isinstance(command.recipient, StoreManagers)}
    if store_ids:
        for row in await tx.all(queries.LIST_STORE_MANAGERS, store_ids=sorted(store_ids)):
            managers.setdefault(row.store_id, []).append(row.account_id)
    return managers


def _get_recipients(command: CreateNotification, managers: Mapping[UUID, list[UUID]]) -> list[UUID]:
    if isinstance(command.recipient, StoreManagers):
        return managers.get(command.recipient.store_id, [])
    return [command.recipient]


def _new_notification(command: CreateNotification, user_id: UUID) -> NewNotification:
    return NewNotification(
        id=new_id(),
        event_id=command.event_id,
        user_id=user_id,
        template=command.type.name,
        category=command.category or command.type.category,
        facts=command.facts,
        order_id=command.order_id,
        store_id=command.store_id,
        sent_by=command.sent_by,
        sent_because=command.sent_because,
        occurred_at=command.occurred_at,
    )


def _new_dispatch(
    app: NotificationApp, notification_id: UUID, channel: Channel, command: CreateNotification
) -> NewDispatch:
    """A channel without a provider is skipped immediately, so that the sender need not claim it."""
    has_provider = channel in app.providers
    return NewDispatch(
        notification_id=notification_id,
        channel=channel,
        state=DispatchState.PENDING if has_provider else DispatchState.SKIPPED,
        reason=None if has_provider else DispatchReason.PROVIDER_OFF,
        expires_at=command.expires_at,
    )


async def create_code_notification(app: NotificationApp, caller: Caller, command: CreateCodeNotification) -> UUID:
    """Creates the notification of a code, which is stored encrypted until it is sent; returns its id.

    The same code of the same type and account creates one notification.
    """
    digest = app.cipher.blind(f"{command.user_id}|{command.type.name}|{command.code}")
    event_id = UUID(bytes=digest[:16], version=5)
    notification = CreateNotification(
        event_id=event_id,
        recipient=command.user_id,
        type=command.type,
        facts={},
        occurred_at=clock.now(),
        expires_at=command.expires_at,
        channels=command.type.channels,
    )
    secret = SecretFacts(
        email=command.email,
        name=command.name,
        code=command.code,
        locale=command.locale,
        expires_at=command.expires_at.isoformat(),
    )
    sealed = secret.encrypt(app.cipher)
    async with app.db.transaction() as tx:
        (notification_id,) = await create_notifications(app, tx, [notification])
        facts = NewEncryptedFacts(notification_id, sealed, command.expires_at)
        if await tx.run(queries.INSERT_ENCRYPTED_FACTS, **parameters(facts)):
            return notification_id
        existing_id = await tx.one(
            queries.GET_NOTIFICATION_ID, event_id=event_id, user_id=command.user_id, template=command.type.name
        )
        assert existing_id is not None
        return existing_id


async def create_announcement(app: NotificationApp, caller: Caller, command: CreateAnnouncement) -> NotificationRow:
    """Creates the notification of an administrator's message, once per Idempotency-Key. Raises NotFound."""
    if command.user_id not in await clients.get_contacts(app.channels, [command.user_id]):
        raise NotFound
    now = clock.now()
    notification = CreateNotification(
        event_id=new_id(),
        recipient=command.user_id,
        type=ANNOUNCEMENT,
        facts={"title": command.title, "body": command.body},
        occurred_at=now,
        expires_at=now + ANNOUNCEMENT.valid_for,
        channels=command.channels,
        category=command.category,
        sent_by=caller.account_id,
        sent_because=command.reason,
    )

    async def create(tx: Transaction) -> UUID:
        (notification_id,) = await create_notifications(app, tx, [notification])
        return notification_id

    if command.claim is not None:
        notification_id = await idempotency.run_once(app.db, command.claim, create)
    else:
        async with app.db.transaction() as tx:
            notification_id = await create(tx)
    return await _get_notification(app, notification_id)


async def _get_notification(app: NotificationApp, notification_id: UUID) -> NotificationRow:
    row = await app.db.one(queries.GET_NOTIFICATION, id=notification_id)
    if row is None:
        raise NotFound
    return row


async def list_notifications(
    app: NotificationApp, caller: Caller, command: ListNotifications, page: Page
) -> list[NotificationRow]:
    """A page of an account's notifications, newest first, with one row more than the page shows."""
    query = queries.LIST_UNREAD_NOTIFICATIONS if command.unread_only else queries.LIST_NOTIFICATIONS
    before = UUID(page.after[0]) if page.after else _MAX_ID
    return await app.db.all(query, user_id=command.user_id, before=before, limit=page.limit)


async def mark_notification_read(app: NotificationApp, caller: Caller, notification_id: UUID) -> NotificationRow:
    """Marks the notification as read; the first time counts. Raises NotFound outside of the caller's scope."""
    scope = caller.scope
    marked = await app.db.one(queries.MARK_READ, id=notification_id, everything=scope.everything, owner=scope.owner)
    if marked is None:
        raise NotFound
    return await _get_notification(app, notification_id)


async def render_notifications(app: NotificationApp, rows: Sequence[NotificationRow]) -> list[RenderedNotification]:
    """The notifications with title and text as apps show them."""
    stores = await app.stores.get(app.channels, [row.store_id for row in rows])
    return [_render_notification(app, row, stores) for row in rows]


def _render_notification(
    app: NotificationApp, row: NotificationRow, stores: Mapping[UUID, StoreDetails]
) -> RenderedNotification:
    """With the push template, or with the email template of a type without one."""
    language = choose_language(row.language, DEFAULT_LANGUAGE)
    name = NOTIFICATION_TYPES[row.template].name
    store = stores[row.store_id] if row.store_id is not None else StoreDetails()
    channel = Channel.PUSH if (name, Channel.PUSH, language) in app.renderer.shipped else Channel.EMAIL
    message = app.renderer.render(name, channel, language, build_context(row, store))
    return RenderedNotification(row, message)
