"""The verdict on a gateway's report, for every state of the payment and every stored status of the attempt."""

from __future__ import annotations

from decimal import Decimal
from typing import get_args

import pytest

from services.payment.model.attempts import AttemptReport, AttemptStatus, Verdict, judge_report, sort_reports
from services.payment.rows import PaymentRow
from tests.unit.payment.rows import payment_row

STATES = ("pending", "processing", "failed", "cancelled", "completed", "refunded")


def payment(status: str) -> PaymentRow:
    return payment_row(status=status, amount=Decimal("249.00"), currency="INR")


def report(status: str, amount: str = "249.00", currency: str = "INR", transaction_id: str = "pay_1") -> AttemptReport:
    assert status in get_args(AttemptStatus)
    return AttemptReport("order_1", transaction_id, status, Decimal(amount), currency, "upi")  # type: ignore[arg-type]


@pytest.mark.parametrize("state", ["pending", "processing", "failed", "cancelled"])
def test_the_first_exact_capture_is_kept_in_every_open_or_cancelled_state(state: str) -> None:
    assert judge_report(payment(state), None, report("captured"), is_confirmed=False) is Verdict.KEPT


@pytest.mark.parametrize("state", ["completed", "refunded"])
def test_a_second_capture_is_surplus(state: str) -> None:
    assert judge_report(payment(state), None, report("captured"), is_confirmed=False) is Verdict.SURPLUS


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("reported", get_args(AttemptStatus))
@pytest.mark.parametrize("is_confirmed", [True, False])
def test_a_report_about_a_captured_attempt_has_no_effect(state: str, reported: str, is_confirmed: bool) -> None:
    assert judge_report(payment(state), "captured", report(reported), is_confirmed=is_confirmed) is Verdict.KNOWN


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    ("amount", "currency"), [("248.99", "INR"), ("249.01", "INR"), ("249.00", "USD"), ("0", "INR")]
)
def test_a_wrong_amount_never_completes_a_payment(state: str, amount: str, currency: str) -> None:
    wrong = report("captured", amount, currency)
    assert judge_report(payment(state), None, wrong, is_confirmed=False) is Verdict.MISMATCHED
    assert judge_report(payment(state), "mismatched", wrong, is_confirmed=False) is Verdict.KNOWN
    assert judge_report(payment(state), "mismatched", wrong, is_confirmed=True) is Verdict.SURPLUS


def test_the_api_of_the_gateway_overrides_its_webhook() -> None:
    assert judge_report(payment("processing"), "mismatched", report("captured"), is_confirmed=True) is Verdict.KEPT


def test_a_late_failure_does_not_change_a_known_attempt() -> None:
    assert judge_report(payment("processing"), "failed", report("failed"), is_confirmed=False) is Verdict.KNOWN
    assert judge_report(payment("processing"), "authorized", report("failed"), is_confirmed=False) is Verdict.DECLINED
    assert judge_report(payment("failed"), "failed", report("captured"), is_confirmed=False) is Verdict.KEPT
    assert judge_report(payment("failed"), "failed", report("authorized"), is_confirmed=False) is Verdict.KNOWN


def test_captures_are_sorted_first_and_the_oldest_comes_before_the_others() -> None:
    newest_first = [
        report("captured", transaction_id="pay_4"),
        report("failed", transaction_id="pay_3"),
        report("captured", transaction_id="pay_2"),
        report("failed", transaction_id="pay_1"),
    ]
    assert [each.transaction_id for each in sort_reports(newest_first)] == ["pay_2", "pay_4", "pay_1", "pay_3"]
