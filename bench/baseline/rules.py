"""Rules of both variants: opening hours, prices, tax, order numbers. Amounts are whole paise."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from fastapi import HTTPException

DELIVERY_TAX = 1800
_BASIS = 10_000
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Conflict(HTTPException):
    """409 with a reason."""

    def __init__(self, reason: str) -> None:
        super().__init__(409, reason)


@dataclass(frozen=True, slots=True)
class Tax:
    rate: int
    taxable: int
    cgst: int = 0
    sgst: int = 0
    igst: int = 0

    @property
    def amount(self) -> int:
        return self.cgst + self.sgst + self.igst


def to_paise(amount: Decimal) -> int:
    return int(amount * 100)


def to_rupees(amount: int) -> Decimal:
    return Decimal(amount).scaleb(-2)


def compute_tax(taxable: int, rate: int, *, interstate: bool) -> Tax:
    """Rounded half up per line: IGST between states, else CGST and SGST with half the rate each."""
    if interstate:
        return Tax(rate, taxable, igst=_half_up(taxable * rate, _BASIS))
    half = _half_up(taxable * rate, 2 * _BASIS)
    return Tax(rate, taxable, cgst=half, sgst=half)


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def is_open(hours: Iterable[tuple[int, time, time]], zone: str, moment: datetime) -> bool:
    """Whether an interval (day, opens, closes) contains the time; it may cross midnight. Sunday is 0."""
    local = moment.astimezone(ZoneInfo(zone))
    today, now = local.isoweekday() % 7, local.time()
    for day, opens, closes in hours:
        if closes > opens:
            if day == today and opens <= now < closes:
                return True
        elif (day == today and now >= opens) or (day == (today - 1) % 7 and now < closes):
            return True
    return False


def is_on_schedule(schedule: dict[str, str] | None, moment: datetime) -> bool:
    """Whether a product is sold on this day."""
    if not schedule:
        return True
    today = moment.astimezone(ZoneInfo("Asia/Kolkata")).date().isoformat()
    return (schedule.get("startDate") or today) <= today <= (schedule.get("endDate") or today)


def compute_fee(subtotal: int, fee: int, free_above: int | None) -> int:
    return 0 if free_above is not None and subtotal >= free_above else fee


def estimate_delivery(moment: datetime, preparation_minutes: Iterable[int], travel_minutes: int) -> datetime:
    return moment + timedelta(minutes=max(preparation_minutes) + travel_minutes)


def make_order_number(moment: datetime) -> str:
    bits = secrets.randbits(40)
    return f"ORD{moment:%y%m%d}" + "".join(_ALPHABET[bits >> 5 * place & 31] for place in range(8))


def read_clock() -> datetime:
    return datetime.now(UTC)
