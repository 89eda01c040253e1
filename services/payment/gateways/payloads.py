"""Parsing of the gateways' JSON: required values are validated, and only selected fields are stored."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from chassis.money import from_minor_units
from services.payment.gateways.port import GatewayUnavailable, MalformedPayload

T = TypeVar("T")

MAX_TEXT_LENGTH = 200
MAX_MINOR_UNITS = 10**10
_ID = re.compile(r"^[A-Za-z0-9_-]{1,100}$")
_REASON = re.compile(r"^[A-Za-z0-9_]{1,64}$")
_CURRENCY = re.compile(r"^[A-Za-z]{3}$")
_LAST4 = re.compile(r"^[0-9]{4}$")
_REFERENCE = re.compile(r"^[0-9a-f-]{36}$")


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in the body. Raises MalformedPayload, as all functions here that parse a required value."""
    try:
        message = json.loads(body.decode(), parse_constant=_reject_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedPayload("the body is not JSON") from error
    return require_object(message)


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def require_object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedPayload("an object is missing")
    return value


def parse_id(value: object) -> str:
    """An id of the gateway: letters, digits, - and _."""
    if not isinstance(value, str) or not _ID.match(value):
        raise MalformedPayload("an id is missing")
    return value


def parse_amount(minor_units: object) -> Decimal:
    """The amount in major units, from whole minor units."""
    if not isinstance(minor_units, int) or isinstance(minor_units, bool):
        raise MalformedPayload("an amount is missing")
    if not 0 <= minor_units < MAX_MINOR_UNITS:
        raise MalformedPayload("an amount is out of range")
    return from_minor_units(minor_units)


def parse_currency(value: object) -> str:
    if not isinstance(value, str) or not _CURRENCY.match(value):
        raise MalformedPayload("a currency is missing")
    return value.upper()


def parse_failure_reason(value: object) -> str:
    """The gateway's code of a failure; `declined` instead of free text, which is not stored."""
    return value if isinstance(value, str) and _REASON.match(value) else "declined"


def parse_last4(value: object) -> str | None:
    """The last four digits of a card; None when the value is not four digits."""
    return value if isinstance(value, str) and _LAST4.match(value) else None


def parse_reference(value: object) -> str:
    """Our reference, a UUID; empty for a refund that was not made here."""
    return value if isinstance(value, str) and _REFERENCE.match(value) else ""


def select_fields(source: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The named fields of the object that are scalars."""
    selected: dict[str, Any] = {}
    for name in names:
        value = source.get(name)
        if isinstance(value, str):
            selected[name] = value.replace("\0", "")[:MAX_TEXT_LENGTH]
        elif isinstance(value, bool) or (isinstance(value, int) and abs(value) < MAX_MINOR_UNITS):
            selected[name] = value
    return selected


def compute_digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


def parse_response(parse: Callable[[], T]) -> T:
    """The result of `parse`. Raises GatewayUnavailable for a malformed response: the outcome is then unknown."""
    try:
        return parse()
    except MalformedPayload as error:
        raise GatewayUnavailable(str(error)) from error
