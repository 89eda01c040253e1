"""Access tokens, refresh tokens and CSRF tokens.

A refresh token is `session id (16) | secret (32) | tag (16)`, base64url. The first secret of a session is random. Each
successor's is HMAC(signing key, previous token | salt) with a new random salt that the session stores: salt and
previous token give the same successor again, for a client that refreshes twice in parallel; neither alone does.
The tag distinguishes issued tokens from invented ones, so that only the reuse of an issued token ends a session.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt

from chassis.ids import new_id
from chassis.security.encryption import keyed_digest
from services.customer.keys import Signer

_ID_BYTES = 16
_SECRET_BYTES = 32
_TAG_BYTES = 16
_CSRF_BYTES = 24
SALT_BYTES = 32
CUSTOMER = "CUSTOMER"
ADMIN = "ADMIN"


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """A refresh token that a client sent. `digest` is its stored hash."""

    session_id: UUID
    digest: str
    # Whether this service issued it for this session.
    is_genuine: bool
    text: str


class RefreshTokens:
    """Creates and parses refresh tokens."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def create_first(self, session_id: UUID) -> str:
        """The token of a new session: 256 random bits."""
        return self._assemble(session_id, secrets.token_bytes(_SECRET_BYTES))

    def create_successor(self, token: PresentedToken, salt: bytes) -> str:
        """The only token that follows `token` with this salt."""
        return self._assemble(token.session_id, keyed_digest(self._key, "refresh-next", token.text, salt.hex()))

    def parse(self, text: str) -> PresentedToken | None:
        """The token, or None when the text does not have the form of one."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        if len(raw) != _ID_BYTES + _SECRET_BYTES + _TAG_BYTES or _encode(raw) != text:
            return None
        session_id, secret, tag = UUID(bytes=raw[:_ID_BYTES]), raw[_ID_BYTES:-_TAG_BYTES], raw[-_TAG_BYTES:]
        genuine = hmac.compare_digest(tag, self._tag(session_id, secret))
        return PresentedToken(session_id, hash_token(text), genuine, text)

    def _assemble(self, session_id: UUID, secret: bytes) -> str:
        return _encode(session_id.bytes + secret + self._tag(session_id, secret))

    def _tag(self, session_id: UUID, secret: bytes) -> bytes:
        return keyed_digest(self._key, "refresh-tag", session_id, secret.hex())[:_TAG_BYTES]


@dataclass(frozen=True, slots=True)
class Roles:
    """The roles of an account at the time of its token."""

    is_admin: bool
    grants: tuple[tuple[UUID, str], ...]

    def to_claim(self) -> list[str]:
        """The flat list that the edge matches: CUSTOMER, the jobs, ADMIN."""
        jobs = sorted({job for _, job in self.grants})
        return [CUSTOMER, *jobs, *([ADMIN] if self.is_admin else [])]


def create_access_token(
    signer: Signer, *, issuer: str, audience: str, account_id: UUID, session_id: UUID, roles: Roles, csrf: str,
    at: datetime, seconds: int,
) -> str:  # fmt: skip
    """A signed JWT. The account id is its only personal data."""
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": audience,
        "sub": str(account_id),
        "sid": str(session_id),
        "admin": roles.is_admin,
        "roles": roles.to_claim(),
        "grants": [{"store_id": str(store), "job": job} for store, job in roles.grants],
        "csrf": csrf,
        "iat": at,
        "exp": at + timedelta(seconds=seconds),
        "jti": str(new_id()),
    }
    return jwt.encode(claims, signer.private_key, algorithm="EdDSA", headers={"kid": signer.kid, "typ": "at+jwt"})


def create_csrf_token(key: bytes, session_id: UUID) -> str:
    """The CSRF token of a session; constant, so that tabs that refresh at different times have the same one."""
    return _encode(keyed_digest(key, "csrf", session_id)[:_CSRF_BYTES])


def hash_token(token: str) -> str:
    """The stored hash of a token. A token has 256 random bits, so an unsalted hash is sufficient."""
    return hashlib.sha256(token.encode()).hexdigest()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
