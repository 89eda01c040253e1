"""Money that does not add up: counted for whoever is on call, logged with the ids to look at, and never personal."""

from __future__ import annotations

import structlog
from prometheus_client import Counter

log = structlog.get_logger(__name__)

ALARMS = Counter("payment_alarms_total", "Money that does not add up, to be looked at by a person", ["kind"])
NOTICES = Counter("payment_notices_total", "Messages of gateways", ["provider", "outcome"])


def alarm(kind: str, **facts: object) -> None:
    """`kind` is a word such as `wrong_amount`; facts are ids and amounts."""
    ALARMS.labels(kind).inc()
    log.error("money does not add up", alarm=kind, **{name: str(value) for name, value in facts.items()})
