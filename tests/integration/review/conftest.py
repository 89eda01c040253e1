"""A running review service, and deliveries that it consumes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp
from jainshikanji.order.v1.events_pb2 import OrderDelivered
from jainshikanji.review.v1.review_service_pb2_grpc import ReviewServiceStub

from chassis import ids
from chassis.clock import now
from chassis.database import sql
from chassis.process.service import Process
from tests.harness import Identity, Platform

COUNT_DELIVERED = sql("SELECT count(*) FROM delivered_items WHERE order_id = %(order_id)s", value=int)


@dataclass(frozen=True)
class Order:
    """An order that was delivered."""

    products: list[UUID]
    id: UUID = field(default_factory=ids.new_id)
    customer: UUID = field(default_factory=ids.new_id)
    store: UUID = field(default_factory=ids.new_id)

    def delivered(self) -> OrderDelivered:
        moment = Timestamp()
        moment.FromDatetime(now())
        event = OrderDelivered(
            order_id=str(self.id), customer_id=str(self.customer), store_id=str(self.store), occurred_at=moment
        )
        for product in self.products:
            event.items.add(product_id=str(product))
        return event


@pytest_asyncio.fixture(scope="session")
async def process(platform: Platform) -> Process:
    return await platform.start("review")


@pytest.fixture
def as_caller(platform: Platform, process: Process) -> Callable[[Identity], Any]:
    """A stub of ReviewService for a caller."""
    return lambda caller: platform.stub("review", ReviewServiceStub, caller)


@pytest.fixture
def deliver(platform: Platform, process: Process) -> Callable[..., Awaitable[Order]]:
    """Delivers an order with these products and waits until the service has consumed the event."""

    async def deliver(*products: UUID, **who: UUID) -> Order:
        order = Order(list(products), **who)
        await platform.publish(order.delivered())
        async with asyncio.timeout(10):
            while (await process.app.db.one(COUNT_DELIVERED, order_id=order.id) or 0) < len(set(products)):
                await asyncio.sleep(0.02)
        return order

    return deliver
