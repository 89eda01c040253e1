"""The three writes of placing an order, each for many orders in one statement."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from google.protobuf.message import Message

from chassis.database import Database
from chassis.events import outbox
from chassis.events.outbox import Outbox
from chassis.rpc.idempotency import Claim
from services.order.queries import placing


@dataclass(frozen=True, slots=True)
class Saga:
    """An order about to be placed: everything that whoever finds it later needs to undo or finish it."""

    order_id: UUID
    customer_id: UUID
    store_id: UUID
    holds_benefits: bool
    claim: Claim


@dataclass(frozen=True, slots=True)
class Written:
    """An order ready to be written: its row by column, items as `wire.orders.ItemRow`, amounts in minor units."""

    row: SimpleNamespace
    events: tuple[tuple[Message, int], ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """An order whose payment is started; `provider_order_id` may be empty."""

    order_id: UUID
    provider_order_id: str


class OrderWriter:
    def __init__(self, db: Database, events: Outbox, lock_seconds: float) -> None:
        self._db, self._outbox, self._lock = db, events, timedelta(seconds=lock_seconds)

    async def begin(self, sagas: Sequence[Saga]) -> Sequence[bool]:
        """Claims the keys and records the sagas; False for a key that is claimed already."""
        firsts: dict[tuple[str, str, str], Saga] = {}
        for saga in sagas:
            firsts.setdefault((saga.claim.caller, saga.claim.method, saga.claim.key), saga)
        document = [
            {
                "order_id": saga.order_id,
                "customer_id": saga.customer_id,
                "store_id": saga.store_id,
                "holds_benefits": saga.holds_benefits,
                "caller": saga.claim.caller,
                "method": saga.claim.method,
                "key": saga.claim.key,
                "body_hash": saga.claim.body_hash,
            }
            for saga in firsts.values()
        ]
        rows = await self._db.all(placing.BEGIN, sagas=_json(document), lock=self._lock)
        begun = {row.order_id for row in rows}
        return [saga.order_id in begun for saga in sagas]

    async def write(self, orders: Sequence[Written]) -> Sequence[bool]:
        """Writes orders with items, history, numbers, events and answers to their keys. False: the saga is gone."""
        rows = await self._db.all(
            placing.WRITE,
            orders=_json([vars(order.row) for order in orders]),
            order_ids=[order.row.id for order in orders],
            **outbox.columns(
                [(event, str(order.row.id), version) for order in orders for event, version in order.events]
            ),
        )
        self._outbox.wake()
        written = {row.order_id for row in rows}
        return [order.row.id in written for order in orders]

    async def finish(self, orders: Sequence[Finished]) -> Sequence[None]:
        """Deletes sagas that are done and notes the providers' orders."""
        order_ids = [order.order_id for order in orders]
        online = [order for order in orders if order.provider_order_id]
        if not online:
            await self._db.run(placing.FORGET, order_ids=order_ids)
        else:
            paid_online = [order.order_id for order in online]
            await self._db.run(
                placing.FINISH,
                order_ids=order_ids,
                paid_online=paid_online,
                provider_order_ids=[order.provider_order_id for order in online],
                first_id=min(paid_online),
                last_id=max(paid_online),
            )
        return [None] * len(orders)


def _json(document: Any) -> str:
    return json.dumps(document, default=_plain, ensure_ascii=False, separators=(",", ":"))


def _plain(value: Any) -> str:
    """What JSON has no word for, as PostgreSQL reads it."""
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    raise TypeError(f"no JSON for {type(value).__name__}")
