"""Opening hours to the minute, in time zones with and without clock changes."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from services.store.model.hours import (
    HORIZON,
    Interval,
    Schedule,
    day_of_week,
    find_overlap_in_day,
    find_overlap_in_week,
    find_time_zone,
)

KOLKATA = ZoneInfo("Asia/Kolkata")
NEW_YORK = ZoneInfo("America/New_York")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
EVERY_DAY = range(7)
SUNDAY, MONDAY, FRIDAY, SATURDAY = 0, 1, 5, 6


def interval(text: str) -> Interval:
    opens, closes = text.split("-")
    return Interval(dt.time.fromisoformat(opens), dt.time.fromisoformat(closes))


def week(**days: list[str]) -> dict[int, list[Interval]]:
    names = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
    return {names.index(day): [interval(text) for text in texts] for day, texts in days.items()}


def daily(*texts: str) -> dict[int, list[Interval]]:
    return {day: [interval(text) for text in texts] for day in EVERY_DAY}


def at(zone: ZoneInfo, text: str, fold: int = 0) -> dt.datetime:
    """A local time of that time zone, in UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).astimezone(dt.UTC)


def is_open(schedule: Schedule, moment: dt.datetime) -> bool:
    return schedule.find_opening(moment) is not None


# 2025-11-28 is a Friday.


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("10:59:59.999999", False),
        ("11:00", True),
        ("14:59:59.999999", True),
        ("15:00", False),
        ("17:59", False),
        ("18:00", True),
        ("22:59", True),
        ("23:00", False),
    ],
)
def test_a_store_is_open_from_its_opening_minute_until_just_before_its_closing_minute(
    time: str, expected: bool
) -> None:
    schedule = Schedule(KOLKATA, daily("11:00-15:00", "18:00-23:00"))
    assert is_open(schedule, at(KOLKATA, f"2025-11-28T{time}")) is expected


def test_opening_is_computed_in_the_time_zone_of_the_store() -> None:
    schedule = Schedule(KOLKATA, week(fri=["00:00-01:00"]))
    thursday_in_utc = dt.datetime(2025, 11, 27, 19, 0, tzinfo=dt.UTC)
    assert is_open(schedule, thursday_in_utc)
    assert is_open(schedule, thursday_in_utc.astimezone(NEW_YORK))


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2025-11-28T19:59", False),
        ("2025-11-28T20:00", True),
        ("2025-11-28T23:59", True),
        ("2025-11-29T00:00", True),
        ("2025-11-29T01:59", True),
        ("2025-11-29T02:00", False),
        ("2025-11-29T20:30", False),
    ],
)
def test_an_interval_may_cross_midnight(moment: str, expected: bool) -> None:
    schedule = Schedule(KOLKATA, week(fri=["20:00-02:00"]))
    assert is_open(schedule, at(KOLKATA, moment)) is expected


def test_an_interval_of_saturday_may_end_on_sunday() -> None:
    schedule = Schedule(KOLKATA, week(sat=["22:00-03:00"]))
    assert is_open(schedule, at(KOLKATA, "2025-11-30T02:59"))
    assert not is_open(schedule, at(KOLKATA, "2025-11-30T03:00"))


def test_an_interval_with_equal_start_and_end_is_a_whole_day() -> None:
    schedule = Schedule(KOLKATA, week(fri=["00:00-00:00"]))
    assert not is_open(schedule, at(KOLKATA, "2025-11-27T23:59"))
    assert is_open(schedule, at(KOLKATA, "2025-11-28T00:00"))
    assert is_open(schedule, at(KOLKATA, "2025-11-28T23:59"))
    assert not is_open(schedule, at(KOLKATA, "2025-11-29T00:00"))


def test_adjacent_intervals_are_one_open_period() -> None:
    schedule = Schedule(KOLKATA, week(fri=["20:00-00:00"], sat=["00:00-04:00"]))
    opening = schedule.find_opening(at(KOLKATA, "2025-11-28T21:00"))
    assert opening is not None
    assert opening.opens == at(KOLKATA, "2025-11-28T20:00")
    assert opening.closes == at(KOLKATA, "2025-11-29T04:00")


def test_a_store_that_never_closes_has_an_opening_beyond_the_horizon_and_no_next_one() -> None:
    schedule = Schedule(KOLKATA, daily("00:00-00:00"))
    moment = at(KOLKATA, "2025-11-28T12:00")
    opening = schedule.find_opening(moment)
    assert opening is not None
    assert opening.closes > moment + HORIZON
    assert schedule.find_next_opening(moment) is None


def test_a_store_without_hours_is_closed_and_does_not_open() -> None:
    schedule = Schedule(KOLKATA, {})
    assert not is_open(schedule, at(KOLKATA, "2025-11-28T12:00"))
    assert schedule.find_next_opening(at(KOLKATA, "2025-11-28T12:00")) is None


def test_the_next_opening_may_be_a_week_away() -> None:
    schedule = Schedule(KOLKATA, week(fri=["11:00-15:00"]))
    assert schedule.find_next_opening(at(KOLKATA, "2025-11-28T15:00")) == at(KOLKATA, "2025-12-05T11:00")


def test_the_next_opening_of_an_open_store_comes_after_it_has_closed() -> None:
    schedule = Schedule(KOLKATA, daily("11:00-15:00"))
    assert schedule.find_next_opening(at(KOLKATA, "2025-11-28T11:00")) == at(KOLKATA, "2025-11-29T11:00")


def test_an_exception_replaces_the_intervals_of_its_date() -> None:
    date = dt.date(2025, 11, 28)
    schedule = Schedule(KOLKATA, daily("11:00-15:00"), {date: [interval("17:00-19:00")]})
    assert not is_open(schedule, at(KOLKATA, "2025-11-28T12:00"))
    assert is_open(schedule, at(KOLKATA, "2025-11-28T18:00"))
    assert is_open(schedule, at(KOLKATA, "2025-11-29T12:00"))


def test_an_exception_without_intervals_closes_its_date_only() -> None:
    schedule = Schedule(KOLKATA, daily("11:00-15:00"), {dt.date(2025, 11, 28): []})
    assert not is_open(schedule, at(KOLKATA, "2025-11-28T12:00"))
    assert schedule.find_next_opening(at(KOLKATA, "2025-11-27T15:00")) == at(KOLKATA, "2025-11-29T11:00")


def test_an_interval_of_the_day_before_an_exception_is_not_shortened() -> None:
    schedule = Schedule(KOLKATA, daily("18:00-02:00"), {dt.date(2025, 11, 29): []})
    assert is_open(schedule, at(KOLKATA, "2025-11-29T01:59"))
    assert not is_open(schedule, at(KOLKATA, "2025-11-29T18:00"))
    assert not is_open(schedule, at(KOLKATA, "2025-11-30T01:00"))


def test_an_exception_opens_a_day_that_is_usually_closed() -> None:
    schedule = Schedule(KOLKATA, {}, {dt.date(2025, 11, 28): [interval("23:00-01:00")]})
    assert is_open(schedule, at(KOLKATA, "2025-11-29T00:30"))


def test_an_exception_that_overlaps_the_night_before_makes_one_opening() -> None:
    schedule = Schedule(KOLKATA, week(fri=["20:00-04:00"]), {dt.date(2025, 11, 29): [interval("02:00-06:00")]})
    opening = schedule.find_opening(at(KOLKATA, "2025-11-28T22:00"))
    assert opening is not None
    assert opening.closes == at(KOLKATA, "2025-11-29T06:00")


# New York: clocks go from 02:00 to 03:00 on 2025-03-09, and from 02:00 back to 01:00 on 2025-11-02.


def test_a_night_is_an_hour_shorter_when_the_clocks_go_forward() -> None:
    schedule = Schedule(NEW_YORK, daily("22:00-06:00"))
    opening = schedule.find_opening(at(NEW_YORK, "2025-03-08T23:00"))
    assert opening is not None
    assert opening.closes - opening.opens == dt.timedelta(hours=7)


def test_a_night_is_an_hour_longer_when_the_clocks_go_back() -> None:
    schedule = Schedule(NEW_YORK, daily("22:00-06:00"))
    opening = schedule.find_opening(at(NEW_YORK, "2025-11-01T23:00"))
    assert opening is not None
    assert opening.closes - opening.opens == dt.timedelta(hours=9)


def test_a_skipped_opening_time_is_the_time_after_the_skip() -> None:
    schedule = Schedule(NEW_YORK, week(sun=["02:30-05:00"]))
    opening = schedule.find_opening(at(NEW_YORK, "2025-03-09T03:15"))
    assert opening is not None
    assert opening.opens == at(NEW_YORK, "2025-03-09T03:00")
    assert not is_open(schedule, at(NEW_YORK, "2025-03-09T01:59"))


def test_a_skipped_closing_time_is_the_time_after_the_skip() -> None:
    schedule = Schedule(NEW_YORK, week(sat=["20:00-02:30"]))
    opening = schedule.find_opening(at(NEW_YORK, "2025-03-09T01:59"))
    assert opening is not None
    assert opening.closes == at(NEW_YORK, "2025-03-09T03:00")


def test_an_interval_that_the_clock_skips_is_not_open() -> None:
    schedule = Schedule(NEW_YORK, week(sun=["02:10-02:50"]))
    assert schedule.find_next_opening(at(NEW_YORK, "2025-03-08T12:00")) == at(NEW_YORK, "2025-03-16T02:10")


def test_a_repeated_hour_belongs_to_the_interval_that_opens_or_closes_in_it() -> None:
    schedule = Schedule(NEW_YORK, week(sat=["20:00-01:30"], sun=["11:00-12:00"]))
    first, second = at(NEW_YORK, "2025-11-02T01:45"), at(NEW_YORK, "2025-11-02T01:29", fold=1)
    assert is_open(schedule, first)
    assert is_open(schedule, second)
    assert not is_open(schedule, at(NEW_YORK, "2025-11-02T01:30", fold=1))

    morning = Schedule(NEW_YORK, week(sun=["01:30-03:00"]))
    assert not is_open(morning, at(NEW_YORK, "2025-11-02T01:29"))
    assert is_open(morning, at(NEW_YORK, "2025-11-02T01:30"))
    assert is_open(morning, at(NEW_YORK, "2025-11-02T01:05", fold=1))


def test_clocks_that_change_by_half_an_hour_are_followed() -> None:
    # Lord Howe: from 02:00 to 02:30 on 2025-10-05.
    schedule = Schedule(LORD_HOWE, week(sun=["02:15-04:00"]))
    opening = schedule.find_opening(at(LORD_HOWE, "2025-10-05T03:00"))
    assert opening is not None
    assert opening.opens == at(LORD_HOWE, "2025-10-05T02:30")
    assert opening.closes - opening.opens == dt.timedelta(minutes=90)


def test_sunday_is_day_zero() -> None:
    assert [day_of_week(dt.date(2025, 11, 23) + dt.timedelta(days=n)) for n in EVERY_DAY] == list(EVERY_DAY)


def test_intervals_of_one_day_may_be_adjacent_but_not_overlap() -> None:
    assert find_overlap_in_day([interval("10:00-12:00"), interval("12:00-14:00")]) is None
    assert find_overlap_in_day([interval("12:00-14:00"), interval("10:00-12:01")]) is not None
    assert find_overlap_in_day([interval("10:00-12:00"), interval("10:00-11:00")]) is not None
    assert find_overlap_in_day([interval("10:00-09:00"), interval("23:00-23:30")]) is not None


@pytest.mark.parametrize(
    ("first_day", "first", "second_day", "second", "overlaps"),
    [
        (FRIDAY, "20:00-02:00", SATURDAY, "02:00-04:00", False),
        (FRIDAY, "20:00-02:00", SATURDAY, "01:59-04:00", True),
        (SATURDAY, "20:00-02:00", SUNDAY, "01:59-04:00", True),
        (SATURDAY, "20:00-02:00", SUNDAY, "02:00-04:00", False),
        (SUNDAY, "00:00-00:00", MONDAY, "00:00-00:00", False),
        (SUNDAY, "00:01-00:01", MONDAY, "00:00-01:00", True),
    ],
)
def test_intervals_of_a_week_may_not_overlap_across_midnight(
    first_day: int, first: str, second_day: int, second: str, overlaps: bool
) -> None:
    days = {first_day: [interval(first)], second_day: [interval(second)]}
    assert (find_overlap_in_week(days) is not None) is overlaps


def test_an_interval_of_a_whole_day_does_not_overlap_itself() -> None:
    assert find_overlap_in_week({SATURDAY: [interval("12:00-12:00")]}) is None
    assert find_overlap_in_week(daily("06:00-06:00")) is None


@pytest.mark.parametrize("name", ["", "Nowhere/City", "../../etc/passwd", "/etc/passwd", "Asia"])
def test_an_unknown_time_zone_is_not_found(name: str) -> None:
    assert find_time_zone(name) is None
