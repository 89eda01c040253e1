"""Order numbers: readable, not guessable, without a daily cap."""

from __future__ import annotations

import secrets
from datetime import datetime

# Crockford's base 32: no I, L, O or U, so nobody misreads a number.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM = 8


def new_order_number(moment: datetime) -> str:
    """`ORD`, the day as YYMMDD, and 40 random bits. A clash is found by order_numbers and another number drawn."""
    bits = secrets.randbits(5 * _RANDOM)
    return f"ORD{moment:%y%m%d}" + "".join(_ALPHABET[bits >> 5 * place & 31] for place in range(_RANDOM))
