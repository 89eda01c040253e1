"""The events that cause notifications: the type, the recipient, the channels and the facts of each notification."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from enum import Enum, auto
from typing import Any, Final
from uuid import UUID

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from jainshikanji.customer.v1.events_pb2 import CustomerRegistered
from jainshikanji.inventory.v1.events_pb2 import ProductOutOfStock, StockLow
from jainshikanji.loyalty.v1.events_pb2 import PointsEarned, TierChanged
from jainshikanji.loyalty.v1.tier_pb2 import LoyaltyTier
from jainshikanji.order.v1.events_pb2 import (
    OrderAssigned,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderDelivered,
    OrderDispatched,
    OrderPreparing,
    OrderReady,
)
from jainshikanji.order.v1.order_pb2 import CancellationReason
from jainshikanji.payment.v1.events_pb2 import PaymentFailed, RefundProcessed, SurplusRefunded
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod
from jainshikanji.review.v1.events_pb2 import ReviewResponded
from jainshikanji.store.v1.events_pb2 import StaffGranted, StaffRevoked
from jainshikanji.store.v1.staff_pb2 import StaffJob
from jainshikanji.type.v1.fulfilment_type_pb2 import FulfilmentType

from chassis.events.bus import EventMeta
from services.notification.commands import CreateNotification, StoreManagers
from services.notification.model import notification_types as types
from services.notification.model.notification_types import EMAIL, PUSH, SMS, Channel, NotificationType
from services.notification.rows import NewEmployment, NewOrderFacts

Facts = dict[str, Any]


class Audience(Enum):
    """The recipients of a notification about an event."""

    # The account in `customer_id`.
    CUSTOMER = auto()
    # The managers of the store in `store_id`.
    STORE_MANAGERS = auto()
    # The chef or the courier to whom the order was assigned.
    ASSIGNEE = auto()


@dataclass(frozen=True, slots=True)
class EventRule:
    """The notification that an event causes. `applies` selects events, `channels` replaces those of the type."""

    event: type[Message]
    type: NotificationType
    facts: Callable[[Any], Facts]
    audience: Audience = Audience.CUSTOMER
    applies: Callable[[Any], bool] = lambda _: True
    channels: Callable[[Any], tuple[Channel, ...]] | None = None

    def get_channels(self, event: Any) -> tuple[Channel, ...]:
        """The channels for this event."""
        return self.channels(event) if self.channels else self.type.channels


def create_notification_from_event(event: Any, meta: EventMeta) -> CreateNotification | None:
    """The notification that the event causes; None when it causes none."""
    rule = _RULES_BY_EVENT.get(meta.type)
    if rule is None or not rule.applies(event):
        return None
    recipient = _recipient_from_event(rule.audience, event)
    if recipient is None:
        return None
    return CreateNotification(
        event_id=meta.id,
        recipient=recipient,
        type=rule.type,
        facts=rule.facts(event),
        occurred_at=meta.occurred_at,
        expires_at=meta.occurred_at + rule.type.valid_for,
        channels=rule.get_channels(event),
        order_id=_optional_id(event, "order_id"),
        store_id=_optional_id(event, "store_id"),
    )


def _recipient_from_event(audience: Audience, event: Any) -> UUID | StoreManagers | None:
    if audience is Audience.STORE_MANAGERS:
        return StoreManagers(UUID(event.store_id))
    if audience is Audience.ASSIGNEE:
        assignee = event.delivery_person_id or event.assigned_staff_id
        return UUID(assignee) if assignee else None
    return UUID(event.customer_id)


def _optional_id(event: Any, field: str) -> UUID | None:
    value = getattr(event, field, "")
    return UUID(value) if value else None


def new_order_facts_from_event(event: OrderCreated) -> NewOrderFacts:
    return NewOrderFacts(UUID(event.order_id), created_order_facts_from_event(event))


def created_order_facts_from_event(event: OrderCreated) -> Facts:
    """What notifications about later events of the order may use."""
    return {
        "number": event.order_number,
        "lines": [
            {"name": line.name, "quantity": line.quantity, "subtotal": line.subtotal.minor_units}
            for line in event.items
        ],
        "subtotal": event.subtotal.minor_units,
        "tax": event.tax.minor_units,
        "delivery_fee": event.delivery_fee.minor_units,
        "discount": event.discount.minor_units,
        "loyalty_discount": event.loyalty_discount.minor_units,
        "total": event.total.minor_units,
        "payment_method": _enum_name(PaymentMethod, event.payment_method),
        "fulfilment": _enum_name(FulfilmentType, event.fulfilment_type),
        "placed_at": _format_timestamp(event.occurred_at),
    }


def new_employment_from_event(event: StaffGranted | StaffRevoked) -> NewEmployment:
    return NewEmployment(
        staff_id=UUID(event.staff_id),
        account_id=UUID(event.account_id),
        store_id=UUID(event.store_id),
        job=StaffJob.Value.Name(event.job).lower(),
        active=isinstance(event, StaffGranted),
        version=event.version,
    )


def _order_facts(event: Any) -> Facts:
    """The facts that all events of transitions have."""
    order: Facts = {
        "number": event.order_number,
        "total": event.total.minor_units,
        "payment_method": _enum_name(PaymentMethod, event.payment_method),
        "fulfilment": _enum_name(FulfilmentType, event.fulfilment_type),
    }
    if "estimated_delivery_at" in event.DESCRIPTOR.fields_by_name:
        order["expected_at"] = _format_timestamp(event.estimated_delivery_at)
    return {"order": order}


def _cancellation_facts(event: OrderCancelled) -> Facts:
    return {**_order_facts(event), "reason": _enum_name(CancellationReason, event.reason)}


def _assignment_facts(event: OrderAssigned) -> Facts:
    return {"order": {"number": event.order_number}, "courier": bool(event.delivery_person_id)}


def _points_facts(event: PointsEarned) -> Facts:
    return {"points": event.points, "balance": event.balance, "expires_at": _format_timestamp(event.expires_at)}


def _tier_facts(event: TierChanged) -> Facts:
    return {"tier": _enum_name(LoyaltyTier, event.tier), "up": event.tier > event.previous_tier}


def _low_stock_facts(event: StockLow) -> Facts:
    return {"product": event.product_name, "stock": event.current_stock, "minimum": event.min_stock}


def _order_ready_channels(event: OrderReady) -> tuple[Channel, ...]:
    """Only a push message when a courier picks up the order; all channels when the customer does."""
    return (PUSH,) if event.fulfilment_type == FulfilmentType.DELIVERY else (EMAIL, SMS, PUSH)


def _format_timestamp(timestamp: Timestamp) -> str | None:
    """RFC 3339; None for an unset timestamp."""
    return timestamp.ToDatetime(UTC).isoformat() if timestamp.seconds else None


def _enum_name(enum: Any, value: int) -> str:
    """The name of the value in lower case; empty for UNSPECIFIED and for a value that this build does not have."""
    name: str = enum.Value.Name(value) if value in enum.Value.values() else "UNSPECIFIED"
    return "" if name == "UNSPECIFIED" else name.lower()


EVENT_RULES: Final = (
    # Invited staff get the invitation instead.
    EventRule(CustomerRegistered, types.WELCOME, lambda _: {}, applies=lambda event: not event.invited),
    EventRule(OrderConfirmed, types.ORDER_CONFIRMED, _order_facts),
    EventRule(OrderPreparing, types.ORDER_PREPARING, _order_facts),
    EventRule(OrderReady, types.ORDER_READY, _order_facts, channels=_order_ready_channels),
    EventRule(OrderDispatched, types.ORDER_DISPATCHED, _order_facts),
    EventRule(OrderDelivered, types.ORDER_DELIVERED, _order_facts),
    EventRule(OrderCancelled, types.ORDER_CANCELLED, _cancellation_facts),
    EventRule(OrderAssigned, types.ORDER_ASSIGNED, _assignment_facts, Audience.ASSIGNEE),
    EventRule(PaymentFailed, types.PAYMENT_FAILED, lambda event: {"amount": event.amount.minor_units}),
    EventRule(
        RefundProcessed, types.REFUND_PROCESSED, lambda event: {"amount": event.amount.minor_units, "cash": event.cash}
    ),
    EventRule(
        SurplusRefunded, types.REFUND_PROCESSED, lambda event: {"amount": event.amount.minor_units, "cash": False}
    ),
    EventRule(PointsEarned, types.POINTS_EARNED, _points_facts),
    EventRule(TierChanged, types.TIER_CHANGED, _tier_facts),
    EventRule(StockLow, types.STOCK_LOW, _low_stock_facts, Audience.STORE_MANAGERS),
    EventRule(
        ProductOutOfStock,
        types.OUT_OF_STOCK,
        lambda event: {"product": event.product_name},
        Audience.STORE_MANAGERS,
    ),
    # Without a customer_id, the author of the review is erased.
    EventRule(ReviewResponded, types.REVIEW_ANSWERED, lambda _: {}, applies=lambda event: bool(event.customer_id)),
)
_RULES_BY_EVENT: Final = {rule.event.DESCRIPTOR.full_name: rule for rule in EVENT_RULES}
