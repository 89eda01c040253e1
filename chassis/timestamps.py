"""Moments and days between contracts and rows: a moment is aware and in UTC, a day is written YYYY-MM-DD."""

from __future__ import annotations

from datetime import UTC, date, datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import InvalidArgument


def timestamp_to_proto(moment: datetime | None) -> Timestamp | None:
    """For a field of a message; None leaves it unset."""
    if moment is None:
        return None
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def datetime_from_proto(field: str, time: Timestamp) -> datetime:
    """The moment of a field, named as in JSON. InvalidArgument for one that no calendar has."""
    try:
        return time.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument(field, "is not a time between the years 1 and 9999") from None


def optional_datetime_from_proto(message: Message, field: str) -> datetime | None:
    """The moment in that field of the message; None when it is unset. InvalidArgument as `moment`."""
    if not message.HasField(field):
        return None
    return datetime_from_proto(message.DESCRIPTOR.fields_by_name[field].json_name, getattr(message, field))


def parse_date(field: str, text: str) -> date:
    """The day of a field, named as in JSON. InvalidArgument for one that no calendar has."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidArgument(field, "is not a day of the calendar") from None


def parse_optional_date(field: str, text: str) -> date | None:
    """As `day`; None when it is empty."""
    return parse_date(field, text) if text else None
