"""Signing keys of access tokens: made, published, used, and retired without logging anybody out.

A key is published for `lead` before it signs, so that every cache of the key set has it in time, and stays published
until the last token it signed has expired. Private halves are sealed in the database; each replica holds the keys it
has read for half a minute.
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
from chassis.database import Database, Row
from chassis.security.encryption import FieldCipher
from services.customer.queries import keys as q

log = structlog.get_logger(__name__)

SEALED_AS: Final = "signing_keys.private_key"
RELOAD: Final = timedelta(seconds=30)
RETRY: Final = timedelta(seconds=5)
# Beyond the life of a token: the edge's tolerance of clocks, and replicas that have not seen the new key yet.
MARGIN: Final = timedelta(minutes=5)


class NoSigningKey(Exception):
    """No key may sign now; the clock of the database or of this machine is far off."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A key that may sign."""

    kid: str
    private_key: Ed25519PrivateKey
    signs_from: datetime


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key as it is kept."""

    kid: str
    private_key: bytes
    public_key: bytes


def generate(cipher: FieldCipher) -> NewKey:
    """A fresh Ed25519 key, its private half sealed."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    kid = urlsafe_b64encode(sha256(public).digest()[:12]).decode()
    return NewKey(kid, cipher.encrypt(b64encode(key.private_bytes_raw()).decode(), SEALED_AS), public)


def unseal(row: Row, cipher: FieldCipher) -> Signer:
    private = b64decode(cipher.decrypt(row.private_key, SEALED_AS))
    return Signer(row.kid, Ed25519PrivateKey.from_private_bytes(private), row.signs_from)


def key_set(rows: Sequence[Row]) -> bytes:
    """The JSON Web Key Set (RFC 7517, RFC 8037) of the public halves."""
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


def signer_at(signers: Sequence[Signer], at: datetime) -> Signer:
    """The newest key that may sign at that time. Raises NoSigningKey."""
    ready = [signer for signer in signers if signer.signs_from <= at]
    if not ready:
        raise NoSigningKey("no signing key is valid yet")
    return max(ready, key=lambda signer: signer.signs_from)


class Keyring:
    """The keys as one replica knows them."""

    def __init__(
        self, db: Database, cipher: FieldCipher, *, life: timedelta, lead: timedelta, token: timedelta
    ) -> None:
        self._db, self._cipher = db, cipher
        self._life, self._lead, self._token = life, lead, token
        self._signers: list[Signer] = []
        self._key_set = b""
        self._read_at: datetime | None = None

    async def signer(self) -> Signer:
        """The key to sign with now."""
        await self._refresh()
        return signer_at(self._signers, now())

    async def key_set(self) -> bytes:
        """The published set, as JSON."""
        await self._refresh()
        return self._key_set

    async def rotate(self) -> None:
        """Makes the first key, the next one when it is due, and forgets those whose tokens have all expired."""
        async with self._db.transaction() as tx:
            await tx.run(q.LOCK_KEYS)
            newest = await tx.one(q.NEWEST_KEY)
            if newest is None or newest.signs_from + self._life <= now() + self._lead:
                # The first key signs at once: there is no token and no cache yet.
                signs_from = now() if newest is None else max(newest.signs_from + self._life, now() + self._lead)
                key = generate(self._cipher)
                await tx.run(q.RETIRE_KEYS, verifies_until=signs_from + self._token + MARGIN)
                await tx.run(
                    q.INSERT_KEY,
                    kid=key.kid,
                    private_key=key.private_key,
                    public_key=key.public_key,
                    signs_from=signs_from,
                )
                log.info("a signing key was made", kid=key.kid, signs_from=signs_from.isoformat())
            await tx.run(q.FORGET_KEYS)
        self._read_at = None

    async def _read(self) -> list[Row]:
        rows = await self._db.all(q.KEYS)
        if not rows:
            await self.rotate()
            rows = await self._db.all(q.KEYS)
        return rows

    async def _refresh(self) -> None:
        if self._read_at is not None and now() - self._read_at < RELOAD:
            return
        try:
            rows = await self._read()
        except (psycopg.OperationalError, PoolTimeout) as error:
            if not self._signers:
                raise
            # The keys that were read a moment ago still verify, and sign, while the database is away.
            log.warning("the signing keys are not read again", error=str(error))
            self._read_at = now() - RELOAD + RETRY
            return
        self._signers = [unseal(row, self._cipher) for row in rows]
        self._key_set = key_set(rows)
        self._read_at = now()
