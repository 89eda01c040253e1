"""What a gateway's report means, for every state of the payment and all that is known of the attempt."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from services.payment.gateways.port import AttemptReport, AttemptStatus
from services.payment.usecases.attempts import Verdict, judge
from services.payment.usecases.payments import in_order

STATES = ("pending", "processing", "failed", "cancelled", "completed", "refunded")


def payment(status: str) -> Any:
    return SimpleNamespace(status=status, amount=Decimal("249.00"), currency="INR")


def report(status: str, amount: str = "249.00", currency: str = "INR", transaction_id: str = "pay_1") -> AttemptReport:
    assert status in get_args(AttemptStatus)
    return AttemptReport("order_1", transaction_id, status, Decimal(amount), currency, "upi")  # type: ignore[arg-type]


def known(status: str) -> Any:
    return SimpleNamespace(status=status)


@pytest.mark.parametrize("state", ["pending", "processing", "failed", "cancelled"])
def test_the_first_exact_capture_is_kept_whatever_was_decided_before(state: str) -> None:
    assert judge(payment(state), None, report("captured"), asked=False) is Verdict.KEPT


@pytest.mark.parametrize("state", ["completed", "refunded"])
def test_a_second_capture_is_surplus(state: str) -> None:
    assert judge(payment(state), None, report("captured"), asked=False) is Verdict.SURPLUS


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("told", get_args(AttemptStatus))
@pytest.mark.parametrize("asked", [True, False])
def test_nothing_follows_from_an_attempt_that_is_captured_already(state: str, told: str, asked: bool) -> None:
    assert judge(payment(state), known("captured"), report(told), asked=asked) is Verdict.KNOWN


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    ("amount", "currency"), [("248.99", "INR"), ("249.01", "INR"), ("249.00", "USD"), ("0", "INR")]
)
def test_a_wrong_amount_never_confirms(state: str, amount: str, currency: str) -> None:
    told = report("captured", amount, currency)
    assert judge(payment(state), None, told, asked=False) is Verdict.DOUBTED
    assert judge(payment(state), known("mismatched"), told, asked=False) is Verdict.KNOWN
    assert judge(payment(state), known("mismatched"), told, asked=True) is Verdict.SURPLUS


def test_the_gateway_may_correct_what_its_webhook_said() -> None:
    assert judge(payment("processing"), known("mismatched"), report("captured"), asked=True) is Verdict.KEPT


def test_a_late_failure_does_not_undo_what_is_known() -> None:
    assert judge(payment("processing"), known("failed"), report("failed"), asked=False) is Verdict.KNOWN
    assert judge(payment("processing"), known("authorized"), report("failed"), asked=False) is Verdict.DECLINED
    assert judge(payment("failed"), known("failed"), report("captured"), asked=False) is Verdict.KEPT
    assert judge(payment("failed"), known("failed"), report("authorized"), asked=False) is Verdict.KNOWN


def test_captures_are_applied_first_and_the_oldest_of_them_is_kept() -> None:
    newest_first = [
        report("captured", transaction_id="pay_4"),
        report("failed", transaction_id="pay_3"),
        report("captured", transaction_id="pay_2"),
        report("failed", transaction_id="pay_1"),
    ]
    assert [each.transaction_id for each in in_order(newest_first)] == ["pay_2", "pay_4", "pay_1", "pay_3"]
