"""Opening hours of a store: intervals in its time zone, across midnight and clock changes, with exceptional dates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

# How far ahead schedules are computed and orders may be scheduled.
HORIZON = dt.timedelta(days=8)
DAYS_A_WEEK = 7
_MINUTE = dt.timedelta(minutes=1)
_DAY = dt.timedelta(days=1)
_MINUTES_A_DAY = 24 * 60
_MINUTES_A_WEEK = DAYS_A_WEEK * _MINUTES_A_DAY


def find_time_zone(name: str) -> ZoneInfo | None:
    """The IANA time zone of this name; None when it does not exist."""
    try:
        return ZoneInfo(name)
    except (
        ZoneInfoNotFoundError,
        ValueError,
        OSError,
    ):  # a directory of the database ("Asia") raises OSError
        return None


def day_of_week(day: dt.date) -> int:
    """0 is Sunday, as in the database."""
    return day.isoweekday() % DAYS_A_WEEK


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """Opens on its day; closes later that day, or on the next day when `closes` is not later than `opens`."""

    opens: dt.time
    closes: dt.time

    @property
    def minutes(self) -> tuple[int, int]:
        """Start and end in minutes of the opening day; the end may be on the next day."""
        begin = self.opens.hour * 60 + self.opens.minute
        end = self.closes.hour * 60 + self.closes.minute
        return begin, end if end > begin else end + _MINUTES_A_DAY


def read_interval(opens: str, closes: str) -> Interval:
    """The interval of two ISO times."""
    return Interval(dt.time.fromisoformat(opens), dt.time.fromisoformat(closes))


@dataclass(frozen=True, slots=True)
class Opening:
    """An open period in UTC: `opens` is included, `closes` is not."""

    opens: dt.datetime
    closes: dt.datetime


@dataclass(frozen=True, slots=True)
class Schedule:
    """The hours of one store. A date in `exceptions` has those intervals instead of its weekday's."""

    zone: ZoneInfo
    week: Mapping[int, Sequence[Interval]]
    exceptions: Mapping[dt.date, Sequence[Interval]] = field(default_factory=dict)

    def intervals_of(self, day: dt.date) -> Sequence[Interval]:
        """The intervals that open on this date."""
        exceptional = self.exceptions.get(day)
        return self.week.get(day_of_week(day), ()) if exceptional is None else exceptional

    def find_opening(self, at: dt.datetime) -> Opening | None:
        """The open period at this time, computed up to the horizon; None when the store is closed."""
        opening = next(self._merged_openings(at), None)
        return opening if opening is not None and opening.opens <= at else None

    def find_next_opening(self, at: dt.datetime) -> dt.datetime | None:
        """When the store opens next, at most HORIZON ahead; an open store after its present open period."""
        return next((o.opens for o in self._merged_openings(at) if at < o.opens <= at + HORIZON), None)

    def _merged_openings(self, at: dt.datetime) -> Iterator[Opening]:
        """Open periods that end after this time, in order; adjacent and overlapping periods are merged."""
        current: Opening | None = None
        for opening in self._openings(at):
            if current is None:
                current = opening
            elif opening.opens <= current.closes:
                current = Opening(current.opens, max(current.closes, opening.closes))
            else:
                yield current
                current = opening
        if current is not None:
            yield current

    def _openings(self, at: dt.datetime) -> Iterator[Opening]:
        # An interval ends at the latest on the next day, so yesterday's may include this time.
        first = at.astimezone(self.zone).date() - _DAY
        for offset in range(HORIZON.days + 3):
            day = first + offset * _DAY
            for interval in sorted(self.intervals_of(day)):
                opening = self._on(day, interval)
                if opening.opens < opening.closes and opening.closes > at:
                    yield opening

    def _on(self, day: dt.date, interval: Interval) -> Opening:
        last = day if interval.closes > interval.opens else day + _DAY
        opens = _to_utc(dt.datetime.combine(day, interval.opens), self.zone)
        closes = _to_utc(dt.datetime.combine(last, interval.closes), self.zone)
        return Opening(opens[0], closes[-1])


@dataclass(frozen=True, slots=True)
class ExceptionalDate:
    """A date with hours of its own; no intervals means closed."""

    date: dt.date
    intervals: Sequence[Interval]
    reason: str


@dataclass(frozen=True, slots=True)
class OperatingHours:
    """The hours of a store, and whether it is open now. `open_until` and `next_opening` are within HORIZON."""

    store_id: UUID
    version: int
    time_zone: str
    week: Mapping[int, Sequence[Interval]]
    exceptions: Sequence[ExceptionalDate]
    is_open: bool
    open_until: dt.datetime | None
    next_opening: dt.datetime | None


def _to_utc(local: dt.datetime, zone: ZoneInfo) -> tuple[dt.datetime, ...]:
    """The UTC times of a local time: one, two when the clock repeats it, the next one when the clock skips it."""
    while True:
        earlier, later = (local.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
        if earlier == later:
            return (earlier,)
        if earlier < later:
            return (earlier, later)
        local += _MINUTE  # the clock skips this minute


def find_overlap_in_day(intervals: Iterable[Interval]) -> tuple[Interval, Interval] | None:
    """Two intervals of one date that overlap; None without overlap. Adjacent intervals do not overlap."""
    ordered = sorted(intervals)
    for before, after in pairwise(ordered):
        if before.minutes[1] > after.minutes[0]:
            return before, after
    return None


def find_overlap_in_week(week: Mapping[int, Sequence[Interval]]) -> tuple[int, Interval, int, Interval] | None:
    """Two intervals of a week that overlap, with their days, also across midnight and from Saturday to Sunday."""
    spans = sorted(
        (day * _MINUTES_A_DAY + interval.minutes[0], day * _MINUTES_A_DAY + interval.minutes[1], day, interval)
        for day, intervals in week.items()
        for interval in intervals
    )
    if not spans:
        return None
    begin, end, day, interval = spans[0]
    wrapped = (begin + _MINUTES_A_WEEK, end + _MINUTES_A_WEEK, day, interval)
    for before, after in zip(spans, [*spans[1:], wrapped], strict=True):
        if before[1] > after[0]:
            return before[2], before[3], after[2], after[3]
    return None
