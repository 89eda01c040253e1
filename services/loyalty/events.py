"""What loyalty hears. Every handler may meet its event late, twice or out of order."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from jainshikanji.customer.v1.events_pb2 import CustomerErased, CustomerRegistered
from jainshikanji.order.v1.events_pb2 import OrderCancelled, OrderConfirmed, OrderDelivered
from jainshikanji.payment.v1.events_pb2 import RefundProcessed

from chassis.database import Transaction
from chassis.events.bus import EventMeta
from chassis.events.consumer import Handlers, batch
from chassis.money import ZERO, money_from_proto
from services.loyalty.app import LoyaltyApp
from services.loyalty.model.benefits import Line
from services.loyalty.usecases import accounts, ledger, orders


@batch
async def use_benefits(app: LoyaltyApp, tx: Transaction, received: Sequence[tuple[OrderConfirmed, EventMeta]]) -> None:
    """Confirmed orders use what they hold."""
    await orders.use(app, tx, {UUID(event.order_id): event.order_number for event, _ in received})


@batch
async def give_back_benefits(
    app: LoyaltyApp, tx: Transaction, received: Sequence[tuple[OrderCancelled, EventMeta]]
) -> None:
    """Cancelled orders give back what they hold or have used."""
    await orders.give_back(app, tx, {UUID(event.order_id): event.order_number for event, _ in received})


@batch
async def earn_points(app: LoyaltyApp, tx: Transaction, received: Sequence[tuple[OrderDelivered, EventMeta]]) -> None:
    """Delivered orders earn points on their lines without discounts."""
    await orders.lock_ahead(app, tx, {UUID(event.order_id): UUID(event.customer_id) for event, _ in received})
    for event, meta in received:
        await orders.deliver(app, tx, _delivery(event, meta))


@batch
async def reverse_points(
    app: LoyaltyApp, tx: Transaction, received: Sequence[tuple[RefundProcessed, EventMeta]]
) -> None:
    """Refunds take points back in proportion."""
    await orders.lock_ahead(app, tx, {UUID(event.order_id): UUID(event.customer_id) for event, _ in received})
    for event, _ in received:
        await orders.refund(app, tx, _refund(event))


async def open_account(app: LoyaltyApp, tx: Transaction, event: CustomerRegistered, meta: EventMeta) -> None:
    """A new customer gets an account."""
    await ledger.lock_account(app, tx, UUID(event.customer_id))


async def erase_account(app: LoyaltyApp, tx: Transaction, event: CustomerErased, meta: EventMeta) -> None:
    """An erased customer's account ends."""
    await accounts.erase_account(app, tx, UUID(event.customer_id))


HANDLERS: Handlers = {
    OrderConfirmed: use_benefits,
    OrderCancelled: give_back_benefits,
    OrderDelivered: earn_points,
    RefundProcessed: reverse_points,
    CustomerRegistered: open_account,
    CustomerErased: erase_account,
}


def _delivery(event: OrderDelivered, meta: EventMeta) -> orders.Delivery:
    subtotal = money_from_proto(event.subtotal)
    return orders.Delivery(
        order_id=UUID(event.order_id),
        order_number=event.order_number,
        customer_id=UUID(event.customer_id),
        total=money_from_proto(event.total),
        subtotal=subtotal,
        paid_for_food=max(subtotal - money_from_proto(event.discount) - money_from_proto(event.loyalty_discount), ZERO),
        lines=[
            Line(UUID(item.product_id), item.category, money_from_proto(item.subtotal), item.quantity)
            for item in event.items
        ],
        delivered_at=meta.occurred_at,
    )


def _refund(event: RefundProcessed) -> orders.Refund:
    captured, refunded = money_from_proto(event.captured_amount), money_from_proto(event.refunded_total)
    return orders.Refund(
        order_id=UUID(event.order_id),
        customer_id=UUID(event.customer_id),
        refunded=max(refunded, captured) if event.fully else refunded,
        captured=captured,
    )
