"""Partitions of `orders`."""

from __future__ import annotations

from chassis.clock import now
from chassis.database import sql
from services.order import queries
from services.order.app import OrderApp
from services.order.model.months import months

MONTHS_AHEAD = 4


async def create_partitions(app: OrderApp) -> None:
    """Creates the partitions of the next months. A lock timeout leaves the rest to the next run."""
    for month in months(now(), MONTHS_AHEAD):
        async with app.db.transaction() as tx:
            await tx.run(queries.partitions.SET_LOCK_TIMEOUT)
            await tx.run(sql(queries.partitions.partition_ddl(month)))
