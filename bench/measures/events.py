"""Latency from an accepted order to its event consumers, at 200 orders per second."""

from __future__ import annotations

from datetime import datetime
from statistics import quantiles
from typing import LiteralString
from uuid import UUID

import psycopg

from bench import load
from bench.context import BenchContext
from bench.measures.order_placement import make_script
from bench.sections import Figure, Goal, Section
from bench.stack import StackFailed

ORDERS_PER_SECOND = 200
CONNECTIONS = 20
# Durable consumers of OrderConfirmed.
CONSUMERS = ("inventory", "loyalty", "notification", "analytics")
_CYCLE = 1000 * CONNECTIONS / ORDERS_PER_SECOND
# Delay in milliseconds before each request of a connection.
_DELAY = """
delay = function() return math.random(0, %d) end
"""
_ACCEPTED = """
    SELECT event_id, occurred_at FROM outbox
    WHERE type = 'jainshikanji.order.v1.OrderConfirmed' AND occurred_at >= %s
"""
_ARRIVED = "SELECT event_id, handled_at FROM inbox WHERE handled_at >= %s"


def measure(context: BenchContext) -> Section:
    """Both times are PostgreSQL's: start of the order's transaction, start of the last consumer's transaction."""
    pace = _CYCLE
    # The response time is part of the cycle; the first run measures it.
    for _ in range(2):
        begun, paced = (
            _read_database_time(context),
            load.run(
                context.stack.url,
                make_script(context) + _DELAY % (2 * pace),
                connections=CONNECTIONS,
                seconds=3.0 if context.fast else 15.0,
                directory=context.directory,
            ),
        )
        pace = max(0.0, _CYCLE - paced.p50)
    context.settle()
    accepted = _read_times(context, "order", _ACCEPTED, begun)
    arrived = {name: _read_times(context, name, _ARRIVED, begun) for name in CONSUMERS}
    lost = sum(event_id not in events for events in arrived.values() for event_id in accepted)
    if not accepted:
        raise StackFailed("no order was accepted during the measurement")
    last = _compute_latencies(accepted, [arrived[name] for name in CONSUMERS])
    return Section(
        f"from an accepted order to its {len(CONSUMERS)} consumers",
        figures=[
            Figure("orders accepted", paced.rate, "orders/s"),
            *(Figure(f"at {name}, p50", _compute_percentile(_compute_latencies(accepted, [arrived[name]]), 50), "ms")
              for name in CONSUMERS),
            Figure("at the last one, p50", _compute_percentile(last, 50), "ms"),
            Figure("at the last one, p99", _compute_percentile(last, 99), "ms"),
        ],
        goals=[
            Goal("event at every consumer, p50", _compute_percentile(last, 50), 20.0, 5.0, unit="ms", at_least=False),
            Goal("event at every consumer, p99", _compute_percentile(last, 99), 50.0, unit="ms", at_least=False),
        ],
        failures=lost + paced.errors,
    )  # fmt: skip


def _read_database_time(context: BenchContext) -> datetime:
    row = context.connection("order").execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    assert isinstance(row[0], datetime)
    return row[0]


def _read_times(context: BenchContext, service: str, query: LiteralString, since: datetime) -> dict[UUID, datetime]:
    """Time of each event, by its id."""
    with psycopg.connect(context.stack.processes.postgres.url(service)) as connection:
        found: list[tuple[UUID, datetime]] = connection.execute(query, (since,)).fetchall()
    return dict(found)


def _compute_latencies(accepted: dict[UUID, datetime], consumers: list[dict[UUID, datetime]]) -> list[float]:
    """Latency to the last of these consumers, for each event that all of them handled."""
    return [
        1000 * (max(events[event_id] for events in consumers) - moment).total_seconds()
        for event_id, moment in accepted.items()
        if all(event_id in events for events in consumers)
    ]


def _compute_percentile(values: list[float], percent: int) -> float:
    return quantiles(values, n=100)[percent - 1] if len(values) > 1 else 0.0
