"""Order numbers: readable, random, unlimited per day."""

from __future__ import annotations

import secrets
from datetime import datetime

# Crockford's base 32: without I, L, O and U, which are easily misread.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM = 8


def new_order_number(created_at: datetime) -> str:
    """`ORD`, the date as YYMMDD, and 40 random bits. `order_numbers` detects a duplicate; then another is generated."""
    bits = secrets.randbits(5 * _RANDOM)
    return f"ORD{created_at:%y%m%d}" + "".join(_ALPHABET[bits >> 5 * place & 31] for place in range(_RANDOM))
