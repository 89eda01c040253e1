"""Expired events are purged; their figures stay."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from chassis.database import sql
from chassis.ids import new_id
from services.analytics.usecases.ingestion import load_unknown_stores
from services.analytics.usecases.retention import purge_expired
from tests.integration.analytics.conftest import PublishedOrder, World


class KnownStoreRow(NamedTuple):
    version: int
    time_zone: str


async def test_old_events_are_purged_and_their_figures_stay(world: World) -> None:
    store_id = await world.open_store()
    order = PublishedOrder(store_id, new_id(), datetime(2020, 2, 1, 6, 0, tzinfo=UTC)).delivered()
    await world.publish(order.events)
    await purge_expired(world.app)
    db = world.app.db
    old = "SELECT count(*) FROM events WHERE store_id = %(s)s AND occurred_at < '2021-01-01'"
    assert await db.one(sql(old, value=int), s=store_id) == 0
    assert await db.one(sql("SELECT sum(counted) FROM sales_days WHERE store_id = %(s)s", value=int), s=store_id) == 1


async def test_an_unknown_store_is_loaded_from_the_store_service(world: World) -> None:
    store_id = new_id()
    await world.publish(PublishedOrder(store_id, new_id(), datetime.now(UTC)).confirmed().events)
    # The store service does not know it either, which is not an error.
    await load_unknown_stores(world.app)
    known = await world.app.db.one(
        sql("SELECT version, time_zone FROM stores WHERE store_id = %(s)s", row=KnownStoreRow), s=store_id
    )
    assert known == KnownStoreRow(0, "Asia/Kolkata")
