"""Publishers and consumers of events without a service: a database with the chassis tables, a connection to NATS."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from jainshikanji.review.v1.events_pb2 import ReviewPosted
from sqlalchemy import create_engine

from chassis.database import Database
from chassis.database.lease import Lease
from chassis.database.migrations import create_chassis_tables, engine_url
from chassis.events.bus import Bus
from chassis.events.consumer import Consumer
from chassis.events.outbox import Outbox, Relay


class Participant:
    """A publisher or a consumer."""

    def __init__(self, name: str, url: str, nats_url: str) -> None:
        self.name, self.url = name, url
        self.outbox = Outbox()
        self.db = Database(url, size=4, application=name, outbox=self.outbox)
        self.bus = Bus(name, nats_url, listen_url=url)

    async def open(self) -> None:
        engine = create_engine(engine_url(self.url))
        with engine.begin() as connection, Operations.context(MigrationContext.configure(connection)):
            create_chassis_tables()
        engine.dispose()
        await self.db.open()
        await self.bus.connect()

    def relay(self) -> Relay:
        return Relay(self.name, self.db, self.bus, self.outbox, Lease(self.db, "relay", ttl=1.0))

    def consumer(self, handlers: dict[type, Any]) -> Consumer:
        return Consumer(self.name, SimpleNamespace(name=self.name), self.db, self.bus, handlers)

    async def close(self) -> None:
        await self.bus.close()
        await self.db.close()


async def eventually(condition: Any, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)


async def publish(publisher: Participant, *review_ids: str) -> None:
    async with publisher.db.transaction() as tx:
        for review_id in review_ids:
            tx.publish(ReviewPosted(review_id=review_id), key=review_id, version=1)


async def cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
