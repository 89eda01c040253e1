"""Months as ranges of UUIDv7: the bounds of the partitions of `orders`.

The first 48 bits of a UUIDv7 are the milliseconds since 1970, so the ids of a month are a range.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID


def first_id(timestamp: datetime) -> UUID:
    """The lowest UUIDv7 of this or a later time."""
    return UUID(int=int(timestamp.timestamp() * 1000) << 80)


def months(start: datetime, count: int) -> Iterator[datetime]:
    """The beginnings (UTC) of `count` months, from the month of `start` on."""
    year, month = start.year, start.month
    for _ in range(count):
        yield datetime(year, month, 1, tzinfo=UTC)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)  # noqa: PLR2004
