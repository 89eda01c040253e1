"""The monthly partitions of `orders`, by ranges of UUIDv7."""

from __future__ import annotations

from datetime import datetime

from chassis.database import sql
from services.order.model.months import first_id, months

# Creating a partition locks the table: fail soon, so that orders do not queue behind a waiting lock.
SET_LOCK_TIMEOUT = sql("SET LOCAL lock_timeout = '1s'")


def partition_ddl(month: datetime) -> str:
    """Creates the partition of the month that begins at this time, unless it exists."""
    _, following = months(month, 2)
    return (
        f"CREATE TABLE IF NOT EXISTS orders_y{month:%Y}m{month:%m} PARTITION OF orders "
        f"FOR VALUES FROM ('{first_id(month)}') TO ('{first_id(following)}')"
    )
