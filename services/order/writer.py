"""Batched writes of order placement: each method processes many orders with one statement."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from google.protobuf.message import Message

from chassis.database import Database
from chassis.database.rows import parameters
from chassis.events import outbox
from chassis.events.outbox import Outbox
from services.order import queries
from services.order.rows import NewOrder, NewOrderItem, NewSaga


@dataclass(frozen=True, slots=True)
class OrderInsert:
    """An order to insert, with its items and the events to publish, each with its version."""

    order: NewOrder
    items: tuple[NewOrderItem, ...]
    events: tuple[tuple[Message, int], ...]


@dataclass(frozen=True, slots=True)
class CompletedSaga:
    """The saga of an order whose payment is started; `provider_order_id` may be empty."""

    order_id: UUID
    provider_order_id: str


class OrderWriter:
    """Its methods are the flushes of batchers."""

    def __init__(self, db: Database, events: Outbox, lock_seconds: float) -> None:
        self._db, self._outbox, self._lock = db, events, timedelta(seconds=lock_seconds)

    async def insert_sagas(self, sagas: Sequence[NewSaga]) -> Sequence[bool]:
        """Claims the idempotency keys and inserts the sagas; False for a key that is claimed already."""
        first_of_key: dict[tuple[str, str, str], NewSaga] = {}
        for saga in sagas:
            first_of_key.setdefault((saga.caller, saga.method, saga.key), saga)
        document = _to_json([parameters(saga) for saga in first_of_key.values()])
        inserted = set(await self._db.all(queries.placement.INSERT_SAGAS, sagas=document, lock=self._lock))
        return [saga.order_id in inserted for saga in sagas]

    async def insert_orders(self, inserts: Sequence[OrderInsert]) -> Sequence[bool]:
        """Inserts orders with items, history, numbers and events, and stores their ids under the idempotency keys.

        False for an order whose saga another process has taken over.
        """
        events = [(event, str(each.order.id), version) for each in inserts for event, version in each.events]
        order_ids = await self._db.all(
            queries.placement.INSERT_ORDERS,
            orders=_to_json([parameters(each.order) for each in inserts]),
            items=_to_json([parameters(item) for each in inserts for item in each.items]),
            order_ids=[each.order.id for each in inserts],
            **outbox.columns(events),
        )
        self._outbox.wake()
        inserted = set(order_ids)
        return [each.order.id in inserted for each in inserts]

    async def delete_sagas(self, sagas: Sequence[CompletedSaga]) -> Sequence[None]:
        """Deletes the sagas and stores the providers' order ids."""
        order_ids = [saga.order_id for saga in sagas]
        online = [saga for saga in sagas if saga.provider_order_id]
        if not online:
            await self._db.run(queries.placement.DELETE_SAGAS, order_ids=order_ids)
        else:
            paid_online = [saga.order_id for saga in online]
            await self._db.run(
                queries.placement.DELETE_SAGAS_AND_SET_PROVIDER_ORDERS,
                order_ids=order_ids,
                paid_online=paid_online,
                provider_order_ids=[saga.provider_order_id for saga in online],
                first_id=min(paid_online),
                last_id=max(paid_online),
            )
        return [None] * len(sagas)


# Types that JSON does not have, as PostgreSQL reads them.
_TEXTS: dict[type, Callable[[Any], str]] = {
    UUID: str,
    Decimal: str,
    datetime: datetime.isoformat,
    bytes: lambda value: f"\\x{value.hex()}",
}
_to_json = json.JSONEncoder(
    default=lambda value: _TEXTS[type(value)](value),
    ensure_ascii=False,
    separators=(",", ":"),
    check_circular=False,
).encode
