"""Reading a gateway's JSON: strictly what is needed, and an allow-list of what may be kept."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

from services.payment.gateways.port import NoAnswer, UnreadableNotice

T = TypeVar("T")

LONGEST_TEXT = 200
LARGEST_MINOR_UNITS = 10**10
_ID = re.compile(r"^[A-Za-z0-9_-]{1,100}$")
_REASON = re.compile(r"^[A-Za-z0-9_]{1,64}$")
_CURRENCY = re.compile(r"^[A-Za-z]{3}$")
_LAST4 = re.compile(r"^[0-9]{4}$")
_REFERENCE = re.compile(r"^[0-9a-f-]{36}$")


def read_object(body: bytes) -> dict[str, Any]:
    """A JSON object from signed bytes. Raises UnreadableNotice."""
    try:
        message = json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UnreadableNotice("the body is not JSON") from error
    return as_object(message)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def as_object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UnreadableNotice("an object is missing")
    return value


def identifier(value: object) -> str:
    """An id of a gateway: letters, digits, - and _."""
    if not isinstance(value, str) or not _ID.match(value):
        raise UnreadableNotice("an id is missing")
    return value


def amount(minor_units: object) -> Decimal:
    """Major units from whole minor units."""
    if not isinstance(minor_units, int) or isinstance(minor_units, bool):
        raise UnreadableNotice("an amount is missing")
    if not 0 <= minor_units < LARGEST_MINOR_UNITS:
        raise UnreadableNotice("an amount is out of range")
    return Decimal(minor_units).scaleb(-2)


def minor_units(value: Decimal) -> int:
    return int(value.scaleb(2))


def currency(value: object) -> str:
    if not isinstance(value, str) or not _CURRENCY.match(value):
        raise UnreadableNotice("a currency is missing")
    return value.upper()


def reason(value: object) -> str:
    """A gateway's word for a failure; free text is not kept."""
    return value if isinstance(value, str) and _REASON.match(value) else "declined"


def last4(value: object) -> str | None:
    return value if isinstance(value, str) and _LAST4.match(value) else None


def reference(value: object) -> str:
    """Our own reference, a UUID; empty when it is not one."""
    return value if isinstance(value, str) and _REFERENCE.match(value) else ""


def allowed(source: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The named scalars of an object. Everything else, known or not, is left out."""
    kept: dict[str, Any] = {}
    for name in names:
        value = source.get(name)
        if isinstance(value, str):
            kept[name] = value.replace("\0", "")[:LONGEST_TEXT]
        elif isinstance(value, bool) or (isinstance(value, int) and abs(value) < LARGEST_MINOR_UNITS):
            kept[name] = value
    return kept


def digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


def answered(read: Callable[[], T]) -> T:
    """For answers to a request of ours: one that cannot be read leaves open what happened. Raises NoAnswer."""
    try:
        return read()
    except UnreadableNotice as error:
        raise NoAnswer(str(error)) from error
