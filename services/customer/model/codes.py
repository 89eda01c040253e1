"""Codes that are sent by email: their form, their lifetime and their hash."""

from __future__ import annotations

import secrets
from typing import Final, Literal, TypeAlias
from uuid import UUID

from chassis.security.encryption import keyed_digest

CodeKind: TypeAlias = Literal["email_verification", "password_reset", "staff_invitation"]

EMAIL_VERIFICATION: Final = "email_verification"
PASSWORD_RESET: Final = "password_reset"  # noqa: S105
STAFF_INVITATION: Final = "staff_invitation"

# Without letters and digits that are easily confused. Eight of 32 symbols are 40 bits, against five attempts.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
CODE_LENGTH = 8
MAX_ATTEMPTS = 5
_GROUP_LENGTH = 4


def generate_code() -> str:
    """A random code in the form of the email: `7KQM-2XPD`."""
    code = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH))
    return f"{code[:_GROUP_LENGTH]}-{code[_GROUP_LENGTH:]}"


def normalise_code(code: str) -> str:
    """The code without dashes and spaces, in upper case."""
    return "".join(letter for letter in code.upper() if letter in ALPHABET)


def hash_code(key: bytes, code: str, customer_id: UUID, kind: str) -> bytes:
    """The stored hash: keyed, since 40 bits can be searched; bound to account and kind."""
    return keyed_digest(key, "code", customer_id, kind, normalise_code(code))
