"""Rows for unit tests."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from chassis.clock import now
from services.payment.rows import PaymentRow

PAYMENT_ID = UUID("019346b4-0000-7000-8000-000000000001")
ORDER_ID = UUID("019346b4-0000-7000-8000-000000000002")
CUSTOMER_ID = UUID("019346b4-0000-7000-8000-000000000003")
STORE_ID = UUID("019346b4-0000-7000-8000-000000000004")


def payment_row(**changes: Any) -> PaymentRow:
    """A pending online payment of 249.00 INR, with changes."""
    row = PaymentRow(
        id=PAYMENT_ID,
        payment_id=str(PAYMENT_ID),
        order_id=ORDER_ID,
        customer_id=CUSTOMER_ID,
        store_id=STORE_ID,
        order_number="JS-7K2M-94QX",
        payment_method="upi",
        provider="razorpay",
        provider_order_id="order_1",
        amount=Decimal("249.00"),
        currency="INR",
        status="pending",
        failure_reason=None,
        transaction_id=None,
        captured_amount=Decimal("0.00"),
        refunded_amount=Decimal("0.00"),
        expires_at=None,
        initiated_at=now(),
        completed_at=None,
        failed_at=None,
        version=1,
    )
    return row._replace(**changes)
