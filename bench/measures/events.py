"""From an accepted order to everybody who hears of it, while 200 orders a second come in."""

from __future__ import annotations

from datetime import datetime
from statistics import quantiles
from typing import LiteralString
from uuid import UUID

import psycopg

from bench import load
from bench.arena import Arena
from bench.findings import Figure, Goal, Section
from bench.measures.placing import script
from bench.stack import StackFailed

ORDERS_PER_SECOND = 200
CONNECTIONS = 20
# Who hears OrderConfirmed with a guarantee.
CONSUMERS = ("inventory", "loyalty", "notification", "analytics")
_CYCLE = 1000 * CONNECTIONS / ORDERS_PER_SECOND
# wrk waits so many milliseconds before each request of a connection.
_PACED = """
delay = function() return math.random(0, %d) end
"""
_ACCEPTED = """
    SELECT event_id, occurred_at FROM outbox
    WHERE type = 'jainshikanji.order.v1.OrderConfirmed' AND occurred_at >= %s
"""
_ARRIVED = "SELECT event_id, handled_at FROM inbox WHERE handled_at >= %s"


def measure(arena: Arena) -> Section:
    """Both times are PostgreSQL's: the order's transaction begins, the last consumer's transaction begins."""
    pace = _CYCLE
    # An answer's time is part of the cycle; what it is shows a first run.
    for _ in range(2):
        begun, paced = (
            _database_time(arena),
            load.run(
                arena.stack.url,
                script(arena) + _PACED % (2 * pace),
                connections=CONNECTIONS,
                seconds=3.0 if arena.fast else 15.0,
                directory=arena.directory,
            ),
        )
        pace = max(0.0, _CYCLE - paced.p50)
    arena.settle()
    accepted = _moments(arena, "order", _ACCEPTED, begun)
    arrived = {name: _moments(arena, name, _ARRIVED, begun) for name in CONSUMERS}
    lost = sum(event_id not in events for events in arrived.values() for event_id in accepted)
    if not accepted:
        raise StackFailed("no order was accepted while events were timed")
    last = _milliseconds(accepted, [arrived[name] for name in CONSUMERS])
    return Section(
        f"from an accepted order to its {len(CONSUMERS)} consumers",
        figures=[
            Figure("orders accepted", paced.rate, "orders/s"),
            *(Figure(f"at {name}, p50", _percentile(_milliseconds(accepted, [arrived[name]]), 50), "ms")
              for name in CONSUMERS),
            Figure("at the last one, p50", _percentile(last, 50), "ms"),
            Figure("at the last one, p99", _percentile(last, 99), "ms"),
        ],
        goals=[
            Goal("event at every consumer, p50", _percentile(last, 50), 20.0, 5.0, unit="ms", at_least=False),
            Goal("event at every consumer, p99", _percentile(last, 99), 50.0, unit="ms", at_least=False),
        ],
        failures=lost + paced.errors,
    )  # fmt: skip


def _database_time(arena: Arena) -> datetime:
    row = arena.connection("order").execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    assert isinstance(row[0], datetime)
    return row[0]


def _moments(arena: Arena, service: str, query: LiteralString, since: datetime) -> dict[UUID, datetime]:
    """Event -> moment."""
    with psycopg.connect(arena.stack.processes.postgres.url(service)) as connection:
        found: list[tuple[UUID, datetime]] = connection.execute(query, (since,)).fetchall()
    return dict(found)


def _milliseconds(accepted: dict[UUID, datetime], consumers: list[dict[UUID, datetime]]) -> list[float]:
    """Until the last of these consumers had the event, for each event that all of them had."""
    return [
        1000 * (max(events[event_id] for events in consumers) - moment).total_seconds()
        for event_id, moment in accepted.items()
        if all(event_id in events for events in consumers)
    ]


def _percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100)[percent - 1] if len(values) > 1 else 0.0
