"""Normal forms of email addresses and phone numbers, for comparisons, blind indexes and deliveries."""

from __future__ import annotations

import re
import unicodedata

_PHONE_NOISE = re.compile(r"[\s().-]+")
_E164 = re.compile(r"^\+[1-9]\d{7,14}$")


def normalise_email(email: str) -> str:
    """Trimmed, NFC, lower case: `A@X.com ` and `a@x.com` are one account."""
    # Requests are in NFC already; arguments of commands are not.
    return unicodedata.normalize("NFC", email.strip()).lower()


def normalise_phone(phone: str, country_code: str = "+91") -> str:
    """E.164; a national number gets the country code. Raises ValueError for anything but a phone number."""
    digits = _PHONE_NOISE.sub("", phone.strip())
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    elif not digits.startswith("+"):
        digits = country_code + digits.lstrip("0")
    if not _E164.match(digits):
        raise ValueError("not a valid phone number")
    return digits
