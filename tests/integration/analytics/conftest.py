"""A running analytics service, and the events of orders that it consumes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest_asyncio
from google.protobuf.message import Message
from jainshikanji.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceStub
from jainshikanji.order.v1 import events_pb2 as order_events
from jainshikanji.payment.v1.events_pb2 import RefundProcessed
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod
from jainshikanji.store.v1.events_pb2 import StoreCreated, StoreUpdated
from jainshikanji.type.v1.fulfilment_type_pb2 import FulfilmentType

from chassis.events.bus import EventMeta
from chassis.ids import new_id
from chassis.process.service import Process
from tests.harness import Identity, Platform

Published = tuple[Message, datetime]


@dataclass
class PublishedOrder:
    """An order; `events` are what the services publish of it, oldest first."""

    store_id: UUID
    customer_id: UUID
    placed_at: datetime
    total: int = 52290
    lines: Sequence[tuple[UUID, int, int]] = ()
    id: UUID = field(default_factory=new_id)
    events: list[Published] = field(default_factory=list)

    def placed(self) -> PublishedOrder:
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
        event.occurred_at.FromDatetime(self.placed_at)
        return self._append(event, 0)

    def reached(self, kind: Any, minutes: int) -> PublishedOrder:
        event = kind(order_id=str(self.id), version=2, customer_id=str(self.customer_id), store_id=str(self.store_id))
        event.total.minor_units = self.total
        event.occurred_at.FromDatetime(self.placed_at + timedelta(minutes=minutes))
        return self._append(event, minutes)

    def confirmed(self) -> PublishedOrder:
        return self.placed().reached(order_events.OrderConfirmed, 1)

    def delivered(self) -> PublishedOrder:
        self.confirmed().reached(order_events.OrderPreparing, 3).reached(order_events.OrderReady, 13)
        return self.reached(order_events.OrderDispatched, 15).reached(order_events.OrderDelivered, 35)

    def cancelled(self, minutes: int = 5) -> PublishedOrder:
        return self.reached(order_events.OrderCancelled, minutes)

    def refunded(self, paise: int, minutes: int = 60) -> PublishedOrder:
        event = RefundProcessed(refund_id=str(new_id()), order_id=str(self.id), store_id=str(self.store_id))
        event.amount.minor_units = paise
        return self._append(event, minutes)

    def _append(self, event: Message, minutes: int) -> PublishedOrder:
        self.events.append((event, self.placed_at + timedelta(minutes=minutes)))
        return self


class World:
    """The running service and its callers."""

    def __init__(self, platform: Platform, process: Process) -> None:
        self.platform, self.process = platform, process
        self.app = process.app

    async def publish(self, events: Sequence[Published], *, shuffled: random.Random | None = None) -> None:
        """Passes the events to the consumer, as JetStream does; other services of the session do not receive them.

        `shuffled` delivers them in random order and in concurrent batches, as many streams to many replicas do. Some
        are delivered twice with another id, so that the inbox does not recognise the repetition.
        """
        received = [(event, _meta(event, occurred_at)) for event, occurred_at in events]
        if shuffled is None:
            await self.process.consumer.apply(received)
            return
        received += [
            (event, replace(meta, id=new_id())) for event, meta in shuffled.sample(received, len(received) // 3)
        ]
        shuffled.shuffle(received)
        size = max(1, len(received) // 8)
        batches = [received[start : start + size] for start in range(0, len(received), size)]
        await asyncio.gather(*(self.process.consumer.apply(batch) for batch in batches))

    async def open_store(self, *, time_zone: str = "Asia/Kolkata") -> UUID:
        """A store that analytics knows."""
        store_id = new_id()
        event = StoreCreated(store_id=str(store_id), version=1, name="Andheri", time_zone=time_zone)
        await self.publish([(event, datetime.now(UTC))])
        return store_id

    async def move_store(self, store_id: UUID, time_zone: str, version: int = 2) -> None:
        event = StoreUpdated(store_id=str(store_id), version=version, name="Andheri", time_zone=time_zone)
        await self.publish([(event, datetime.now(UTC))])

    def stub(self, caller: Identity) -> Any:
        return self.platform.stub("analytics", AnalyticsServiceStub, caller)


def _meta(event: Message, occurred_at: datetime) -> EventMeta:
    event_type = event.DESCRIPTOR.full_name
    version = getattr(event, "version", 0)
    return EventMeta(new_id(), event_type, event_type.split(".")[1], "", version, occurred_at)


@pytest_asyncio.fixture(scope="session")
async def world(platform: Platform) -> AsyncIterator[World]:
    await platform.start("store")
    yield World(platform, await platform.start("analytics"))
