"""The states of payments and refunds, and the transitions between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PENDING: Final = "pending"
PROCESSING: Final = "processing"
COMPLETED: Final = "completed"
FAILED: Final = "failed"
REFUNDED: Final = "refunded"
CANCELLED: Final = "cancelled"

# A capture is final: it completes a payment that has failed or was cancelled before the capture became known. A failed
# payment returns to PROCESSING only when the customer starts another attempt.
_TRANSITIONS: Final[Mapping[str, frozenset[str]]] = {
    PENDING: frozenset({PROCESSING, COMPLETED, FAILED, CANCELLED}),
    PROCESSING: frozenset({COMPLETED, FAILED, CANCELLED}),
    FAILED: frozenset({PROCESSING, COMPLETED, CANCELLED}),
    CANCELLED: frozenset({COMPLETED}),
    COMPLETED: frozenset({REFUNDED}),
    REFUNDED: frozenset(),
}
# The states in which a payment can still be paid.
OPEN: Final = frozenset({PENDING, PROCESSING, FAILED})

_REFUND_TRANSITIONS: Final[Mapping[str, frozenset[str]]] = {
    PENDING: frozenset({PROCESSING, COMPLETED, FAILED}),
    PROCESSING: frozenset({COMPLETED, FAILED}),
    COMPLETED: frozenset(),
    FAILED: frozenset(),
}


class IllegalTransition(Exception):
    """The code requested a transition that does not exist. This is a bug; callers of the service never see it."""

    def __init__(self, before: str, after: str) -> None:
        super().__init__(f"a payment cannot go from {before} to {after}")
        self.before, self.after = before, after


def is_transition(before: str, after: str) -> bool:
    """Whether a payment can go from `before` to `after`."""
    return after in _TRANSITIONS[before]


def check_transition(before: str, after: str) -> None:
    """Raises IllegalTransition when a payment cannot go from `before` to `after`."""
    if not is_transition(before, after):
        raise IllegalTransition(before, after)


def refund_states_before(after: str) -> frozenset[str]:
    """The states from which a refund can go to `after`."""
    return frozenset(before for before, targets in _REFUND_TRANSITIONS.items() if after in targets)
