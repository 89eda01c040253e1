"""Values that several messages contain."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from chassis.errors import InvalidArgument
from chassis.money import money_from_proto


def date_to_proto(value: date | None) -> str:
    """The date as YYYY-MM-DD; empty for None."""
    return value.isoformat() if value else ""


def optional_uuid_from_proto(text: str) -> UUID | None:
    """The id, or None for an empty text."""
    return UUID(text) if text else None


def optional_money_from_proto(message: Any, field: str) -> Decimal | None:
    """The amount of a money field, or None when it is absent."""
    return money_from_proto(getattr(message, field)) if message.HasField(field) else None


def optional_from_proto(message: Any, field: str) -> Any:
    """The value of an optional field, or None when it is absent."""
    return getattr(message, field) if message.HasField(field) else None


def name_from_proto(text: str) -> str:
    """The trimmed name. Raises InvalidArgument when it is blank."""
    name = text.strip()
    if not name:
        raise InvalidArgument("name", "must not be blank")
    return name
