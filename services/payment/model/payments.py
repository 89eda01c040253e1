"""Rules about payments: which are paid online, and which can be paid now."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

from services.payment.errors import NotPaidOnline, PaymentClosed, PaymentExpired
from services.payment.model.states import OPEN
from services.payment.rows import NewPayment, PaymentRow

COD: Final = "cod"


def is_paid_online(payment_method: str, amount: Decimal) -> bool:
    """Whether a gateway takes part. It does not for cash, and not for an amount of 0."""
    return payment_method != COD and amount > 0


def is_same_payment(payment: PaymentRow, new: NewPayment) -> bool:
    """Whether the payment that exists was started with the same details."""
    details = (payment.id, payment.order_id, payment.customer_id, payment.store_id, payment.amount, payment.currency)
    return details == (new.id, new.order_id, new.customer_id, new.store_id, new.amount, new.currency)


def needs_gateway_order(payment: PaymentRow) -> bool:
    """Whether the payment is open and its order at the gateway has not been created yet."""
    return payment.provider is not None and payment.provider_order_id is None and payment.status in OPEN


def check_payable(payment: PaymentRow, now: datetime) -> None:
    """Raises NotPaidOnline, PaymentClosed or PaymentExpired when the customer cannot pay online now."""
    if payment.provider is None:
        raise NotPaidOnline
    if payment.status not in OPEN:
        raise PaymentClosed(payment.status)
    if payment.expires_at is not None and payment.expires_at < now:
        raise PaymentExpired
