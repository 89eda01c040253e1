"""Alarms: inconsistencies between payments and gateways that a person must resolve. They hold no personal data."""

from __future__ import annotations

import structlog
from prometheus_client import Counter

log = structlog.get_logger(__name__)

ALARMS = Counter("payment_alarms_total", "Payment mismatches that a person must resolve", ["kind"])
WEBHOOKS = Counter("payment_notices_total", "Webhooks of gateways", ["provider", "outcome"])


def raise_alarm(kind: str, **facts: object) -> None:
    """Counts and logs an alarm of a kind such as `wrong_amount`, with the ids and amounts that it concerns."""
    ALARMS.labels(kind).inc()
    log.error("payment amount mismatch", alarm=kind, **{name: str(value) for name, value in facts.items()})
