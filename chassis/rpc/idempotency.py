"""Writes that must not repeat: the caller's Idempotency-Key, the hash of the request and its result, in one row.

The first request with a key claims it in the transaction of its effect. Later requests with that key wait for the
commit and get the same result: the id of the created resource, or the stored error. A key belongs to one caller and
one method and is kept 48 hours.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from google.rpc import status_pb2

from chassis.database import Database, Transaction, sql
from chassis.database.rows import parameters
from chassis.errors import Conflict, DomainError, Unavailable, restore
from chassis.rpc.call import Call

KEEP = timedelta(hours=48)
WAIT_SECONDS = 8.0
_POLL_SECONDS = 0.05


class _KeyRow(NamedTuple):
    body_hash: bytes
    result_id: UUID | None
    # The stored error, a serialized google.rpc.Status.
    refusal: bytes | None


_WHERE = "caller = %(caller)s AND method = %(method)s AND key = %(key)s"
CLAIM_KEY = sql(
    """
    INSERT INTO idempotency_keys (caller, method, key, body_hash)
    VALUES (%(caller)s, %(method)s, %(key)s, %(body_hash)s) ON CONFLICT DO NOTHING RETURNING key
    """,
    value=str,
)
GET_KEY = sql(
    f"SELECT body_hash, result_id, refusal FROM idempotency_keys WHERE {_WHERE}",  # noqa: S608 - text above
    row=_KeyRow,
)
STORE_RESULT = sql(
    f"UPDATE idempotency_keys SET result_id = %(result_id)s WHERE {_WHERE}"  # noqa: S608 - text above
)
STORE_ERROR = sql(f"UPDATE idempotency_keys SET refusal = %(error)s WHERE {_WHERE}")  # noqa: S608 - text above
RELEASE_KEY = sql(f"DELETE FROM idempotency_keys WHERE {_WHERE}")  # noqa: S608 - text above
DELETE_EXPIRED = sql("DELETE FROM idempotency_keys WHERE created_at < now() - %(keep)s::interval")


class KeyReused(Conflict):
    """The key was used for another request."""

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key was used for a request with another body")


@dataclass(frozen=True, slots=True)
class Claim:
    """One caller's key for one method, and the hash of the request."""

    caller: str
    method: str
    key: str
    body_hash: bytes

    @classmethod
    def of(cls, call: Call) -> Claim:
        """The claim of the call in progress."""
        assert call.request is not None
        body = call.request.SerializeToString(deterministic=True)
        return cls(str(call.caller), call.method.path, call.idempotency_key, hashlib.sha256(body).digest())

    def where(self) -> dict[str, str]:
        """Parameters of the key's statements."""
        return {"caller": self.caller, "method": self.method, "key": self.key}


async def claim_key(tx: Transaction, claim: Claim) -> bool:
    """Claims the key in this transaction; False when it is claimed already (then see `wait_for_result`)."""
    return await tx.one(CLAIM_KEY, **parameters(claim)) is not None


async def store_result(tx: Transaction, claim: Claim, result_id: UUID) -> None:
    """Stores the id of the created resource under the key."""
    await tx.run(STORE_RESULT, result_id=result_id, **claim.where())


async def store_error(tx: Transaction, claim: Claim, error: DomainError) -> None:
    """Stores a deterministic error under the key; releases the key after one that a retry may overcome."""
    if error.deterministic:
        await tx.run(STORE_ERROR, error=error.status().SerializeToString(), **claim.where())
    else:
        await tx.run(RELEASE_KEY, **claim.where())


async def wait_for_result(db: Database, claim: Claim) -> UUID | None:
    """The id stored under a claimed key; None when the key is free. Waits while the first request is in progress.

    Raises KeyReused, the stored error, or Unavailable when the first request takes longer than 8 seconds.
    """
    deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
    while True:
        row = await db.one(GET_KEY, **claim.where())
        if row is None:
            return None
        if (result_id := _read(row, claim)) is not None:
            return result_id
        if asyncio.get_running_loop().time() > deadline:
            raise Unavailable("the first request with this Idempotency-Key is still in progress")
        await asyncio.sleep(_POLL_SECONDS)


def _read(row: _KeyRow, claim: Claim) -> UUID | None:
    if row.body_hash != claim.body_hash:
        raise KeyReused
    if row.refusal is not None:
        raise restore(status_pb2.Status.FromString(row.refusal))
    return row.result_id


async def run_once(db: Database, claim: Claim, work: Callable[[Transaction], Awaitable[UUID]]) -> UUID:
    """Runs `work` in one transaction with its key; returns the id that it returns, now or the first time.

    A deterministic error of `work` undoes its writes, is stored, and is raised now and at each repeat.
    """
    while True:
        failed: DomainError | None = None
        async with db.transaction() as tx:
            claimed = await claim_key(tx, claim)
            if claimed:
                try:
                    async with tx.savepoint():
                        result_id = await work(tx)
                    await store_result(tx, claim, result_id)
                except DomainError as error:
                    if not error.deterministic:
                        raise
                    await store_error(tx, claim, error)
                    failed = error
        if failed is not None:
            raise failed
        if claimed:
            return result_id
        known = await wait_for_result(db, claim)
        if known is not None:
            return known


async def purge_expired(db: Database) -> None:
    """Deletes keys that are older than 48 hours."""
    async with db.maintenance() as tx:
        await tx.run(DELETE_EXPIRED, keep=KEEP)
