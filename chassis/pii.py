"""Personal data in one form: what is compared, indexed blindly or sent to is normalised here first."""

from __future__ import annotations

import re
import unicodedata

_PHONE_NOISE = re.compile(r"[\s().-]+")
_E164 = re.compile(r"^\+[1-9]\d{7,14}$")


def normalise_email(email: str) -> str:
    """Without surrounding space, NFC, lower case: `A@X.com ` and `a@x.com` are one account."""
    # Requests come in NFC; what a command is given does not.
    return unicodedata.normalize("NFC", email.strip()).lower()


def normalise_phone(phone: str, country_code: str = "+91") -> str:
    """E.164. A national number of ten digits gets the country code. ValueError when it cannot be one."""
    digits = _PHONE_NOISE.sub("", phone.strip())
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    elif not digits.startswith("+"):
        digits = country_code + digits.lstrip("0")
    if not _E164.match(digits):
        raise ValueError("not a phone number")
    return digits
