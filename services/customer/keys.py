"""Signing keys of access tokens: created, published, used and retired while users stay logged in.

A key is published for `lead` before it signs, so that every cache of the key set has it in time. It stays published
until the last token that it signed has expired. Private keys are encrypted in the database; each replica caches the
keys for 30 seconds.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import psycopg
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg_pool import PoolTimeout

from chassis.clock import now
from chassis.database import Database
from chassis.database.rows import parameters
from chassis.security.encryption import FieldCipher
from services.customer.model.personal_data import PRIVATE_KEY
from services.customer.queries import signing_keys as queries
from services.customer.rows import NewSigningKey, SigningKeyRow

log = structlog.get_logger(__name__)

RELOAD: Final = timedelta(seconds=30)
RETRY: Final = timedelta(seconds=5)
# Added to the lifetime of a token: clock skew at the edge, and replicas that have not read the new key yet.
MARGIN: Final = timedelta(minutes=5)


class NoSigningKey(Exception):
    """No key is valid now: the clock of the database or of this machine is wrong."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A key that may sign."""

    kid: str
    private_key: Ed25519PrivateKey
    signs_from: datetime


def generate_key(cipher: FieldCipher, signs_from: datetime) -> NewSigningKey:
    """A new Ed25519 key with its encrypted private key."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    kid = urlsafe_b64encode(sha256(public).digest()[:12]).decode()
    private = cipher.encrypt(b64encode(key.private_bytes_raw()).decode(), PRIVATE_KEY)
    return NewSigningKey(kid, private, public, signs_from)


def decrypt_key(row: SigningKeyRow, cipher: FieldCipher) -> Signer:
    """The key with its private key in plain text."""
    private = b64decode(cipher.decrypt(row.private_key, PRIVATE_KEY))
    return Signer(row.kid, Ed25519PrivateKey.from_private_bytes(private), row.signs_from)


def format_key_set(rows: Sequence[SigningKeyRow]) -> bytes:
    """The JSON Web Key Set of the public keys (RFC 7517, RFC 8037)."""
    keys = [
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": urlsafe_b64encode(row.public_key).rstrip(b"=").decode(),
            "kid": row.kid,
            "use": "sig",
            "alg": "EdDSA",
        }
        for row in rows
    ]
    return json.dumps({"keys": keys}, separators=(",", ":")).encode()


def select_signer(signers: Sequence[Signer], at: datetime) -> Signer:
    """The newest key that may sign at that time. Raises NoSigningKey."""
    ready = [signer for signer in signers if signer.signs_from <= at]
    if not ready:
        raise NoSigningKey("no signing key is valid yet")
    return max(ready, key=lambda signer: signer.signs_from)


class Keyring:
    """The signing keys of one replica, cached for 30 seconds."""

    def __init__(
        self, db: Database, cipher: FieldCipher, *, life: timedelta, lead: timedelta, token: timedelta
    ) -> None:
        self._db, self._cipher = db, cipher
        self._life, self._lead, self._token = life, lead, token
        self._signers: list[Signer] = []
        self._key_set = b""
        self._read_at: datetime | None = None

    async def get_signer(self) -> Signer:
        """The key that signs now. Raises NoSigningKey."""
        await self._refresh()
        return select_signer(self._signers, now())

    async def get_key_set(self) -> bytes:
        """The published key set, as JSON."""
        await self._refresh()
        return self._key_set

    async def rotate(self) -> None:
        """Creates the first key, or the next one when it is due; deletes keys whose tokens have all expired."""
        async with self._db.transaction() as tx:
            await tx.run(queries.LOCK_KEYS)
            newest = await tx.one(queries.GET_NEWEST_SIGNS_FROM)
            if newest is None or newest + self._life <= now() + self._lead:
                # The first key signs immediately: no token and no cache exists yet.
                signs_from = now() if newest is None else max(newest + self._life, now() + self._lead)
                key = generate_key(self._cipher, signs_from)
                await tx.run(queries.RETIRE_KEYS, verifies_until=signs_from + self._token + MARGIN)
                await tx.run(queries.INSERT_KEY, **parameters(key))
                log.info("signing key created", kid=key.kid, signs_from=signs_from.isoformat())
            await tx.run(queries.PURGE_KEYS)
        self._read_at = None

    async def _read(self) -> list[SigningKeyRow]:
        rows = await self._db.all(queries.LIST_KEYS)
        if not rows:
            await self.rotate()
            rows = await self._db.all(queries.LIST_KEYS)
        return rows

    async def _refresh(self) -> None:
        if self._read_at is not None and now() - self._read_at < RELOAD:
            return
        try:
            rows = await self._read()
        except (psycopg.OperationalError, PoolTimeout) as error:
            if not self._signers:
                raise
            # The cached keys are still valid while the database is unavailable.
            log.warning("signing keys could not be read; the cached keys stay in use", error=str(error))
            self._read_at = now() - RELOAD + RETRY
            return
        self._signers = [decrypt_key(row, self._cipher) for row in rows]
        self._key_set = format_key_set(rows)
        self._read_at = now()
