"""What analytics hears: every event of every service, in one batch handler."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from decimal import Decimal
from types import ModuleType
from typing import Any, Final
from uuid import UUID

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from jainshikanji.customer.v1 import events_pb2 as customer
from jainshikanji.inventory.v1 import events_pb2 as inventory
from jainshikanji.loyalty.v1 import events_pb2 as loyalty
from jainshikanji.notification.v1 import events_pb2 as notification
from jainshikanji.order.v1 import events_pb2 as order
from jainshikanji.payment.v1 import events_pb2 as payment
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod
from jainshikanji.review.v1 import events_pb2 as review
from jainshikanji.store.v1 import events_pb2 as store
from jainshikanji.type.v1.fulfilment_type_pb2 import FulfilmentType

from chassis import Handlers, batch
from chassis.database import Jsonb, Transaction
from chassis.events.bus import EventMeta
from chassis.money import money_from_proto
from chassis.timestamps import optional_datetime_from_proto
from services.analytics import queries
from services.analytics.app import AnalyticsApp
from services.analytics.clients import StoreFacts
from services.analytics.model.facts import Line, Milestone, OrderFact, Placement
from services.analytics.model.period import PLATFORM_ZONE
from services.analytics.usecases.taking_in import Change, ProductName, change_orders, know_products, know_store

Heard = Sequence[tuple[Any, EventMeta]]
PUBLISHERS: Final = (customer, inventory, loyalty, notification, order, payment, review, store)

_MILESTONES: Final[dict[type[Message], Milestone]] = {
    order.OrderConfirmed: Milestone.CONFIRMED,
    order.OrderPreparing: Milestone.PREPARING,
    order.OrderReady: Milestone.READY,
    order.OrderDispatched: Milestone.DISPATCHED,
    order.OrderDelivered: Milestone.DELIVERED,
    order.OrderCancelled: Milestone.CANCELLED,
    order.OrderRefunded: Milestone.REFUNDED,
}


def event_types(module: ModuleType) -> Iterator[type[Message]]:
    """The events of a publisher: the messages of its events.proto that are no part of another one."""
    messages = module.DESCRIPTOR.message_types_by_name.values()
    parts = {part.message_type for message in messages for part in message.fields if part.message_type is not None}
    for message in messages:
        if message not in parts:
            yield getattr(module, message.name)


@batch
async def take_in(_app: AnalyticsApp, tx: Transaction, heard: Heard) -> None:
    """Stores the events and brings facts and roll-ups up to them."""
    await _store(tx, heard)
    await change_orders(tx, _changes(heard))
    await know_products(tx, [_product(event) for event, _ in heard if isinstance(event, _PRODUCT_EVENTS)])
    await _note_stock_outs(tx, heard)
    await _note_registrations(tx, heard)
    for event, _ in heard:
        if isinstance(event, store.StoreCreated | store.StoreUpdated):
            facts = StoreFacts(UUID(event.store_id), event.name, event.time_zone or PLATFORM_ZONE)
            await know_store(tx, facts, event.version)


async def forget_account(_app: AnalyticsApp, tx: Transaction, heard: Heard) -> None:
    """An erased account: what its apps reported is nobody's any more. Figures know it by an id that names nobody."""
    await _store(tx, heard)
    for event, _ in heard:
        await tx.run(queries.ERASE_CLIENT_EVENTS, account_id=UUID(event.customer_id))


async def _store(tx: Transaction, heard: Heard) -> None:
    await tx.run(queries.STORE_EVENTS, rows=Jsonb([_row(event, meta) for event, meta in heard]))


def _row(event: Any, meta: EventMeta) -> dict[str, Any]:
    return {
        "id": str(meta.id),
        "type": meta.type,
        "source": meta.source,
        "key": meta.key,
        "version": meta.version,
        "store_id": getattr(event, "store_id", "") or None,
        "payload": MessageToDict(event),
        "occurred_at": meta.occurred_at.isoformat(),
    }


def _changes(heard: Heard) -> dict[UUID, list[Change]]:
    changes: defaultdict[UUID, list[Change]] = defaultdict(list)
    for event, meta in heard:
        change = _change(event, meta)
        if change is not None:
            changes[UUID(event.order_id)].append(change)
    return dict(changes)


def _change(event: Any, meta: EventMeta) -> Change | None:
    """What an event says of its order."""
    if isinstance(event, order.OrderCreated):
        placement, version = placement_of(event, meta), event.version
        return lambda fact: fact.placed(placement, version)
    if isinstance(event, payment.RefundProcessed):
        refund_id, amount = event.refund_id, money_from_proto(event.amount)
        return lambda fact: fact.refunded(refund_id, amount)
    milestone = _MILESTONES.get(type(event))
    if milestone is None:
        return None
    at = optional_datetime_from_proto(event, "occurred_at") or meta.occurred_at
    return _reaching(milestone, at, event.version)


def _reaching(milestone: Milestone, at: Any, version: int) -> Callable[[OrderFact], OrderFact]:
    return lambda fact: fact.has_reached(milestone, at, version)


def placement_of(event: order.OrderCreated, meta: EventMeta) -> Placement:
    """What was ordered, from the order's first event."""
    at = optional_datetime_from_proto(event, "occurred_at") or meta.occurred_at
    return Placement(
        number=event.order_number,
        store_id=UUID(event.store_id),
        customer_id=UUID(event.customer_id),
        placed_at=at,
        fulfilment=FulfilmentType.Value.Name(event.fulfilment_type),
        payment_method=PaymentMethod.Value.Name(event.payment_method),
        subtotal=_amount(event.subtotal),
        tax=_amount(event.tax),
        delivery_fee=_amount(event.delivery_fee),
        discount=_amount(event.discount),
        loyalty_discount=_amount(event.loyalty_discount),
        total=_amount(event.total),
        lines=tuple(
            Line(UUID(item.product_id), item.name, item.category, item.quantity, _amount(item.subtotal))
            for item in event.items
        ),
    )


def _amount(money: Any) -> Decimal:
    return money_from_proto(money)


_PRODUCT_EVENTS: Final = (inventory.ProductCreated, inventory.ProductUpdated)


def _product(event: Any) -> ProductName:
    known_at = event.occurred_at.ToDatetime(UTC)
    return ProductName(UUID(event.product_id), event.name, event.category, known_at)


async def _note_stock_outs(tx: Transaction, heard: Heard) -> None:
    outs = [(event, meta) for event, meta in heard if isinstance(event, inventory.ProductOutOfStock)]
    if outs:
        await tx.run(
            queries.NOTE_STOCK_OUTS,
            event_ids=[meta.id for _, meta in outs],
            store_ids=[UUID(event.store_id) for event, _ in outs],
            product_ids=[UUID(event.product_id) for event, _ in outs],
            occurred_ats=[meta.occurred_at for _, meta in outs],
        )


async def _note_registrations(tx: Transaction, heard: Heard) -> None:
    registered = [(event, meta) for event, meta in heard if isinstance(event, customer.CustomerRegistered)]
    if registered:
        await tx.run(
            queries.NOTE_REGISTRATIONS,
            customer_ids=[UUID(event.customer_id) for event, _ in registered],
            registered_ats=[meta.occurred_at for _, meta in registered],
        )


HANDLERS: Handlers = {
    **{event: take_in for module in PUBLISHERS for event in event_types(module)},
    customer.CustomerErased: batch(forget_account),
}
