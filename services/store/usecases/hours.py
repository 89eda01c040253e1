"""When stores are open: reading schedules, replacing the week, exceptional dates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from jainshikanji.store.v1.operating_hours_pb2 import OperatingHours

from chassis.clock import now
from chassis.database import Row
from chassis.errors import InvalidArgument, NotFound
from services.store import queries as q
from services.store import wire
from services.store.app import StoreApp
from services.store.model.hours import (
    HORIZON,
    Interval,
    Schedule,
    find_zone,
    overlapping_in_day,
    overlapping_in_week,
)
from services.store.model.refusals import TooManyExceptions
from services.store.usecases.stores import touch_store

MAX_EXCEPTIONS = 366
MAX_DAYS_AHEAD = 730


async def get_operating_hours(app: StoreApp, store_id: UUID) -> OperatingHours:
    """The week, the coming exceptions, and whether the store is open now. Raises NotFound."""
    rows = await app.db.all(q.SCHEDULES, store_ids=[store_id])
    if not rows:
        raise NotFound
    return _describe(rows[0], now())


def _describe(row: Row, moment: dt.datetime) -> OperatingHours:
    schedule = schedule_of(row)
    yesterday = moment.astimezone(schedule.zone).date() - dt.timedelta(days=1)
    exceptions = [
        (day, schedule.exceptions[day], reason)
        for text, _, _, reason in row.exceptions
        if (day := dt.date.fromisoformat(text)) >= yesterday
    ]
    message = wire.operating_hours_message(str(row.id), row.time_zone, row.version, schedule.week, exceptions)
    opening = schedule.opening_at(moment)
    message.is_open = opening is not None and row.takes_orders
    if opening is None:
        next_opening = schedule.next_opening(moment)
        if next_opening is not None:
            message.next_opening_at.FromDatetime(next_opening)
    elif opening.closes <= moment + HORIZON:
        message.open_until.FromDatetime(opening.closes)
    return message


def schedule_of(row: Row) -> Schedule:
    """A row of SCHEDULES as a schedule."""
    zone = find_zone(row.time_zone)
    if zone is None:
        raise LookupError(f"the time zone database lacks {row.time_zone}")
    week: dict[int, list[Interval]] = {}
    for day, opens, closes in row.week:
        week.setdefault(day, []).append(Interval(_time(opens), _time(closes)))
    exceptions = {
        dt.date.fromisoformat(day): [Interval(_time(o), _time(c)) for o, c in zip(opens, closes, strict=True)]
        for day, opens, closes, _ in row.exceptions
    }
    return Schedule(zone, week, exceptions)


def _time(text: str) -> dt.time:
    return dt.time.fromisoformat(text)


async def schedules(app: StoreApp, stores: Sequence[Any]) -> Mapping[UUID, Schedule]:
    """The schedules of these rows of stores, none older than the row's version."""
    wanted = [row.id for row in stores if app.schedules.get(row.id, (0,))[0] != row.version]
    if wanted:
        for row in await app.db.all(q.SCHEDULES, store_ids=wanted):
            app.schedules[row.id] = (row.version, schedule_of(row))
    return {row.id: app.schedules[row.id][1] for row in stores}


async def set_week(
    app: StoreApp, store_id: UUID, week: Mapping[int, Sequence[Interval]], known_version: int | None
) -> OperatingHours:
    """Replaces the week; days that are not given are closed.

    Raises InvalidArgument for overlaps, NotFound, StaleEtag.
    """
    overlap = overlapping_in_week(week)
    if overlap is not None:
        first_day, first, second_day, second = overlap
        raise InvalidArgument(
            "days",
            f"day {first_day} {_text(first)} overlaps day {second_day} {_text(second)}",
        )
    async with app.db.transaction() as tx:
        await touch_store(app, tx, store_id, known_version)
        await tx.run(q.DELETE_WEEK, store_id=store_id)
        await tx.many(
            q.INSERT_INTERVAL,
            [
                {"store_id": store_id, "day_of_week": day, "open_time": item.opens, "close_time": item.closes}
                for day, intervals in week.items()
                for item in intervals
            ],
        )
    return await get_operating_hours(app, store_id)


async def set_exception(
    app: StoreApp, store_id: UUID, day: dt.date, intervals: Sequence[Interval], reason: str
) -> OperatingHours:
    """Gives one date its own stretches, none for closed.

    Raises InvalidArgument for overlaps and for dates that are past or too far off, NotFound, TooManyExceptions.
    """
    overlap = overlapping_in_day(intervals)
    if overlap is not None:
        raise InvalidArgument("intervals", f"{_text(overlap[0])} overlaps {_text(overlap[1])}")
    async with app.db.transaction() as tx:
        store = await touch_store(app, tx, store_id)
        _check_date(day, _today(store.time_zone))
        await tx.run(
            q.SET_EXCEPTION,
            store_id=store_id,
            date=day,
            open_times=[item.opens for item in intervals],
            close_times=[item.closes for item in intervals],
            reason=reason,
        )
        if await tx.value(q.COUNT_EXCEPTIONS, store_id=store_id) > MAX_EXCEPTIONS:
            raise TooManyExceptions(MAX_EXCEPTIONS)
    return await get_operating_hours(app, store_id)


async def remove_exception(app: StoreApp, store_id: UUID, day: dt.date) -> None:
    """Gives the date the hours of its day of the week again. Raises NotFound for a store that is not there."""
    async with app.db.transaction() as tx:
        await touch_store(app, tx, store_id)
        await tx.run(q.DELETE_EXCEPTION, store_id=store_id, date=day)


def _today(time_zone: str) -> dt.date:
    return now().astimezone(find_zone(time_zone)).date()


def _check_date(day: dt.date, today: dt.date) -> None:
    if not today <= day <= today + dt.timedelta(days=MAX_DAYS_AHEAD):
        raise InvalidArgument("date", f"must be today or later, and at most {MAX_DAYS_AHEAD} days off")


def _text(interval: Interval) -> str:
    return f"{interval.opens:%H:%M}-{interval.closes:%H:%M}"
