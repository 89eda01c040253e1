"""Periods of days in a time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

PLATFORM_ZONE: Final = "Asia/Kolkata"


def list_zones(store_zone: str | None) -> tuple[str, ...]:
    """The time zones of a store's roll-ups: the platform's, and the store's own if it differs."""
    if store_zone in (None, PLATFORM_ZONE):
        return (PLATFORM_ZONE,)
    assert store_zone is not None
    return (PLATFORM_ZONE, store_zone)


@dataclass(frozen=True, slots=True)
class Period:
    """Days of a time zone, and the stores to include: one, those of `store_ids`, or all (`everywhere`)."""

    first: date
    last: date
    zone: str
    store_id: UUID | None
    everywhere: bool
    store_ids: list[UUID]

    @property
    def days(self) -> int:
        """The number of days."""
        return (self.last - self.first).days + 1

    @property
    def previous(self) -> Period:
        """The period of the same length just before."""
        length = timedelta(days=self.days)
        return Period(
            self.first - length, self.last - length, self.zone, self.store_id, self.everywhere, self.store_ids
        )

    def day_parameters(self) -> dict[str, Any]:
        """Parameters of statements on roll-ups."""
        return {"first": self.first, "last": self.last, "zone": self.zone, **self._stores()}

    def time_parameters(self) -> dict[str, Any]:
        """Parameters of statements on timestamps: from the first midnight to the midnight after the last day."""
        return {
            "start": self._midnight(self.first),
            "end": self._midnight(self.last + timedelta(days=1)),
            **self._stores(),
        }

    def _stores(self) -> dict[str, Any]:
        return {"everywhere": self.everywhere, "store_ids": self.store_ids}

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), ZoneInfo(self.zone)).astimezone(UTC)
