"""Analytics on a real database, hearing events from a real NATS as the other services publish them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest_asyncio
from google.protobuf.message import Message
from jainshikanji.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from jainshikanji.order.v1 import events_pb2 as order_events
from jainshikanji.order.v1.order_pb2 import FulfilmentType, PaymentMethod
from jainshikanji.payment.v1.events_pb2 import RefundProcessed
from jainshikanji.store.v1.events_pb2 import StoreCreated, StoreUpdated

from chassis.bus import Bus
from chassis.db import sql
from chassis.ids import new_id
from chassis.service import Process
from tests.harness import Identity, Platform

Published = tuple[Message, datetime]
HEARD = sql("SELECT count(*) FROM events WHERE id = ANY(%(ids)s::uuid[])")


@dataclass
class SaidOrder:
    """An order as a test tells it; `events` are what its services publish, oldest first."""

    store_id: UUID
    customer_id: UUID
    placed_at: datetime
    total: int = 52290
    lines: Sequence[tuple[UUID, int, int]] = ()
    id: UUID = field(default_factory=new_id)
    events: list[Published] = field(default_factory=list)

    def placed(self) -> SaidOrder:
        event = order_events.OrderCreated(
            order_id=str(self.id),
            version=1,
            order_number=f"ORD-{self.id.hex[-8:]}",
            customer_id=str(self.customer_id),
            store_id=str(self.store_id),
            fulfilment_type=FulfilmentType.DELIVERY,
            payment_method=PaymentMethod.UPI,
        )
        for product_id, quantity, paise in self.lines:
            item = event.items.add(product_id=str(product_id), name="Dosa", category="south", quantity=quantity)
            item.subtotal.minor_units = paise
        event.subtotal.minor_units = self.total - 2490
        event.tax.minor_units = 2490
        event.total.minor_units = self.total
        event.created_at.FromDatetime(self.placed_at)
        return self._say(event, 0)

    def reached(self, kind: Any, minutes: int) -> SaidOrder:
        event = kind(order_id=str(self.id), version=2, customer_id=str(self.customer_id), store_id=str(self.store_id))
        event.total.minor_units = self.total
        event.occurred_at.FromDatetime(self.placed_at + timedelta(minutes=minutes))
        return self._say(event, minutes)

    def confirmed(self) -> SaidOrder:
        return self.placed().reached(order_events.OrderConfirmed, 1)

    def delivered(self) -> SaidOrder:
        self.confirmed().reached(order_events.OrderPreparing, 3).reached(order_events.OrderReady, 13)
        return self.reached(order_events.OrderDispatched, 15).reached(order_events.OrderDelivered, 35)

    def cancelled(self, minutes: int = 5) -> SaidOrder:
        return self.reached(order_events.OrderCancelled, minutes)

    def refunded(self, paise: int, minutes: int = 60) -> SaidOrder:
        event = RefundProcessed(refund_id=str(new_id()), order_id=str(self.id), store_id=str(self.store_id))
        event.amount.minor_units = paise
        return self._say(event, minutes)

    def _say(self, event: Message, minutes: int) -> SaidOrder:
        self.events.append((event, self.placed_at + timedelta(minutes=minutes)))
        return self


class World:
    """What a test does and asks."""

    def __init__(self, platform: Platform, process: Process) -> None:
        self.platform, self.process = platform, process
        self.app = process.app
        self._buses: dict[str, Bus] = {}

    async def publish(self, events: Sequence[Published], *, shuffled: random.Random | None = None) -> None:
        """Publishes as the services would; shuffled also in any order, some of it twice. Returns when all is heard."""
        rows: dict[str, list[Any]] = {}
        for event, occurred_at in events:
            event_type = event.DESCRIPTOR.full_name
            row = SimpleNamespace(
                event_id=new_id(),
                type=event_type,
                key=getattr(event, "order_id", ""),
                version=getattr(event, "version", 0),
                payload=event.SerializeToString(),
                trace_parent=None,
                occurred_at=occurred_at,
            )
            rows.setdefault(event_type.split(".")[1], []).append(row)
        for service, mine in rows.items():
            if shuffled is not None:
                # The same event under another id: what the inbox cannot tell from a new one.
                twice = shuffled.sample(mine, len(mine) // 3)
                mine += [SimpleNamespace(**{**vars(row), "event_id": new_id()}) for row in twice]
                shuffled.shuffle(mine)
            await (await self._bus(service)).publish(mine)
        await self._heard([row.event_id for mine in rows.values() for row in mine])

    async def _heard(self, event_ids: list[UUID]) -> None:
        async with asyncio.timeout(20):
            while await self.app.db.value(HEARD, ids=event_ids) < len(event_ids):
                await asyncio.sleep(0.01)

    async def _bus(self, service: str) -> Bus:
        if service not in self._buses:
            bus = Bus(service, self.platform.nats.url, listen_url=self.platform.postgres.url(service))
            await bus.connect()
            self._buses[service] = bus
        return self._buses[service]

    async def open_store(self, *, time_zone: str = "Asia/Kolkata") -> UUID:
        """A store that analytics has heard of."""
        store_id = new_id()
        event = StoreCreated(store_id=str(store_id), version=1, name="Andheri", time_zone=time_zone)
        await self.publish([(event, datetime.now(UTC))])
        return store_id

    async def move_store(self, store_id: UUID, time_zone: str, version: int = 2) -> None:
        event = StoreUpdated(store_id=str(store_id), version=version, name="Andheri", time_zone=time_zone)
        await self.publish([(event, datetime.now(UTC))])

    def asking(self, caller: Identity) -> Any:
        return self.platform.stub("analytics", AnalyticsServiceStub, caller)

    async def close(self) -> None:
        for bus in self._buses.values():
            await bus.close()


@pytest_asyncio.fixture(scope="session")
async def world(platform: Platform) -> AsyncIterator[World]:
    await platform.start("store")
    world = World(platform, await platform.start("analytics"))
    yield world
    await world.close()
