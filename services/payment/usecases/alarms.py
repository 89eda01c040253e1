"""Alarms: inconsistencies between payments and gateways that a person must resolve. They hold no personal data."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import structlog
from prometheus_client import Counter

log = structlog.get_logger(__name__)

ALARMS = Counter("payment_alarms_total", "Payment mismatches that a person must resolve", ["kind"])
WEBHOOKS = Counter("payment_notices_total", "Webhooks of gateways", ["provider", "outcome"])

AlarmKind: TypeAlias = Literal[
    "wrong_amount",
    "attempt_of_another_payment",
    "capture_of_unknown_order",
    "payment_of_unknown_order",
    "refund_without_gateway",
    "refund_rejected",
    "refund_of_wrong_amount",
    "refund_failed",
    "refunded_beyond_capture",
    "cash_to_return",
]
# An alert sees an increase only of a series that exists before it: every kind starts at 0.
for _kind in get_args(AlarmKind):
    ALARMS.labels(_kind)


def raise_alarm(kind: AlarmKind, **facts: object) -> None:
    """Counts and logs an alarm, with the ids and amounts that it concerns."""
    ALARMS.labels(kind).inc()
    log.error("payment alarm", alarm=kind, **{name: str(value) for name, value in facts.items()})
