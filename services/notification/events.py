"""The events that the service consumes. Handlers only write rows; the sender sends the messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from jainshikanji.customer.v1.events_pb2 import CustomerErased
from jainshikanji.order.v1.events_pb2 import OrderCreated
from jainshikanji.store.v1.events_pb2 import StaffGranted, StaffRevoked

from chassis import Handlers, batch
from chassis.database import Transaction
from chassis.events.bus import EventMeta
from services.notification import usecases, wire
from services.notification.app import NotificationApp


@batch
async def on_notifying_event(app: NotificationApp, tx: Transaction, events: Sequence[tuple[Any, EventMeta]]) -> None:
    """Creates the notifications that the events cause, and stores the facts of new orders.

    One handler for OrderCreated and all rules: the events of several orders alternate in type, and a batch ends where
    the handler changes.
    """
    orders = [
        wire.consumed_events.new_order_facts_from_event(event) for event, _ in events if isinstance(event, OrderCreated)
    ]
    commands = [wire.consumed_events.create_notification_from_event(event, meta) for event, meta in events]
    caused = [command for command in commands if command is not None]
    await usecases.notifications.create_notifications(app, tx, caused, orders)


async def on_staff_changed(
    app: NotificationApp, tx: Transaction, event: StaffGranted | StaffRevoked, meta: EventMeta
) -> None:
    """Updates the copy of the store's staff, for notifications to its managers."""
    await usecases.employments.upsert_employment(app, tx, wire.consumed_events.new_employment_from_event(event))


async def on_customer_erased(app: NotificationApp, tx: Transaction, event: CustomerErased, meta: EventMeta) -> None:
    """Deletes the data of an erased account."""
    await usecases.retention.erase_user(app, tx, UUID(event.customer_id))


HANDLERS: Handlers = {
    **{rule.event: on_notifying_event for rule in wire.consumed_events.EVENT_RULES},
    OrderCreated: on_notifying_event,
    StaffGranted: on_staff_changed,
    StaffRevoked: on_staff_changed,
    CustomerErased: on_customer_erased,
}
