"""Days, and the zones they are counted in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

PLATFORM_ZONE: Final = "Asia/Kolkata"


def zones_of(store_zone: str | None) -> tuple[str, ...]:
    """The zones whose days a store's orders are counted in: the platform's, and the store's own where it differs."""
    if store_zone in (None, PLATFORM_ZONE):
        return (PLATFORM_ZONE,)
    assert store_zone is not None
    return (PLATFORM_ZONE, store_zone)


@dataclass(frozen=True, slots=True)
class Period:
    """Days of a zone, and the stores that are asked for."""

    first: date
    last: date
    zone: str
    store_id: UUID | None
    everywhere: bool
    store_ids: list[UUID]

    @property
    def days(self) -> int:
        """How many."""
        return (self.last - self.first).days + 1

    @property
    def before(self) -> Period:
        """As many days, just before."""
        length = timedelta(days=self.days)
        return Period(
            self.first - length, self.last - length, self.zone, self.store_id, self.everywhere, self.store_ids
        )

    def of_days(self) -> dict[str, Any]:
        """Parameters of statements on roll-ups."""
        return {"first": self.first, "last": self.last, "zone": self.zone, **self._stores()}

    def of_moments(self) -> dict[str, Any]:
        """Parameters of statements on moments: from the first midnight to the one after the last day."""
        return {
            "start": self._midnight(self.first),
            "end": self._midnight(self.last + timedelta(days=1)),
            **self._stores(),
        }

    def _stores(self) -> dict[str, Any]:
        return {"everywhere": self.everywhere, "store_ids": self.store_ids}

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), ZoneInfo(self.zone)).astimezone(UTC)
