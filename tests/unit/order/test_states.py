"""The state machine of an order: its transitions, no others, and the jobs that may perform them."""

from __future__ import annotations

import itertools

import pytest

from chassis.errors import PermissionDenied
from services.order.errors import OrderNotCancellable, OrderTransitionRefused
from services.order.model import states

STATES = list(states.TRANSITIONS)
FULFILMENTS = ["delivery", "pickup", "dine-in"]
# The specification, written independently of the code.
EXISTING = {
    ("pending", "confirmed"),
    ("pending", "cancelled"),
    ("confirmed", "preparing"),
    ("confirmed", "cancelled"),
    ("preparing", "ready"),
    ("preparing", "cancelled"),
    ("ready", "out_for_delivery"),
    ("ready", "delivered"),
    ("ready", "cancelled"),
    ("out_for_delivery", "delivered"),
    ("out_for_delivery", "cancelled"),
    ("delivered", "refunded"),
    ("cancelled", "refunded"),
}
NOT_FOR_DELIVERY = ("ready", "delivered")
ONLY_FOR_DELIVERY = ("ready", "out_for_delivery")


@pytest.mark.parametrize(("current", "target", "fulfilment"), list(itertools.product(STATES, STATES, FULFILMENTS)))
def test_only_the_specified_transitions_exist(current: str, target: str, fulfilment: str) -> None:
    transition = (current, target)
    inapplicable = NOT_FOR_DELIVERY if fulfilment == "delivery" else ONLY_FOR_DELIVERY
    if transition in EXISTING and transition != inapplicable:
        states.check_transition(current, target, fulfilment)
    else:
        with pytest.raises(OrderTransitionRefused) as failed:
            states.check_transition(current, target, fulfilment)
        assert failed.value.metadata == {"current": current.upper(), "target": target.upper()}


ALLOWED = {
    "chef": {"preparing", "ready"},
    "delivery": {"out_for_delivery", "delivered"},
    "cashier": {"preparing", "ready", "out_for_delivery", "delivered", "cancelled"},
    "manager": {"preparing", "ready", "out_for_delivery", "delivered", "cancelled"},
    "admin": {"preparing", "ready", "out_for_delivery", "delivered", "cancelled"},
    "support": {"cancelled"},
}


@pytest.mark.parametrize(("job", "target"), list(itertools.product(ALLOWED, STATES)))
def test_each_job_performs_only_its_own_transitions(job: str, target: str) -> None:
    if target in ALLOWED[job]:
        states.check_job({job}, "confirmed", target)
    else:
        with pytest.raises(PermissionDenied):
            states.check_job({job}, "confirmed", target)


def test_no_job_confirms_or_refunds_an_order() -> None:
    for target in ("pending", "confirmed", "refunded"):
        with pytest.raises(PermissionDenied):
            states.check_job(set(ALLOWED), "pending", target)


@pytest.mark.parametrize("job", ["cashier", "support"])
def test_only_managers_and_admins_cancel_a_failed_delivery(job: str) -> None:
    states.check_job({"manager"}, "out_for_delivery", "cancelled")
    states.check_job({"admin"}, "out_for_delivery", "cancelled")
    with pytest.raises(PermissionDenied):
        states.check_job({job}, "out_for_delivery", "cancelled")


def test_an_account_with_two_jobs_may_do_what_either_may() -> None:
    states.check_job({"chef", "delivery"}, "ready", "out_for_delivery")


@pytest.mark.parametrize("current", STATES)
def test_customers_cancel_until_the_kitchen_starts(current: str) -> None:
    if current in {"pending", "confirmed"}:
        states.check_customer_may_cancel(current)
    else:
        with pytest.raises(OrderNotCancellable):
            states.check_customer_may_cancel(current)
