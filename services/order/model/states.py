"""The state machine of an order: its states, its transitions, and the jobs that may perform them."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal, TypeAlias
from uuid import UUID

from chassis.errors import PermissionDenied
from services.order.errors import OrderNotCancellable, OrderTransitionRefused

OrderStatus: TypeAlias = Literal[
    "pending", "confirmed", "preparing", "ready", "out_for_delivery", "delivered", "cancelled", "refunded"
]

PENDING = "pending"
CONFIRMED = "confirmed"
PREPARING = "preparing"
READY = "ready"
OUT_FOR_DELIVERY = "out_for_delivery"
DELIVERED = "delivered"
CANCELLED = "cancelled"
REFUNDED = "refunded"

DELIVERY = "delivery"

# The transitions from each state, for all fulfilment types together.
TRANSITIONS: dict[str, frozenset[str]] = {
    PENDING: frozenset({CONFIRMED, CANCELLED}),
    CONFIRMED: frozenset({PREPARING, CANCELLED}),
    PREPARING: frozenset({READY, CANCELLED}),
    READY: frozenset({OUT_FOR_DELIVERY, DELIVERED, CANCELLED}),
    OUT_FOR_DELIVERY: frozenset({DELIVERED, CANCELLED}),
    DELIVERED: frozenset({REFUNDED}),
    CANCELLED: frozenset({REFUNDED}),
    REFUNDED: frozenset(),
}
# Fulfilment is over.
CLOSED = frozenset({DELIVERED, CANCELLED, REFUNDED})
# No payment is due any more.
NOT_PAYABLE = frozenset({CANCELLED, REFUNDED})
# The kitchen has not started: cancelling returns the items to stock.
BEFORE_PREPARATION = frozenset({PENDING, CONFIRMED})
# A courier may be delivering the order.
UNDER_WAY = frozenset({READY, OUT_FOR_DELIVERY})

ADMIN_JOB = "admin"
MANAGER_JOB = "manager"
CHEF_JOB = "chef"
CASHIER_JOB = "cashier"
COURIER_JOB = "delivery"
SUPPORT_JOB = "support"

_ALL_TARGETS = frozenset({PREPARING, READY, OUT_FOR_DELIVERY, DELIVERED, CANCELLED})
# The states to which each job may move an order.
TARGETS_BY_JOB: dict[str, frozenset[str]] = {
    ADMIN_JOB: _ALL_TARGETS,
    MANAGER_JOB: _ALL_TARGETS,
    CASHIER_JOB: _ALL_TARGETS,
    CHEF_JOB: frozenset({PREPARING, READY}),
    COURIER_JOB: frozenset({OUT_FOR_DELIVERY, DELIVERED}),
    SUPPORT_JOB: frozenset({CANCELLED}),
}
# The jobs that may cancel an order that is out for delivery: a failed delivery.
_FAILED_DELIVERY_JOBS = frozenset({ADMIN_JOB, MANAGER_JOB})

CUSTOMER_REQUEST = "customer_request"
STORE_REQUEST = "store_request"
PAYMENT_TIMEOUT = "payment_timeout"
DELIVERY_FAILED = "delivery_failed"

CASH = "cod"
PAYMENT_PENDING = "pending"
PAYMENT_COMPLETED = "completed"
PAYMENT_FAILED = "failed"
PAYMENT_REFUNDED = "refunded"
UNPAID = frozenset({PAYMENT_PENDING, "processing", PAYMENT_FAILED})


def check_transition(current: str, target: str, fulfilment_type: str) -> None:
    """Raises OrderTransitionRefused unless orders of that fulfilment type have the transition."""
    inapplicable = DELIVERED if fulfilment_type == DELIVERY else OUT_FOR_DELIVERY
    if target not in TRANSITIONS[current] or (current == READY and target == inapplicable):
        raise OrderTransitionRefused(current, target)


def jobs_that_may_set(target: str, jobs: AbstractSet[str]) -> frozenset[str]:
    """Those of the jobs that may move orders to the state."""
    return frozenset(job for job in jobs if target in TARGETS_BY_JOB.get(job, frozenset()))


def check_job(jobs: AbstractSet[str], current: str, target: str) -> None:
    """Raises PermissionDenied unless one of the jobs may perform the transition."""
    allowed = jobs_that_may_set(target, jobs)
    if target == CANCELLED and current == OUT_FOR_DELIVERY:
        allowed &= _FAILED_DELIVERY_JOBS
    if not allowed:
        raise PermissionDenied(f"your job in this store does not permit moving orders to {target.upper()}")


def check_customer_may_cancel(current: str) -> None:
    """Raises OrderNotCancellable once the kitchen may have started."""
    if current not in BEFORE_PREPARATION:
        raise OrderNotCancellable(current)


@dataclass(frozen=True, slots=True)
class Actor:
    """The author of a change. `role` is a job, `customer` or `system`; the history shows it."""

    role: str
    account_id: UUID | None = None


CUSTOMER_ROLE = "customer"
SYSTEM = Actor("system")
