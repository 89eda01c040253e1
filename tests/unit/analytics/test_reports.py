"""Reports as files, rates and means, the days of a period."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime

import pytest

from services.analytics.events import HANDLERS, PUBLISHERS, event_types
from services.analytics.model.period import Period
from services.analytics.usecases.reports import read_csv, write_csv
from services.analytics.wire import calculate_rate


def test_commas_quotes_and_line_breaks_are_escaped_in_csv() -> None:
    rows = [["₹5, 5", 'say "hi"', "two\nlines"], ["शिकंजी", "", "🍋"]]
    content = write_csv(("a", "b", "c"), rows)
    assert content.startswith(b"\xef\xbb\xbfa,b,c\r\n")
    assert read_csv(content, 10) == rows
    assert list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))[1:] == rows


@pytest.mark.parametrize("name", ["=1+1", "+cmd", "-cmd", "@x", "\tx", "\rx"])
def test_a_name_that_a_spreadsheet_would_evaluate_is_escaped(name: str) -> None:
    assert read_csv(write_csv(("a",), [[name]]), 1) == [[f"'{name}"]]


def test_a_negative_amount_stays_a_number() -> None:
    assert read_csv(write_csv(("a",), [["-5.00"]]), 1) == [["-5.00"]]


def test_the_number_of_rows_is_limited() -> None:
    assert len(read_csv(write_csv(("a",), [["x"]] * 50), 7)) == 7


@pytest.mark.parametrize(
    ("part", "whole", "basis_points"),
    [(0, 0, 0), (1, 3, 3333), (2, 3, 6667), (1, 8, 1250), (5, 5, 10000), (1, 32, 313)],
)
def test_rates_are_rounded_half_up(part: int, whole: int, basis_points: int) -> None:
    assert calculate_rate(part, whole) == basis_points


def test_a_period_runs_from_midnight_to_midnight_in_its_zone() -> None:
    period = Period(date(2026, 1, 14), date(2026, 1, 15), "Asia/Kolkata", None, True, [])
    moments = period.time_parameters()
    assert moments["start"] == datetime(2026, 1, 13, 18, 30, tzinfo=UTC)
    assert moments["end"] == datetime(2026, 1, 15, 18, 30, tzinfo=UTC)
    assert (period.days, period.previous.first, period.previous.last) == (2, date(2026, 1, 12), date(2026, 1, 13))


def test_a_day_of_a_zone_with_summer_time_may_have_23_hours() -> None:
    moments = Period(date(2026, 3, 29), date(2026, 3, 29), "Europe/Berlin", None, True, []).time_parameters()
    assert (moments["end"] - moments["start"]).total_seconds() == 23 * 3600


def test_every_event_of_every_publisher_is_consumed() -> None:
    consumed = {event.DESCRIPTOR.full_name for event in HANDLERS}
    published = {event.DESCRIPTOR.full_name for module in PUBLISHERS for event in event_types(module)}
    assert published == consumed
    assert {"jainshikanji.order.v1.OrderCreated", "jainshikanji.customer.v1.SessionRevoked"} <= consumed
    assert "jainshikanji.order.v1.OrderedItem" not in consumed


def test_all_services_that_publish_are_listed() -> None:
    from pathlib import Path

    import jainshikanji.order.v1.events_pb2 as example

    root = Path(example.__file__).parents[2]
    published = {path.parts[-3] for path in root.glob("*/v1/events_pb2.py")}
    assert published == {module.__name__.split(".")[1] for module in PUBLISHERS}
