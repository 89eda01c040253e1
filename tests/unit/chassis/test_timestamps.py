"""Timestamps and dates: invalid ones are rejected with the JSON name of the field, absent ones are None."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from jainshikanji.order.v1.order_service_pb2 import ListOrdersRequest

from chassis import timestamps
from chassis.errors import InvalidArgument

NOON = datetime(2026, 1, 14, 12, tzinfo=UTC)


def test_a_timestamp_is_unchanged_by_conversion_to_proto_and_back() -> None:
    request = ListOrdersRequest(created_from=timestamps.timestamp_to_proto(NOON))
    assert timestamps.optional_datetime_from_proto(request, "created_from") == NOON
    assert timestamps.optional_datetime_from_proto(request, "created_before") is None
    assert timestamps.timestamp_to_proto(None) is None


@pytest.mark.parametrize("seconds", [253_402_300_800, -62_135_596_801, 10**17])
def test_a_timestamp_out_of_range_is_rejected_with_its_field(seconds: int) -> None:
    request = ListOrdersRequest(created_from=Timestamp(seconds=seconds))
    with pytest.raises(InvalidArgument) as failed:
        timestamps.optional_datetime_from_proto(request, "created_from")
    assert [field for field, _ in failed.value.violations] == ["createdFrom"]


def test_a_date_is_parsed_and_an_empty_one_is_none() -> None:
    assert timestamps.parse_date("fromDate", "2028-02-29") == date(2028, 2, 29)
    assert timestamps.parse_optional_date("fromDate", "") is None


@pytest.mark.parametrize("text", ["2027-02-29", "2027-13-01", "0000-01-01"])
def test_an_invalid_date_is_rejected_with_its_field(text: str) -> None:
    for read in (timestamps.parse_date, timestamps.parse_optional_date):
        with pytest.raises(InvalidArgument) as failed:
            read("fromDate", text)
        assert [field for field, _ in failed.value.violations] == ["fromDate"]
