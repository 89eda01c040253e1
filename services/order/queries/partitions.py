"""The months of `orders`: its partitions, by ranges of UUIDv7."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chassis.database import Statement, sql
from services.order.model.months import first_id, months

# A new partition locks its table: rather no partition now than every order behind that lock.
IMPATIENT = sql("SET LOCAL lock_timeout = '1s'")


def create_partition(month: datetime) -> Statement[Any]:
    """Makes the partition of one month, given by its first moment; does nothing when it is there."""
    _, following = months(month, 2)
    return sql(
        f"CREATE TABLE IF NOT EXISTS orders_y{month:%Y}m{month:%m} PARTITION OF orders "
        f"FOR VALUES FROM ('{first_id(month)}') TO ('{first_id(following)}')"
    )
