"""Opening hours: schedules, the week, exceptional dates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from chassis import Caller
from chassis.clock import now
from chassis.database.rows import parameters
from chassis.errors import InvalidArgument, NotFound
from services.store import queries
from services.store.app import StoreApp
from services.store.commands import SetHoursException, UpdateOperatingHours
from services.store.errors import TooManyExceptions
from services.store.model.hours import (
    HORIZON,
    ExceptionalDate,
    Interval,
    OperatingHours,
    Schedule,
    find_overlap_in_day,
    find_overlap_in_week,
    find_time_zone,
    read_interval,
)
from services.store.rows import NewInterval, ScheduleRow
from services.store.usecases.stores import change_store

MAX_EXCEPTIONS = 366
MAX_DAYS_AHEAD = 730


class VersionedStore(Protocol):
    """A row of a store with its version."""

    @property
    def id(self) -> UUID: ...

    @property
    def version(self) -> int: ...


async def get_operating_hours(app: StoreApp, caller: Caller, store_id: UUID) -> OperatingHours:
    """The week, the coming exceptions, and whether the store is open now. Raises NotFound."""
    rows = await app.db.all(queries.LIST_SCHEDULES, store_ids=[store_id])
    if not rows:
        raise NotFound
    return _describe_hours(rows[0], now())


def _describe_hours(row: ScheduleRow, at: dt.datetime) -> OperatingHours:
    schedule = make_schedule(row)
    yesterday = at.astimezone(schedule.zone).date() - dt.timedelta(days=1)
    exceptions = [
        ExceptionalDate(date, schedule.exceptions[date], reason)
        for text, _, _, reason in row.exceptions
        if (date := dt.date.fromisoformat(text)) >= yesterday
    ]
    opening = schedule.find_opening(at)
    closes = opening.closes if opening is not None and opening.closes <= at + HORIZON else None
    return OperatingHours(
        store_id=row.id,
        version=row.version,
        time_zone=row.time_zone,
        week=schedule.week,
        exceptions=exceptions,
        is_open=opening is not None and bool(row.takes_orders),
        open_until=closes,
        next_opening=schedule.find_next_opening(at) if opening is None else None,
    )


def make_schedule(row: ScheduleRow) -> Schedule:
    """The schedule of a row. Raises LookupError for a time zone that this machine does not know."""
    zone = find_time_zone(row.time_zone)
    if zone is None:
        raise LookupError(f"the time zone database lacks {row.time_zone}")
    week: dict[int, list[Interval]] = {}
    for day, opens, closes in row.week:
        week.setdefault(day, []).append(read_interval(opens, closes))
    exceptions = {
        dt.date.fromisoformat(date): [read_interval(*times) for times in zip(opens, closes, strict=True)]
        for date, opens, closes, _ in row.exceptions
    }
    return Schedule(zone, week, exceptions)


async def get_schedules(app: StoreApp, stores: Sequence[VersionedStore]) -> Mapping[UUID, Schedule]:
    """The schedules of these stores, none older than the version of its row."""
    missing = [row.id for row in stores if app.schedules.get(row.id, (0,))[0] != row.version]
    if missing:
        for row in await app.db.all(queries.LIST_SCHEDULES, store_ids=missing):
            app.schedules[row.id] = (row.version, make_schedule(row))
    return {row.id: app.schedules[row.id][1] for row in stores}


async def update_operating_hours(app: StoreApp, caller: Caller, command: UpdateOperatingHours) -> OperatingHours:
    """Replaces the week. Raises InvalidArgument for overlapping intervals, NotFound, StaleEtag."""
    overlap = find_overlap_in_week(command.week)
    if overlap is not None:
        first_day, first, second_day, second = overlap
        raise InvalidArgument("days", f"day {first_day} {_text(first)} overlaps day {second_day} {_text(second)}")
    intervals = [
        NewInterval(store_id=command.store_id, day_of_week=day, open_time=interval.opens, close_time=interval.closes)
        for day, of_day in command.week.items()
        for interval in of_day
    ]
    async with app.db.transaction() as tx:
        await change_store(app, tx, command.store_id, known_version=command.known_version)
        await tx.run(queries.DELETE_WEEK, store_id=command.store_id)
        await tx.many(queries.INSERT_INTERVAL, map(parameters, intervals))
    return await get_operating_hours(app, caller, command.store_id)


async def set_exception(app: StoreApp, caller: Caller, command: SetHoursException) -> OperatingHours:
    """Sets the hours of one date.

    Raises InvalidArgument for overlapping intervals and for dates in the past or more than two years ahead, NotFound,
    TooManyExceptions.
    """
    overlap = find_overlap_in_day(command.intervals)
    if overlap is not None:
        raise InvalidArgument("intervals", f"{_text(overlap[0])} overlaps {_text(overlap[1])}")
    async with app.db.transaction() as tx:
        store = await change_store(app, tx, command.store_id)
        _check_date(command.date, _today(store.time_zone))
        await tx.run(
            queries.SET_EXCEPTION,
            store_id=command.store_id,
            date=command.date,
            open_times=[interval.opens for interval in command.intervals],
            close_times=[interval.closes for interval in command.intervals],
            reason=command.reason,
        )
        if (await tx.one(queries.COUNT_EXCEPTIONS, store_id=command.store_id) or 0) > MAX_EXCEPTIONS:
            raise TooManyExceptions(MAX_EXCEPTIONS)
    return await get_operating_hours(app, caller, command.store_id)


async def delete_exception(app: StoreApp, caller: Caller, store_id: UUID, date: dt.date) -> None:
    """Removes the exceptional hours of the date. Raises NotFound for an unknown store."""
    async with app.db.transaction() as tx:
        await change_store(app, tx, store_id)
        await tx.run(queries.DELETE_EXCEPTION, store_id=store_id, date=date)


def _today(time_zone: str) -> dt.date:
    return now().astimezone(find_time_zone(time_zone)).date()


def _check_date(date: dt.date, today: dt.date) -> None:
    if not today <= date <= today + dt.timedelta(days=MAX_DAYS_AHEAD):
        raise InvalidArgument("date", f"must be today or later, and at most {MAX_DAYS_AHEAD} days ahead")


def _text(interval: Interval) -> str:
    return f"{interval.opens:%H:%M}-{interval.closes:%H:%M}"
