"""When a store is open: stretches in its own zone, over midnight and changes of the clocks, with exceptions."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

# How far ahead a schedule looks, and how far ahead an order may be scheduled.
HORIZON = dt.timedelta(days=8)
DAYS_A_WEEK = 7
_MINUTE = dt.timedelta(minutes=1)
_DAY = dt.timedelta(days=1)
_MINUTES_A_DAY = 24 * 60
_MINUTES_A_WEEK = DAYS_A_WEEK * _MINUTES_A_DAY


def find_zone(name: str) -> ZoneInfo | None:
    """The IANA zone of this name; None when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of the database ("Asia") is an OSError
        return None


def day_of_week(day: dt.date) -> int:
    """0 is Sunday, as in the table."""
    return day.isoweekday() % DAYS_A_WEEK


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """Opens on its day; closes later that day, or on the next where `closes` is not later than `opens`."""

    opens: dt.time
    closes: dt.time

    @property
    def minutes(self) -> tuple[int, int]:
        """Begin and end in minutes of the day it begins on; the end may lie in the day after."""
        begin = self.opens.hour * 60 + self.opens.minute
        end = self.closes.hour * 60 + self.closes.minute
        return begin, end if end > begin else end + _MINUTES_A_DAY


@dataclass(frozen=True, slots=True)
class Opening:
    """A stretch of opening in absolute time: from `opens` on, until just before `closes`."""

    opens: dt.datetime
    closes: dt.datetime


@dataclass(frozen=True, slots=True)
class Schedule:
    """Hours of one store. A date in `exceptions` has those stretches instead of its day of the week's."""

    zone: ZoneInfo
    week: Mapping[int, Sequence[Interval]]
    exceptions: Mapping[dt.date, Sequence[Interval]] = field(default_factory=dict)

    def intervals_of(self, day: dt.date) -> Sequence[Interval]:
        """What begins on this date."""
        exceptional = self.exceptions.get(day)
        return self.week.get(day_of_week(day), ()) if exceptional is None else exceptional

    def opening_at(self, moment: dt.datetime) -> Opening | None:
        """The stretch that holds the moment, as far as the horizon reaches; None when the store is closed then."""
        opening = next(self._openings(moment), None)
        return opening if opening is not None and opening.opens <= moment else None

    def next_opening(self, moment: dt.datetime) -> dt.datetime | None:
        """When the store first opens after the moment, at most HORIZON ahead; of an open store: after it has closed."""
        return next((o.opens for o in self._openings(moment) if moment < o.opens <= moment + HORIZON), None)

    def _openings(self, moment: dt.datetime) -> Iterator[Opening]:
        """Stretches that end after the moment, in order, those that touch or overlap made one."""
        current: Opening | None = None
        for opening in self._stretches(moment):
            if current is None:
                current = opening
            elif opening.opens <= current.closes:
                current = Opening(current.opens, max(current.closes, opening.closes))
            else:
                yield current
                current = opening
        if current is not None:
            yield current

    def _stretches(self, moment: dt.datetime) -> Iterator[Opening]:
        # No stretch lasts longer than its day and the next: yesterday's may still be going on.
        first = moment.astimezone(self.zone).date() - _DAY
        for offset in range(HORIZON.days + 3):
            day = first + offset * _DAY
            for interval in sorted(self.intervals_of(day)):
                opening = self._on(day, interval)
                if opening.opens < opening.closes and opening.closes > moment:
                    yield opening

    def _on(self, day: dt.date, interval: Interval) -> Opening:
        last = day if interval.closes > interval.opens else day + _DAY
        opens = _moments(dt.datetime.combine(day, interval.opens), self.zone)
        closes = _moments(dt.datetime.combine(last, interval.closes), self.zone)
        return Opening(opens[0], closes[-1])


def _moments(local: dt.datetime, zone: ZoneInfo) -> tuple[dt.datetime, ...]:
    """What a time on the wall means: one moment, two where the clocks repeat it, the one after a skip."""
    while True:
        earlier, later = (local.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
        if earlier == later:
            return (earlier,)
        if earlier < later:
            return (earlier, later)
        local += _MINUTE  # the clocks skip this minute


def overlapping_in_day(intervals: Iterable[Interval]) -> tuple[Interval, Interval] | None:
    """Two stretches of one date that overlap, if any do. Touching is no overlap."""
    ordered = sorted(intervals)
    for before, after in pairwise(ordered):
        if before.minutes[1] > after.minutes[0]:
            return before, after
    return None


def overlapping_in_week(week: Mapping[int, Sequence[Interval]]) -> tuple[int, Interval, int, Interval] | None:
    """Two stretches of a week that overlap, with their days, also across midnight and from Saturday into Sunday."""
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
