"""Timestamps and dates between contracts and rows: datetimes are aware and in UTC, dates are YYYY-MM-DD."""

from __future__ import annotations

from datetime import UTC, date, datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from chassis.errors import InvalidArgument


def timestamp_to_proto(moment: datetime | None) -> Timestamp | None:
    """The timestamp of a message field; None leaves the field unset."""
    if moment is None:
        return None
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def datetime_from_proto(field: str, time: Timestamp) -> datetime:
    """The datetime of a field, named as in JSON. Raises InvalidArgument outside of the years 1 to 9999."""
    try:
        return time.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidArgument(field, "must be a time between the years 1 and 9999") from None


def optional_datetime_from_proto(message: Message, field: str) -> datetime | None:
    """The datetime in the message's field; None when it is unset. Raises as `datetime_from_proto`."""
    if not message.HasField(field):
        return None
    return datetime_from_proto(message.DESCRIPTOR.fields_by_name[field].json_name, getattr(message, field))


def parse_date(field: str, text: str) -> date:
    """The date of a field, named as in JSON. Raises InvalidArgument for anything but a calendar date."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidArgument(field, "must be a calendar date, YYYY-MM-DD") from None


def parse_optional_date(field: str, text: str) -> date | None:
    """As `parse_date`; None for empty text."""
    return parse_date(field, text) if text else None
