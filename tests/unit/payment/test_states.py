"""The states of payments and refunds: which transitions exist, and which do not."""

from __future__ import annotations

import itertools

import pytest
from jainshikanji.payment.v1 import payment_pb2

from services.payment import wire
from services.payment.model import states

TRANSITIONS = {
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
REFUND_TRANSITIONS = {
    ("pending", "processing"),
    ("pending", "completed"),
    ("pending", "failed"),
    ("processing", "completed"),
    ("processing", "failed"),
}


@pytest.mark.parametrize(("before", "after"), [*itertools.product(wire.STATUSES.names(), repeat=2)])
def test_a_payment_has_exactly_the_listed_transitions(before: str, after: str) -> None:
    assert states.is_transition(before, after) is ((before, after) in TRANSITIONS)


@pytest.mark.parametrize(("before", "after"), [*itertools.product(wire.REFUND_STATUSES.names(), repeat=2)])
def test_a_refund_has_exactly_the_listed_transitions(before: str, after: str) -> None:
    assert (before in states.refund_states_before(after)) is ((before, after) in REFUND_TRANSITIONS)


def test_a_closed_payment_never_becomes_pending_or_processing() -> None:
    assert not any(states.is_transition(closed, "pending") for closed in wire.STATUSES.names())
    assert not any(states.is_transition(closed, "processing") for closed in ("completed", "refunded", "cancelled"))


def test_a_transition_that_does_not_exist_raises() -> None:
    with pytest.raises(states.IllegalTransition) as raised:
        states.check_transition("completed", "failed")
    assert (raised.value.before, raised.value.after) == ("completed", "failed")


def test_every_value_of_the_database_has_its_enum_value() -> None:
    assert wire.METHODS.names() == ["upi", "card", "netbanking", "cod", "wallet", "emi"]
    assert wire.PROVIDERS.names() == ["razorpay", "stripe", "paytm"]
    assert sorted(wire.STATUSES.names()) == ["cancelled", "completed", "failed", "pending", "processing", "refunded"]
    assert wire.STATUSES.to_proto("completed") == payment_pb2.PaymentStatus.COMPLETED
    assert wire.REFUND_STATUSES.from_proto(payment_pb2.RefundStatus.PROCESSING) == "processing"
