"""The rules of refunds: how much can be refunded, and who may refund it."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest

from chassis import Caller, Grant, ids
from chassis.errors import InvalidArgument
from services.payment.errors import CashRefundNeedsManager, RefundOverLimit, RefundTooLarge
from services.payment.model.refunds import check_refund_authority, choose_refund_amount, may_refund_without_limit
from tests.unit.payment.rows import STORE_ID, payment_row

LIMIT = Decimal("500.00")
PAID = payment_row(status="completed", amount=Decimal("900.00"), captured_amount=Decimal("900.00"))


def staff(role: str, store_id: UUID = STORE_ID) -> Caller:
    return Caller(account_id=ids.new_id(), grants=(Grant(store_id, role),))


def test_without_an_amount_the_whole_remainder_is_refunded() -> None:
    payment = PAID._replace(refunded_amount=Decimal("100.00"))
    assert choose_refund_amount(payment, None, None) == Decimal("800.00")
    assert choose_refund_amount(payment, Decimal("800.00"), "INR") == Decimal("800.00")


def test_a_refund_above_the_remainder_is_rejected_with_the_remainder_in_minor_units() -> None:
    payment = PAID._replace(refunded_amount=Decimal("100.00"))
    with pytest.raises(RefundTooLarge) as raised:
        choose_refund_amount(payment, Decimal("800.01"), "INR")
    assert raised.value.metadata == {"refundable": "80000"}


def test_a_payment_that_is_refunded_in_full_has_nothing_to_refund() -> None:
    with pytest.raises(RefundTooLarge):
        choose_refund_amount(PAID._replace(refunded_amount=Decimal("900.00")), None, None)


def test_a_refund_in_another_currency_is_rejected() -> None:
    with pytest.raises(InvalidArgument):
        choose_refund_amount(PAID, Decimal("1.00"), "USD")


def test_the_limit_of_a_cashier_includes_earlier_refunds_of_the_payment() -> None:
    payment = PAID._replace(refunded_amount=Decimal("300.00"))
    check_refund_authority(staff("CASHIER"), payment, Decimal("200.00"), LIMIT)
    with pytest.raises(RefundOverLimit) as raised:
        check_refund_authority(staff("CASHIER"), payment, Decimal("200.01"), LIMIT)
    assert raised.value.metadata == {"limit": "50000"}


def test_a_cashier_may_not_refund_cash() -> None:
    with pytest.raises(CashRefundNeedsManager):
        check_refund_authority(staff("CASHIER"), PAID._replace(payment_method="cod"), Decimal("1.00"), LIMIT)


def test_administrators_and_managers_of_the_store_refund_without_limit() -> None:
    assert may_refund_without_limit(Caller(roles=frozenset({"ADMIN"})), STORE_ID)
    assert may_refund_without_limit(staff("MANAGER"), STORE_ID)
    assert not may_refund_without_limit(staff("MANAGER", ids.new_id()), STORE_ID)
    assert not may_refund_without_limit(staff("CASHIER"), STORE_ID)
