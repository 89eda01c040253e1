"""Events: published ones from rows, consumed ones to commands. Published events contain no personal data."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

from google.protobuf.message import Message
from jainshikanji.order.v1 import events_pb2
from jainshikanji.payment.v1.events_pb2 import PaymentCompleted, RefundProcessed
from jainshikanji.store.v1.events_pb2 import StaffGranted, StaffRevoked

from chassis.money import money_from_proto, money_to_proto
from chassis.timestamps import timestamp_to_proto
from services.order.commands import RecordPayment, RecordRefund
from services.order.model import states
from services.order.rows import (
    AssignedOrderRow,
    ChangedOrderRow,
    NewOrder,
    NewOrderItem,
    NewStoreStaff,
    OrderItemRow,
)
from services.order.wire.enums import CANCELLATION_REASONS, FULFILMENT_TYPES, PAYMENT_METHODS, STAFF_JOBS, STATUSES


def order_created_to_proto(order: NewOrder, items: Iterable[NewOrderItem]) -> events_pb2.OrderCreated:
    return events_pb2.OrderCreated(
        order_id=str(order.id),
        version=1,
        order_number=order.order_number,
        customer_id=str(order.customer_id),
        store_id=str(order.store_id),
        fulfilment_type=FULFILMENT_TYPES.to_proto(order.delivery_type),
        items=map(_item_to_proto, items),
        subtotal=money_to_proto(order.subtotal),
        tax=money_to_proto(order.tax),
        delivery_fee=money_to_proto(order.delivery_fee),
        discount=money_to_proto(order.discount),
        loyalty_discount=money_to_proto(order.loyalty_discount),
        total=money_to_proto(order.total),
        payment_method=PAYMENT_METHODS.to_proto(order.payment_method),
        payment_id=str(order.payment_id or ""),
        coupon_code=order.coupon_code or "",
        points_redeemed=order.loyalty_points_redeemed,
        occurred_at=timestamp_to_proto(order.created_at),
    )


def _item_to_proto(item: NewOrderItem | OrderItemRow) -> events_pb2.OrderedItem:
    return events_pb2.OrderedItem(
        product_id=str(item.product_id),
        name=item.product_name,
        category=item.category or "",
        quantity=item.quantity,
        unit_price=money_to_proto(item.unit_price),
        subtotal=money_to_proto(item.subtotal),
    )


def _common_fields(order: NewOrder | ChangedOrderRow) -> dict[str, Any]:
    """The fields of all events of a transition."""
    return {
        "order_id": str(order.id),
        "version": order.version,
        "order_number": order.order_number,
        "customer_id": str(order.customer_id),
        "store_id": str(order.store_id),
        "total": money_to_proto(order.total),
        "payment_method": PAYMENT_METHODS.to_proto(order.payment_method),
        "fulfilment_type": FULFILMENT_TYPES.to_proto(order.delivery_type),
        "occurred_at": timestamp_to_proto(order.updated_at),
    }


def order_confirmed_to_proto(order: NewOrder | ChangedOrderRow) -> events_pb2.OrderConfirmed:
    return events_pb2.OrderConfirmed(
        **_common_fields(order), estimated_delivery_at=timestamp_to_proto(order.estimated_delivery_time)
    )


def order_transition_to_proto(order: ChangedOrderRow) -> Message:
    """The event of the transition to PREPARING, READY or OUT_FOR_DELIVERY."""
    if order.status == states.PREPARING:
        return events_pb2.OrderPreparing(**_common_fields(order))
    if order.status == states.READY:
        return events_pb2.OrderReady(**_common_fields(order))
    assert order.status == states.OUT_FOR_DELIVERY
    return events_pb2.OrderDispatched(
        **_common_fields(order), estimated_delivery_at=timestamp_to_proto(order.estimated_delivery_time)
    )


def order_delivered_to_proto(
    order: ChangedOrderRow, items: Iterable[OrderItemRow], delivered_by: UUID | None
) -> events_pb2.OrderDelivered:
    """For a COD order, the event also means that `delivered_by` has received the cash."""
    return events_pb2.OrderDelivered(
        **_common_fields(order),
        items=map(_item_to_proto, items),
        subtotal=money_to_proto(order.subtotal),
        discount=money_to_proto(order.discount),
        loyalty_discount=money_to_proto(order.loyalty_discount),
        delivered_by=str(delivered_by or ""),
        payment_id=str(order.payment_id or ""),
    )


def order_cancelled_to_proto(order: ChangedOrderRow, cancelled_from: str, reason: str) -> events_pb2.OrderCancelled:
    """`cancelled_from` is the state before."""
    return events_pb2.OrderCancelled(
        **_common_fields(order),
        reason=CANCELLATION_REASONS.to_proto(reason),
        restock=cancelled_from in states.BEFORE_PREPARATION,
        cancelled_from=STATUSES.to_proto(cancelled_from),
        payment_id=str(order.payment_id or ""),
    )


def order_refunded_to_proto(order: ChangedOrderRow, amount: Decimal) -> events_pb2.OrderRefunded:
    return events_pb2.OrderRefunded(**_common_fields(order), refunded=money_to_proto(amount))


def order_assigned_to_proto(order: AssignedOrderRow) -> events_pb2.OrderAssigned:
    return events_pb2.OrderAssigned(
        order_id=str(order.id),
        version=order.version,
        order_number=order.order_number,
        store_id=str(order.store_id),
        assigned_staff_id=str(order.assigned_staff_id or ""),
        delivery_person_id=str(order.delivery_person_id or ""),
        occurred_at=timestamp_to_proto(order.updated_at),
    )


def record_payment_from_event(event: PaymentCompleted) -> RecordPayment:
    return RecordPayment(UUID(event.order_id), money_from_proto(event.amount), event.cash)


def record_refund_from_event(event: RefundProcessed) -> RecordRefund:
    return RecordRefund(
        order_id=UUID(event.order_id),
        amount=money_from_proto(event.amount),
        refunded_total=money_from_proto(event.refunded_total),
        is_full=event.fully,
    )


def store_staff_from_event(event: StaffGranted | StaffRevoked) -> NewStoreStaff:
    return NewStoreStaff(
        staff_id=UUID(event.staff_id),
        account_id=UUID(event.account_id),
        store_id=UUID(event.store_id),
        job=STAFF_JOBS.from_proto(event.job),
        is_active=isinstance(event, StaffGranted),
        version=event.version,
    )
