"""The life of an order: every step that exists, none that does not, and who may take it."""

from __future__ import annotations

import itertools

import pytest

from chassis.errors import PermissionDenied
from services.order.model import states
from services.order.model.refusals import OrderNotCancellable, OrderTransitionRefused

STATES = list(states.STEPS)
FULFILMENTS = ["delivery", "pickup", "dine-in"]
# The rule book, written out once more by hand.
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
def test_only_the_steps_of_the_rule_book_exist(current: str, target: str, fulfilment: str) -> None:
    step = (current, target)
    wrong_way = NOT_FOR_DELIVERY if fulfilment == "delivery" else ONLY_FOR_DELIVERY
    if step in EXISTING and step != wrong_way:
        states.check_step(current, target, fulfilment)
    else:
        with pytest.raises(OrderTransitionRefused) as refused:
            states.check_step(current, target, fulfilment)
        assert refused.value.metadata == {"current": current.upper(), "target": target.upper()}


ALLOWED = {
    "chef": {"preparing", "ready"},
    "delivery": {"out_for_delivery", "delivered"},
    "cashier": {"preparing", "ready", "out_for_delivery", "delivered", "cancelled"},
    "manager": {"preparing", "ready", "out_for_delivery", "delivered", "cancelled"},
    "admin": {"preparing", "ready", "out_for_delivery", "delivered", "cancelled"},
    "support": {"cancelled"},
}


@pytest.mark.parametrize(("job", "target"), list(itertools.product(ALLOWED, STATES)))
def test_each_job_takes_its_own_steps_and_no_other(job: str, target: str) -> None:
    if target in ALLOWED[job]:
        states.check_job({job}, "confirmed", target)
    else:
        with pytest.raises(PermissionDenied):
            states.check_job({job}, "confirmed", target)


def test_nobody_confirms_or_refunds_by_hand() -> None:
    for target in ("pending", "confirmed", "refunded"):
        with pytest.raises(PermissionDenied):
            states.check_job(set(ALLOWED), "pending", target)


@pytest.mark.parametrize("job", ["cashier", "support"])
def test_a_failed_delivery_is_the_managers(job: str) -> None:
    states.check_job({"manager"}, "out_for_delivery", "cancelled")
    states.check_job({"admin"}, "out_for_delivery", "cancelled")
    with pytest.raises(PermissionDenied):
        states.check_job({job}, "out_for_delivery", "cancelled")


def test_two_jobs_add_up() -> None:
    states.check_job({"chef", "delivery"}, "ready", "out_for_delivery")


@pytest.mark.parametrize("current", STATES)
def test_customers_cancel_until_the_kitchen_begins(current: str) -> None:
    if current in {"pending", "confirmed"}:
        states.check_customer_cancels(current)
    else:
        with pytest.raises(OrderNotCancellable):
            states.check_customer_cancels(current)
