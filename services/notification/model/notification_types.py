"""The notifications that the platform sends: name, category, channels, validity, sample facts.

The category decides which preferences and quiet hours apply (`dispatches.decide_delivery`). Amounts in facts are in
paise, timestamps are in RFC 3339.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final


class Channel(StrEnum):
    """How a message reaches its recipient."""

    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"


class Category(StrEnum):
    """What a notification is about; decides which preferences and quiet hours apply."""

    SECURITY = "security"
    ORDER = "order"
    ACCOUNT = "account"
    LOYALTY = "loyalty"
    OPERATIONS = "operations"
    MARKETING = "marketing"


EMAIL, SMS, PUSH = Channel.EMAIL, Channel.SMS, Channel.PUSH

_DAY: Final = timedelta(days=1)
# For messages about a step that the next step makes obsolete.
_SHORT: Final = timedelta(hours=3)
_CODE_VALIDITY: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class NotificationType:
    """A kind of notification. Its templates are in `texts/<language>/<name>.txt`; `sample` is for checking overrides.

    A message is not sent after `valid_for`.
    """

    name: str
    category: Category
    channels: tuple[Channel, ...]
    valid_for: timedelta = 3 * _DAY
    sample: Mapping[str, Any] = field(default_factory=dict)


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

WELCOME = NotificationType("welcome", Category.ACCOUNT, (EMAIL,))
ORDER_CONFIRMED = NotificationType("order_confirmed", Category.ORDER, (EMAIL, SMS, PUSH), _DAY, _ORDER)
ORDER_PREPARING = NotificationType("order_preparing", Category.ORDER, (PUSH,), _SHORT, _ORDER)
ORDER_READY = NotificationType("order_ready", Category.ORDER, (EMAIL, SMS, PUSH), _SHORT, _ORDER)
ORDER_DISPATCHED = NotificationType("order_dispatched", Category.ORDER, (EMAIL, SMS, PUSH), _SHORT, _ORDER)
ORDER_DELIVERED = NotificationType("order_delivered", Category.ORDER, (EMAIL, PUSH), _DAY, _ORDER)
ORDER_CANCELLED = NotificationType(
    "order_cancelled", Category.ORDER, (EMAIL, SMS, PUSH), 3 * _DAY, {**_ORDER, "reason": "payment_timeout"}
)
ORDER_ASSIGNED = NotificationType("order_assigned", Category.ORDER, (PUSH,), _SHORT, {**_ORDER, "courier": True})
PAYMENT_FAILED = NotificationType("payment_failed", Category.ORDER, (EMAIL, PUSH), _SHORT, {**_ORDER, "amount": 51290})
REFUND_PROCESSED = NotificationType(
    "refund_processed", Category.ORDER, (EMAIL, SMS, PUSH), 7 * _DAY, {**_ORDER, "amount": 51290, "cash": False}
)
POINTS_EARNED = NotificationType(
    "points_earned",
    Category.LOYALTY,
    (EMAIL, PUSH),
    sample={**_ORDER, "points": 51, "balance": 230, "expires_at": _SAMPLE_TIME},
)
TIER_CHANGED = NotificationType("tier_changed", Category.LOYALTY, (EMAIL, PUSH), sample={"tier": "gold", "up": True})
STOCK_LOW = NotificationType(
    "stock_low", Category.OPERATIONS, (EMAIL, PUSH), sample={"product": "Kokum Shikanji", "stock": 4, "minimum": 5}
)
OUT_OF_STOCK = NotificationType(
    "product_out_of_stock", Category.OPERATIONS, (EMAIL, PUSH), sample={"product": "Kokum Shikanji"}
)
REVIEW_ANSWERED = NotificationType("review_answered", Category.ACCOUNT, (EMAIL, PUSH))
ANNOUNCEMENT = NotificationType(
    "announcement", Category.ACCOUNT, (EMAIL, SMS, PUSH), sample={"title": "A new dish", "body": "Come and taste it."}
)
EMAIL_VERIFICATION = NotificationType("email_verification", Category.SECURITY, (EMAIL,), _CODE_VALIDITY, _CODE)
PASSWORD_RESET = NotificationType("password_reset", Category.SECURITY, (EMAIL,), _CODE_VALIDITY, _CODE)
STAFF_INVITATION = NotificationType("staff_invitation", Category.SECURITY, (EMAIL,), _CODE_VALIDITY, _CODE)

NOTIFICATION_TYPES: Final = {
    each.name: each
    for each in (
        WELCOME, ORDER_CONFIRMED, ORDER_PREPARING, ORDER_READY, ORDER_DISPATCHED, ORDER_DELIVERED, ORDER_CANCELLED,
        ORDER_ASSIGNED, PAYMENT_FAILED, REFUND_PROCESSED, POINTS_EARNED, TIER_CHANGED, STOCK_LOW, OUT_OF_STOCK,
        REVIEW_ANSWERED, ANNOUNCEMENT, EMAIL_VERIFICATION, PASSWORD_RESET, STAFF_INVITATION,
    )
}  # fmt: skip
