"""The states of a payment and of a refund: which steps exist, and which do not."""

from __future__ import annotations

import itertools

import pytest
from jainshikanji.payment.v1 import payment_pb2

from services.payment import model, wire

STEPS = {
    ("pending", "processing"),
    ("pending", "completed"),
    ("pending", "failed"),
    ("pending", "cancelled"),
    ("processing", "completed"),
    ("processing", "failed"),
    ("processing", "cancelled"),
    ("failed", "processing"),
    ("failed", "completed"),
    ("failed", "cancelled"),
    ("cancelled", "completed"),
    ("completed", "refunded"),
}
REFUND_STEPS = {
    ("pending", "processing"),
    ("pending", "completed"),
    ("pending", "failed"),
    ("processing", "completed"),
    ("processing", "failed"),
}


@pytest.mark.parametrize(("before", "after"), [*itertools.product(wire.STATUSES.names(), repeat=2)])
def test_a_payment_takes_exactly_the_steps_that_are_written_down(before: str, after: str) -> None:
    assert model.may_become(before, after) is ((before, after) in STEPS)


@pytest.mark.parametrize(("before", "after"), [*itertools.product(wire.REFUND_STATUSES.names(), repeat=2)])
def test_a_refund_takes_exactly_the_steps_that_are_written_down(before: str, after: str) -> None:
    assert (before in model.refunds_before(after)) is ((before, after) in REFUND_STEPS)


def test_no_money_flows_back_into_waiting() -> None:
    assert not any(model.may_become(closed, "pending") for closed in wire.STATUSES.names())
    assert not any(model.may_become(closed, "processing") for closed in ("completed", "refunded", "cancelled"))


def test_a_step_that_does_not_exist_is_a_bug_and_says_so() -> None:
    with pytest.raises(model.IllegalStep) as wrong:
        model.step("completed", "failed")
    assert (wrong.value.before, wrong.value.after) == ("completed", "failed")


def test_every_word_of_the_database_has_its_enum_value() -> None:
    assert wire.METHODS.names() == ["upi", "card", "netbanking", "cod", "wallet", "emi"]
    assert wire.PROVIDERS.names() == ["razorpay", "stripe", "paytm"]
    assert sorted(wire.STATUSES.names()) == ["cancelled", "completed", "failed", "pending", "processing", "refunded"]
    assert wire.STATUSES.to_proto("completed") == payment_pb2.PaymentStatus.COMPLETED
    assert wire.REFUND_STATUSES.from_proto(payment_pb2.RefundStatus.PROCESSING) == "processing"
