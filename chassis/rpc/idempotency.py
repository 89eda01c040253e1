"""Writes that must not repeat: the caller's key, the hash of its request and the outcome, kept with the effect.

The first request with a key claims it in the transaction of its effect; others with that key wait for its commit and
then get its outcome. The outcome is the id of what was made, or a refusal that would be given again. Keys belong to
one caller and one method, and are kept 48 hours.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from google.protobuf.message import Message
from google.rpc import status_pb2

from chassis.database import Database, Row, Transaction, sql
from chassis.errors import Conflict, DomainError, Unavailable, restore
from chassis.rpc.call import Call

KEEP = timedelta(hours=48)
WAIT_SECONDS = 8.0
_POLL_SECONDS = 0.05

CLAIM = sql(
    """
    INSERT INTO idempotency_keys (caller, method, key, body_hash)
    VALUES (%(caller)s, %(method)s, %(key)s, %(body_hash)s) ON CONFLICT DO NOTHING RETURNING key
    """
)
FIND = sql(
    """
    SELECT body_hash, result_id, refusal FROM idempotency_keys
    WHERE caller = %(caller)s AND method = %(method)s AND key = %(key)s
    """
)
SETTLE = sql(
    """
    UPDATE idempotency_keys SET result_id = %(result_id)s, refusal = %(refusal)s
    WHERE caller = %(caller)s AND method = %(method)s AND key = %(key)s
    """
)
RELEASE = sql("DELETE FROM idempotency_keys WHERE caller = %(caller)s AND method = %(method)s AND key = %(key)s")
FORGET = sql("DELETE FROM idempotency_keys WHERE created_at < now() - %(keep)s::interval")


class KeyReused(Conflict):
    """The key was used for another request."""

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key was used for a request with another body")


@dataclass(frozen=True, slots=True)
class Claim:
    """One caller's key for one method, and the hash of what was asked."""

    caller: str
    method: str
    key: str
    body_hash: bytes

    @classmethod
    def of(cls, call: Call, request: Message) -> Claim:
        body = request.SerializeToString(deterministic=True)
        return cls(str(call.caller), call.method.path, call.idempotency_key, hashlib.sha256(body).digest())

    def where(self) -> dict[str, str]:
        return {"caller": self.caller, "method": self.method, "key": self.key}


async def claim(tx: Transaction, mine: Claim) -> bool:
    """Claims the key in this transaction; False when it is claimed already (then see `outcome`)."""
    return await tx.value(CLAIM, body_hash=mine.body_hash, **mine.where()) is not None


async def store_result(tx: Transaction, mine: Claim, result_id: UUID) -> None:
    """Keeps the id of what the request made."""
    await tx.run(SETTLE, result_id=result_id, refusal=None, **mine.where())


async def store_error(tx: Transaction, mine: Claim, refusal: DomainError) -> None:
    """Keeps a deterministic refusal; frees the key after one that a retry may overcome."""
    if refusal.deterministic:
        await tx.run(SETTLE, result_id=None, refusal=refusal.status().SerializeToString(), **mine.where())
    else:
        await tx.run(RELEASE, **mine.where())


async def wait_for_result(db: Database, mine: Claim) -> UUID | None:
    """The id that a claimed key led to; None when the key is free. Waits for a request that is still under way.

    Raises KeyReused, the kept refusal, or Unavailable when the first request takes too long.
    """
    deadline = asyncio.get_running_loop().time() + WAIT_SECONDS
    while True:
        row = await db.one(FIND, **mine.where())
        if row is None:
            return None
        if (result_id := _read(row, mine)) is not None:
            return result_id
        if asyncio.get_running_loop().time() > deadline:
            raise Unavailable("the first request with this Idempotency-Key is still under way")
        await asyncio.sleep(_POLL_SECONDS)


def _read(row: Row, mine: Claim) -> UUID | None:
    if bytes(row.body_hash) != mine.body_hash:
        raise KeyReused
    if row.refusal is not None:
        raise restore(status_pb2.Status.FromString(bytes(row.refusal)))
    result_id: UUID | None = row.result_id
    return result_id


async def run_once(db: Database, call: Call, request: Message, work: Callable[[Transaction], Awaitable[UUID]]) -> UUID:
    """Does `work` in one transaction with its key; returns the id it came to, now or the first time.

    A deterministic refusal of `work` undoes its writes, is kept, and raised now and at each repeat.
    """
    mine = Claim.of(call, request)
    while True:
        refused: DomainError | None = None
        async with db.transaction() as tx:
            claimed = await claim(tx, mine)
            if claimed:
                try:
                    async with tx.savepoint():
                        result_id = await work(tx)
                    await store_result(tx, mine, result_id)
                except DomainError as refusal:
                    if not refusal.deterministic:
                        raise
                    await store_error(tx, mine, refusal)
                    refused = refusal
        if refused is not None:
            raise refused
        if claimed:
            return result_id
        known = await wait_for_result(db, mine)
        if known is not None:
            return known


async def purge_expired(db: Database) -> None:
    """Deletes keys that are older than 48 hours."""
    async with db.maintenance() as tx:
        await tx.run(FORGET, keep=KEEP)
