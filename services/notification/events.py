"""What notification hears. Every handler writes rows of its own database; the sender does the rest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import UUID

from jainshikanji.customer.v1.events_pb2 import CustomerErased
from jainshikanji.order.v1.events_pb2 import OrderCreated
from jainshikanji.store.v1.events_pb2 import StaffGranted, StaffRevoked
from jainshikanji.store.v1.staff_pb2 import StaffJob

from chassis import Handlers, batch
from chassis.database import Transaction
from chassis.events.bus import EventMeta
from services.notification import queries
from services.notification.app import NotificationApp
from services.notification.messages import TOLD, Audience, Told, of_created_order
from services.notification.usecases.forgetting import erase
from services.notification.usecases.telling import News, Ordered, tell

_TOLD: Final = {told.event.DESCRIPTOR.full_name: told for told in TOLD}
Heard = Sequence[tuple[Any, EventMeta]]


@batch
async def tell_people(app: NotificationApp, tx: Transaction, heard: Heard) -> None:
    """Whatever the table of messages makes of the events, and what mails say of new orders, in one statement.

    An order's first two events come together: with a handler each, a batch of orders would be no batch to either.
    """
    orders = [
        Ordered(UUID(event.order_id), of_created_order(event)) for event, _ in heard if isinstance(event, OrderCreated)
    ]
    table = [(_TOLD[meta.type], event, meta) for event, meta in heard if meta.type in _TOLD]
    managers = await _managers(tx, [event for told, event, _ in table if told.audience is Audience.MANAGERS])
    await tell(app, tx, [news for told, event, meta in table for news in _news(told, event, meta, managers)], orders)


async def _managers(tx: Transaction, events: Sequence[Any]) -> dict[UUID, list[UUID]]:
    found: dict[UUID, list[UUID]] = {}
    if events:
        for row in await tx.all(queries.MANAGERS, store_ids=sorted({UUID(event.store_id) for event in events})):
            found.setdefault(row.store_id, []).append(row.account_id)
    return found


def _news(told: Told, event: Any, meta: EventMeta, managers: dict[UUID, list[UUID]]) -> Iterable[News]:
    if not told.applies(event):
        return
    for user_id in _audience(told, event, managers):
        yield News(
            event_id=meta.id,
            user_id=user_id,
            kind=told.kind,
            facts=told.facts(event),
            occurred_at=meta.occurred_at,
            expires_at=meta.occurred_at + told.kind.good_for,
            channels=told.channels_for(event),
            order_id=_optional_id(event, "order_id"),
            store_id=_optional_id(event, "store_id"),
        )


def _audience(told: Told, event: Any, managers: dict[UUID, list[UUID]]) -> list[UUID]:
    if told.audience is Audience.MANAGERS:
        return managers.get(UUID(event.store_id), [])
    if told.audience is Audience.ASSIGNED:
        assigned = event.delivery_person_id or event.assigned_staff_id
        return [UUID(assigned)] if assigned else []
    return [UUID(event.customer_id)]


def _optional_id(event: Any, field: str) -> UUID | None:
    value = getattr(event, field, "")
    return UUID(value) if value else None


async def employ(_app: NotificationApp, tx: Transaction, event: StaffGranted, _meta: EventMeta) -> None:
    """Somebody works in a store, so that its managers can be told."""
    await _keep_employment(tx, event, active=True)


async def end_employment(_app: NotificationApp, tx: Transaction, event: StaffRevoked, _meta: EventMeta) -> None:
    """Somebody works there no more."""
    await _keep_employment(tx, event, active=False)


async def _keep_employment(tx: Transaction, event: StaffGranted | StaffRevoked, *, active: bool) -> None:
    await tx.run(
        queries.EMPLOY,
        staff_id=UUID(event.staff_id),
        account_id=UUID(event.account_id),
        store_id=UUID(event.store_id),
        job=StaffJob.Value.Name(event.job).lower(),
        active=active,
        version=event.version,
    )


async def forget_person(_app: NotificationApp, tx: Transaction, event: CustomerErased, _meta: EventMeta) -> None:
    """An erased account is forgotten here too."""
    await erase(tx, UUID(event.customer_id))


HANDLERS: Handlers = {
    **{told.event: tell_people for told in TOLD},
    OrderCreated: tell_people,
    StaffGranted: employ,
    StaffRevoked: end_employment,
    CustomerErased: forget_person,
}
