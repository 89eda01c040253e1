"""The events that the service consumes. Handlers tolerate late, repeated and reordered events."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from jainshikanji.customer.v1.events_pb2 import CustomerErased, CustomerRegistered
from jainshikanji.order.v1.events_pb2 import OrderCancelled, OrderConfirmed, OrderDelivered
from jainshikanji.payment.v1.events_pb2 import RefundProcessed

from chassis import Handlers, batch
from chassis.database import Transaction
from chassis.events.bus import EventMeta
from services.loyalty import wire
from services.loyalty.app import LoyaltyApp
from services.loyalty.usecases import accounts, orders


@batch
async def on_order_confirmed(
    app: LoyaltyApp, tx: Transaction, events: Sequence[tuple[OrderConfirmed, EventMeta]]
) -> None:
    """Redeems the benefits that the orders reserved."""
    await orders.redeem_benefits(app, tx, {UUID(event.order_id): event.order_number for event, _ in events})


@batch
async def on_order_cancelled(
    app: LoyaltyApp, tx: Transaction, events: Sequence[tuple[OrderCancelled, EventMeta]]
) -> None:
    """Releases or returns the benefits of the orders."""
    await orders.return_benefits(app, tx, {UUID(event.order_id): event.order_number for event, _ in events})


@batch
async def on_order_delivered(
    app: LoyaltyApp, tx: Transaction, events: Sequence[tuple[OrderDelivered, EventMeta]]
) -> None:
    """Awards points for the lines without discounts."""
    await orders.lock_orders(app, tx, {UUID(event.order_id): UUID(event.customer_id) for event, _ in events})
    for event, meta in events:
        await orders.award_order(app, tx, wire.award_order_from_event(event, meta))


@batch
async def on_refund_processed(
    app: LoyaltyApp, tx: Transaction, events: Sequence[tuple[RefundProcessed, EventMeta]]
) -> None:
    """Reverses points in proportion to the refund."""
    await orders.lock_orders(app, tx, {UUID(event.order_id): UUID(event.customer_id) for event, _ in events})
    for event, _ in events:
        await orders.reverse_order(app, tx, wire.reverse_order_from_event(event))


async def on_customer_registered(app: LoyaltyApp, tx: Transaction, event: CustomerRegistered, meta: EventMeta) -> None:
    """Opens the account of a new customer."""
    await accounts.open_account(app, tx, UUID(event.customer_id))


async def on_customer_erased(app: LoyaltyApp, tx: Transaction, event: CustomerErased, meta: EventMeta) -> None:
    """Closes the account of an erased customer."""
    await accounts.erase_account(app, tx, UUID(event.customer_id))


HANDLERS: Handlers = {
    OrderConfirmed: on_order_confirmed,
    OrderCancelled: on_order_cancelled,
    OrderDelivered: on_order_delivered,
    RefundProcessed: on_refund_processed,
    CustomerRegistered: on_customer_registered,
    CustomerErased: on_customer_erased,
}
