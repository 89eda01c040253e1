"""The two kinds of token, and the secret that a page sends back against forged requests.

A refresh token is `session id (16) | secret (32) | tag (16)`, base64url. The secret of the first is random; each
successor's is HMAC(signing key, token before | salt), with a fresh random salt kept in the session: the salt and the
token before give the same successor again, for a client that refreshes twice at once, and neither alone gives
anything. The tag tells a token that was genuine once from one that never was, so that only a real one that comes back
ends a session.
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
class Presented:
    """A refresh token as somebody sent it."""

    session_id: UUID
    digest: str
    # Whether this service issued it, for this session.
    is_genuine: bool
    text: str


class RefreshTokens:
    """Makes and reads refresh tokens."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def first(self, session_id: UUID) -> str:
        """The token of a new session: 256 random bits."""
        return self._assemble(session_id, secrets.token_bytes(_SECRET_BYTES))

    def successor(self, token: Presented, salt: bytes) -> str:
        """The one token that follows `token` with that salt."""
        return self._assemble(token.session_id, keyed_digest(self._key, "refresh-next", token.text, salt.hex()))

    def read(self, text: str) -> Presented | None:
        """None when it cannot be a refresh token."""
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        if len(raw) != _ID_BYTES + _SECRET_BYTES + _TAG_BYTES or _encode(raw) != text:
            return None
        session_id, secret, tag = UUID(bytes=raw[:_ID_BYTES]), raw[_ID_BYTES:-_TAG_BYTES], raw[-_TAG_BYTES:]
        genuine = hmac.compare_digest(tag, self._tag(session_id, secret))
        return Presented(session_id, digest(text), genuine, text)

    def _assemble(self, session_id: UUID, secret: bytes) -> str:
        return _encode(session_id.bytes + secret + self._tag(session_id, secret))

    def _tag(self, session_id: UUID, secret: bytes) -> bytes:
        return keyed_digest(self._key, "refresh-tag", session_id, secret.hex())[:_TAG_BYTES]


@dataclass(frozen=True, slots=True)
class Roles:
    """What an account may act as, at the time its token is made."""

    is_admin: bool
    grants: tuple[tuple[UUID, str], ...]

    def words(self) -> list[str]:
        """A flat list for the edge's matcher: CUSTOMER, the jobs, ADMIN."""
        jobs = sorted({job for _, job in self.grants})
        return [CUSTOMER, *jobs, *([ADMIN] if self.is_admin else [])]


def access_token(
    signer: Signer, *, issuer: str, audience: str, account_id: UUID, session_id: UUID, roles: Roles, csrf: str,
    at: datetime, seconds: int,
) -> str:  # fmt: skip
    """A signed JWT. Nothing in it is personal beyond the account's id."""
    claims: dict[str, Any] = {
        "iss": issuer,
        "aud": audience,
        "sub": str(account_id),
        "sid": str(session_id),
        "admin": roles.is_admin,
        "roles": roles.words(),
        "grants": [{"store_id": str(store), "job": job} for store, job in roles.grants],
        "csrf": csrf,
        "iat": at,
        "exp": at + timedelta(seconds=seconds),
        "jti": str(new_id()),
    }
    return jwt.encode(claims, signer.private_key, algorithm="EdDSA", headers={"kid": signer.kid, "typ": "at+jwt"})


def csrf_token(key: bytes, session_id: UUID) -> str:
    """Constant for a session, so that tabs which refresh at different times agree."""
    return _encode(keyed_digest(key, "csrf", session_id)[:_CSRF_BYTES])


def digest(token: str) -> str:
    """What is kept of a token. It has 256 bits of its own, so a plain hash gives nothing away."""
    return hashlib.sha256(token.encode()).hexdigest()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
