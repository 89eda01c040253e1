"""The rules of payments: which are paid online, and which can be paid now."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from chassis.clock import now
from services.payment.errors import NotPaidOnline, PaymentClosed, PaymentExpired
from services.payment.model.payments import check_payable, is_paid_online, needs_gateway_order
from tests.unit.payment.rows import payment_row


def test_cash_and_an_amount_of_0_are_not_paid_online() -> None:
    assert is_paid_online("upi", Decimal("0.01"))
    assert not is_paid_online("upi", Decimal("0.00"))
    assert not is_paid_online("cod", Decimal("1.00"))


def test_an_open_online_payment_that_has_not_expired_can_be_paid() -> None:
    time = now()
    check_payable(payment_row(status="failed", expires_at=time), time)
    with pytest.raises(PaymentExpired):
        check_payable(payment_row(expires_at=time - timedelta(seconds=1)), time)
    with pytest.raises(NotPaidOnline):
        check_payable(payment_row(provider=None), time)


@pytest.mark.parametrize("status", ["completed", "refunded", "cancelled"])
def test_a_closed_payment_cannot_be_paid(status: str) -> None:
    with pytest.raises(PaymentClosed) as raised:
        check_payable(payment_row(status=status), now())
    assert raised.value.metadata == {"status": status.upper()}


def test_only_an_open_online_payment_without_one_needs_a_gateway_order() -> None:
    assert needs_gateway_order(payment_row(provider_order_id=None))
    assert not needs_gateway_order(payment_row(provider_order_id="order_1"))
    assert not needs_gateway_order(payment_row(provider_order_id=None, provider=None))
    assert not needs_gateway_order(payment_row(provider_order_id=None, status="cancelled"))
