"""The one table: which event tells whom what, through which channels, and what the text may say of it.

`Told` rows are for events; the others are sent by rpc. A message's category decides about preferences and quiet hours
(model.decide), `good_for` how long it is worth sending.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final

from google.protobuf.message import Message as Event
from google.protobuf.timestamp_pb2 import Timestamp
from jainshikanji.customer.v1.events_pb2 import CustomerRegistered
from jainshikanji.inventory.v1.events_pb2 import ProductOutOfStock, StockLow
from jainshikanji.loyalty.v1.events_pb2 import PointsEarned, TierChanged
from jainshikanji.loyalty.v1.tier_pb2 import LoyaltyTier
from jainshikanji.notification.v1.notification_service_pb2 import CodeKind
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
from jainshikanji.type.v1.fulfilment_type_pb2 import FulfilmentType

from services.notification.model import Category, Channel

EMAIL, SMS, PUSH = Channel.EMAIL, Channel.SMS, Channel.PUSH
Facts = dict[str, Any]

_DAY = timedelta(days=1)
_WHILE_IT_LASTS = timedelta(hours=3)


@dataclass(frozen=True, slots=True)
class Kind:
    """A message the platform knows. Its texts lie in `texts/<language>/<name>.txt` and are tried on `sample`."""

    name: str
    category: Category
    channels: tuple[Channel, ...]
    good_for: timedelta = 3 * _DAY
    sample: Mapping[str, Any] = field(default_factory=dict)


class Audience(Enum):
    """Whom an event concerns."""

    CUSTOMER = "the account in the event's customer_id"
    MANAGERS = "the managers of the event's store"
    ASSIGNED = "the chef or courier who was given the order"


@dataclass(frozen=True, slots=True)
class Told:
    """An event and the message it becomes. `applies` may pick among events of the type."""

    event: type[Event]
    kind: Kind
    facts: Callable[[Any], Facts]
    audience: Audience = Audience.CUSTOMER
    applies: Callable[[Any], bool] = lambda _: True
    channels: Callable[[Any], tuple[Channel, ...]] | None = None

    def channels_for(self, event: Any) -> tuple[Channel, ...]:
        """Through which channels this event is told."""
        return self.channels(event) if self.channels else self.kind.channels


def instant(when: Timestamp) -> str | None:
    """RFC 3339; None for a time that is not set."""
    return when.ToDatetime(UTC).isoformat() if when.seconds else None


def of_created_order(event: OrderCreated) -> Facts:
    """What mails may say of an order, from its first event."""
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
        "payment_method": _word(PaymentMethod, event.payment_method),
        "fulfilment": _word(FulfilmentType, event.fulfilment_type),
        "placed_at": instant(event.occurred_at),
    }


def of_order(event: Any) -> Facts:
    """What every later event of an order says of it."""
    order: Facts = {
        "number": event.order_number,
        "total": event.total.minor_units,
        "payment_method": _word(PaymentMethod, event.payment_method),
        "fulfilment": _word(FulfilmentType, event.fulfilment_type),
    }
    if "estimated_delivery_at" in event.DESCRIPTOR.fields_by_name:
        order["expected_at"] = instant(event.estimated_delivery_at)
    return {"order": order}


def _word(enum: Any, value: int) -> str:
    """The enum's word in lower case; empty for one that this build does not know."""
    name: str = enum.Value.Name(value) if value in enum.Value.values() else "UNSPECIFIED"
    return "" if name == "UNSPECIFIED" else name.lower()


def _of_cancellation(event: OrderCancelled) -> Facts:
    return {**of_order(event), "reason": _word(CancellationReason, event.reason)}


def _of_points(event: PointsEarned) -> Facts:
    return {"points": event.points, "balance": event.balance, "expires_at": instant(event.expires_at)}


def _of_tier(event: TierChanged) -> Facts:
    return {"tier": _word(LoyaltyTier, event.tier), "up": event.tier > event.previous_tier}


def _of_low_stock(event: StockLow) -> Facts:
    return {"product": event.product_name, "stock": event.current_stock, "minimum": event.min_stock}


def _mail_only_to_fetch(event: OrderReady) -> tuple[Channel, ...]:
    """Food that a courier fetches is worth a push message; a guest who fetches it is also written to."""
    return (PUSH,) if event.fulfilment_type == FulfilmentType.DELIVERY else (EMAIL, SMS, PUSH)


_SAMPLE_TIME: Final = datetime(2026, 1, 14, 14, 15, tzinfo=UTC).isoformat()
_ORDER: Final = {
    "order": {
        "number": "ORD-7K3M-9QX2",
        "lines": [{"name": "Jain Pav Bhaji", "quantity": 2, "subtotal": 49800}],
        "subtotal": 49800,
        "tax": 2490,
        "delivery_fee": 4000,
        "discount": 5000,
        "loyalty_discount": 0,
        "total": 51290,
        "payment_method": "cod",
        "fulfilment": "delivery",
        "placed_at": _SAMPLE_TIME,
        "expected_at": _SAMPLE_TIME,
    }
}
_CODE: Final = {"code": "483920", "expires_at": _SAMPLE_TIME}
_SECRET: Final = timedelta(hours=1)

WELCOME = Kind("welcome", Category.ACCOUNT, (EMAIL,))
ORDER_CONFIRMED = Kind("order_confirmed", Category.ORDER, (EMAIL, SMS, PUSH), _DAY, _ORDER)
ORDER_PREPARING = Kind("order_preparing", Category.ORDER, (PUSH,), _WHILE_IT_LASTS, _ORDER)
ORDER_READY = Kind("order_ready", Category.ORDER, (EMAIL, SMS, PUSH), _WHILE_IT_LASTS, _ORDER)
ORDER_DISPATCHED = Kind("order_dispatched", Category.ORDER, (EMAIL, SMS, PUSH), _WHILE_IT_LASTS, _ORDER)
ORDER_DELIVERED = Kind("order_delivered", Category.ORDER, (EMAIL, PUSH), _DAY, _ORDER)
ORDER_CANCELLED = Kind(
    "order_cancelled", Category.ORDER, (EMAIL, SMS, PUSH), 3 * _DAY, {**_ORDER, "reason": "payment_timeout"}
)
ORDER_ASSIGNED = Kind("order_assigned", Category.ORDER, (PUSH,), _WHILE_IT_LASTS, {**_ORDER, "courier": True})
PAYMENT_FAILED = Kind("payment_failed", Category.ORDER, (EMAIL, PUSH), _WHILE_IT_LASTS, {**_ORDER, "amount": 51290})
REFUND_PROCESSED = Kind(
    "refund_processed", Category.ORDER, (EMAIL, SMS, PUSH), 7 * _DAY, {**_ORDER, "amount": 51290, "cash": False}
)
POINTS_EARNED = Kind(
    "points_earned",
    Category.LOYALTY,
    (EMAIL, PUSH),
    sample={**_ORDER, "points": 51, "balance": 230, "expires_at": _SAMPLE_TIME},
)
TIER_CHANGED = Kind("tier_changed", Category.LOYALTY, (EMAIL, PUSH), sample={"tier": "gold", "up": True})
STOCK_LOW = Kind(
    "stock_low", Category.OPERATIONS, (EMAIL, PUSH), sample={"product": "Kokum Shikanji", "stock": 4, "minimum": 5}
)
OUT_OF_STOCK = Kind("product_out_of_stock", Category.OPERATIONS, (EMAIL, PUSH), sample={"product": "Kokum Shikanji"})
REVIEW_ANSWERED = Kind("review_answered", Category.ACCOUNT, (EMAIL, PUSH))
ANNOUNCEMENT = Kind(
    "announcement", Category.ACCOUNT, (EMAIL, SMS, PUSH), sample={"title": "A new dish", "body": "Come and taste it."}
)
EMAIL_VERIFICATION = Kind("email_verification", Category.SECURITY, (EMAIL,), _SECRET, _CODE)
PASSWORD_RESET = Kind("password_reset", Category.SECURITY, (EMAIL,), _SECRET, _CODE)
STAFF_INVITATION = Kind("staff_invitation", Category.SECURITY, (EMAIL,), _SECRET, _CODE)

KINDS: Final = {
    kind.name: kind
    for kind in (
        WELCOME, ORDER_CONFIRMED, ORDER_PREPARING, ORDER_READY, ORDER_DISPATCHED, ORDER_DELIVERED, ORDER_CANCELLED,
        ORDER_ASSIGNED, PAYMENT_FAILED, REFUND_PROCESSED, POINTS_EARNED, TIER_CHANGED, STOCK_LOW, OUT_OF_STOCK,
        REVIEW_ANSWERED, ANNOUNCEMENT, EMAIL_VERIFICATION, PASSWORD_RESET, STAFF_INVITATION,
    )
}  # fmt: skip

CODES: Final = {
    CodeKind.EMAIL_VERIFICATION: EMAIL_VERIFICATION,
    CodeKind.PASSWORD_RESET: PASSWORD_RESET,
    CodeKind.STAFF_INVITATION: STAFF_INVITATION,
}

TOLD: Final = (
    # An invited person is welcomed by the invitation.
    Told(CustomerRegistered, WELCOME, lambda _: {}, applies=lambda event: not event.invited),
    Told(OrderConfirmed, ORDER_CONFIRMED, of_order),
    Told(OrderPreparing, ORDER_PREPARING, of_order),
    Told(OrderReady, ORDER_READY, of_order, channels=_mail_only_to_fetch),
    Told(OrderDispatched, ORDER_DISPATCHED, of_order),
    Told(OrderDelivered, ORDER_DELIVERED, of_order),
    Told(OrderCancelled, ORDER_CANCELLED, _of_cancellation),
    Told(
        OrderAssigned,
        ORDER_ASSIGNED,
        lambda event: {"order": {"number": event.order_number}, "courier": bool(event.delivery_person_id)},
        Audience.ASSIGNED,
    ),
    Told(PaymentFailed, PAYMENT_FAILED, lambda event: {"amount": event.amount.minor_units}),
    Told(RefundProcessed, REFUND_PROCESSED, lambda event: {"amount": event.amount.minor_units, "cash": event.cash}),
    Told(SurplusRefunded, REFUND_PROCESSED, lambda event: {"amount": event.amount.minor_units, "cash": False}),
    Told(PointsEarned, POINTS_EARNED, _of_points),
    Told(TierChanged, TIER_CHANGED, _of_tier),
    Told(StockLow, STOCK_LOW, _of_low_stock, Audience.MANAGERS),
    Told(ProductOutOfStock, OUT_OF_STOCK, lambda event: {"product": event.product_name}, Audience.MANAGERS),
    Told(ReviewResponded, REVIEW_ANSWERED, lambda _: {}, applies=lambda event: bool(event.customer_id)),
)
