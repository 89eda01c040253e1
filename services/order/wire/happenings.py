"""Events of the order service. They carry the facts others need and nobody's personal data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from google.protobuf.message import Message
from jainshikanji.order.v1 import events_pb2

from chassis.timestamps import timestamp_to_proto
from services.order.model import states
from services.order.wire.orders import ItemRow
from services.order.wire.words import FULFILMENT, PAYMENT_METHOD, REASON, STATUS, money


def created(row: Any) -> events_pb2.OrderCreated:
    """The order as it was written."""
    return events_pb2.OrderCreated(
        order_id=str(row.id),
        version=1,
        order_number=row.order_number,
        customer_id=str(row.customer_id),
        store_id=str(row.store_id),
        fulfilment_type=FULFILMENT.to_proto(row.delivery_type),
        items=ordered_items(row.items),
        subtotal=money(row.subtotal),
        tax=money(row.tax),
        delivery_fee=money(row.delivery_fee),
        discount=money(row.discount),
        loyalty_discount=money(row.loyalty_discount),
        total=money(row.total),
        payment_method=PAYMENT_METHOD.to_proto(row.payment_method),
        payment_id=str(row.payment_id or ""),
        coupon_code=row.coupon_code or "",
        points_redeemed=row.loyalty_points_redeemed,
        occurred_at=timestamp_to_proto(row.created_at),
    )


def ordered_items(items: Iterable[Iterable[Any]]) -> list[events_pb2.OrderedItem]:
    """The lines as events tell them."""
    return [
        events_pb2.OrderedItem(
            product_id=item.product_id,
            name=item.product_name,
            category=item.category or "",
            quantity=item.quantity,
            unit_price=money(item.unit_price),
            subtotal=money(item.subtotal),
        )
        for item in (ItemRow(*row) for row in items)
    ]


def _facts(moved: Any) -> dict[str, Any]:
    """What every later event of an order carries."""
    return {
        "order_id": str(moved.id),
        "version": moved.version,
        "order_number": moved.order_number,
        "customer_id": str(moved.customer_id),
        "store_id": str(moved.store_id),
        "total": money(moved.total),
        "payment_method": PAYMENT_METHOD.to_proto(moved.payment_method),
        "fulfilment_type": FULFILMENT.to_proto(moved.delivery_type),
        "occurred_at": timestamp_to_proto(moved.updated_at),
    }


def confirmed(moved: Any) -> events_pb2.OrderConfirmed:
    return events_pb2.OrderConfirmed(
        **_facts(moved), estimated_delivery_at=timestamp_to_proto(moved.estimated_delivery_time)
    )


def preparing(moved: Any) -> events_pb2.OrderPreparing:
    return events_pb2.OrderPreparing(**_facts(moved))


def ready(moved: Any) -> events_pb2.OrderReady:
    return events_pb2.OrderReady(**_facts(moved))


def dispatched(moved: Any) -> events_pb2.OrderDispatched:
    return events_pb2.OrderDispatched(
        **_facts(moved), estimated_delivery_at=timestamp_to_proto(moved.estimated_delivery_time)
    )


def delivered(moved: Any, items: Iterable[Iterable[Any]], actor: states.Actor) -> events_pb2.OrderDelivered:
    """For COD it also says that the cash is in the till, and who took it."""
    return events_pb2.OrderDelivered(
        **_facts(moved),
        items=ordered_items(items),
        subtotal=money(moved.subtotal),
        discount=money(moved.discount),
        loyalty_discount=money(moved.loyalty_discount),
        delivered_by=str(actor.account_id or ""),
        payment_id=str(moved.payment_id or ""),
    )


def cancelled(moved: Any, current: str, reason: str) -> events_pb2.OrderCancelled:
    """`current` is the state it was cancelled in."""
    return events_pb2.OrderCancelled(
        **_facts(moved),
        reason=REASON.to_proto(reason),
        restock=current in states.UNTOUCHED,
        cancelled_from=STATUS.to_proto(current),
        payment_id=str(moved.payment_id or ""),
    )


def refunded(moved: Any, amount: int) -> events_pb2.OrderRefunded:
    return events_pb2.OrderRefunded(**_facts(moved), refunded=money(amount))


def assigned(row: Any) -> events_pb2.OrderAssigned:
    return events_pb2.OrderAssigned(
        order_id=str(row.id),
        version=row.version,
        order_number=row.order_number,
        store_id=str(row.store_id),
        assigned_staff_id=str(row.assigned_staff_id or ""),
        delivery_person_id=str(row.delivery_person_id or ""),
        occurred_at=timestamp_to_proto(row.updated_at),
    )


# Steps whose event is made of the moved row alone.
PLAIN: dict[str, Callable[[Any], Message]] = {
    states.CONFIRMED: confirmed,
    states.PREPARING: preparing,
    states.READY: ready,
    states.OUT_FOR_DELIVERY: dispatched,
}
