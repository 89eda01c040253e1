"""Months of UUIDv7: the bounds of the partitions of `orders`.

The first 48 bits of a UUIDv7 are the milliseconds since 1970, so a month of ids is a range of ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID


def first_id(moment: datetime) -> UUID:
    """The lowest UUID that a UUIDv7 of this moment, or later, can have."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def months(start: datetime, count: int) -> Iterator[datetime]:
    """The first moments (UTC) of `count` months, beginning with the one that holds `start`."""
    year, month = start.year, start.month
    for _ in range(count):
        yield datetime(year, month, 1, tzinfo=UTC)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)  # noqa: PLR2004
