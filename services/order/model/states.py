"""The life of an order: its states, the steps between them, and who may take which."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from uuid import UUID

from chassis.errors import PermissionDenied
from services.order.model.refusals import OrderNotCancellable, OrderTransitionRefused

PENDING = "pending"
CONFIRMED = "confirmed"
PREPARING = "preparing"
READY = "ready"
OUT_FOR_DELIVERY = "out_for_delivery"
DELIVERED = "delivered"
CANCELLED = "cancelled"
REFUNDED = "refunded"

DELIVERY = "delivery"

# The states that an order can go to from each state, whatever its fulfilment type.
STEPS: dict[str, frozenset[str]] = {
    PENDING: frozenset({CONFIRMED, CANCELLED}),
    CONFIRMED: frozenset({PREPARING, CANCELLED}),
    PREPARING: frozenset({READY, CANCELLED}),
    READY: frozenset({OUT_FOR_DELIVERY, DELIVERED, CANCELLED}),
    OUT_FOR_DELIVERY: frozenset({DELIVERED, CANCELLED}),
    DELIVERED: frozenset({REFUNDED}),
    CANCELLED: frozenset({REFUNDED}),
    REFUNDED: frozenset(),
}
# No more food moves.
CLOSED = frozenset({DELIVERED, CANCELLED, REFUNDED})
# Nothing is owed for it any more.
GIVEN_UP = frozenset({CANCELLED, REFUNDED})
# The kitchen has not touched anything: what is held or taken can go back on the shelf.
UNTOUCHED = frozenset({PENDING, CONFIRMED})
# A courier may be on the way.
UNDER_WAY = frozenset({READY, OUT_FOR_DELIVERY})

ADMIN_JOB = "admin"
MANAGER_JOB = "manager"
CHEF_JOB = "chef"
CASHIER_JOB = "cashier"
COURIER_JOB = "delivery"
SUPPORT_JOB = "support"

_ANY_STEP = frozenset({PREPARING, READY, OUT_FOR_DELIVERY, DELIVERED, CANCELLED})
# Which states each job may move an order to.
STEPS_OF_JOB: dict[str, frozenset[str]] = {
    ADMIN_JOB: _ANY_STEP,
    MANAGER_JOB: _ANY_STEP,
    CASHIER_JOB: _ANY_STEP,
    CHEF_JOB: frozenset({PREPARING, READY}),
    COURIER_JOB: frozenset({OUT_FOR_DELIVERY, DELIVERED}),
    SUPPORT_JOB: frozenset({CANCELLED}),
}
# Who may give up an order that is with the courier: a failed delivery.
_FAILED_DELIVERY_JOBS = frozenset({ADMIN_JOB, MANAGER_JOB})

CUSTOMER_REQUEST = "customer_request"
STORE_REQUEST = "store_request"
PAYMENT_TIMEOUT = "payment_timeout"
DELIVERY_FAILED = "delivery_failed"

CASH = "cod"
UNPAID = frozenset({"pending", "processing", "failed"})


def check_step(current: str, target: str, fulfilment_type: str) -> None:
    """Raises OrderTransitionRefused unless an order of that fulfilment type has the step."""
    needless = DELIVERED if fulfilment_type == DELIVERY else OUT_FOR_DELIVERY
    if target not in STEPS[current] or (current == READY and target == needless):
        raise OrderTransitionRefused(current, target)


def check_job(jobs: AbstractSet[str], current: str, target: str) -> None:
    """Raises PermissionDenied unless one of the jobs may take the step."""
    allowed = frozenset(job for job in jobs if target in STEPS_OF_JOB.get(job, frozenset()))
    if target == CANCELLED and current == OUT_FOR_DELIVERY:
        allowed &= _FAILED_DELIVERY_JOBS
    if not allowed:
        raise PermissionDenied(f"your job in this store does not move orders to {target.upper()}")


def check_customer_cancels(current: str) -> None:
    """Raises OrderNotCancellable once the kitchen may have begun."""
    if current not in UNTOUCHED:
        raise OrderNotCancellable(current)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who changes an order. `word` is the job, `customer` or `system`; it is what the history shows."""

    word: str
    account_id: UUID | None = None


SYSTEM = Actor("system")
