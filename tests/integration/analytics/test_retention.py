"""Months of events come and go; figures stay."""

from __future__ import annotations

from datetime import UTC, datetime

from chassis.database import sql
from chassis.ids import new_id
from services.analytics.usecases.ingestion import load_unknown_stores
from services.analytics.usecases.retention import purge_expired
from tests.integration.analytics.conftest import PublishedOrder, World


async def test_old_events_go_and_the_figures_they_made_stay(world: World) -> None:
    store_id = await world.open_store()
    order = PublishedOrder(store_id, new_id(), datetime(2020, 2, 1, 6, 0, tzinfo=UTC)).delivered()
    await world.publish(order.events)
    await purge_expired(world.app)
    db = world.app.db
    old = "SELECT count(*) FROM events WHERE store_id = %(s)s AND occurred_at < '2021-01-01'"
    assert await db.value(sql(old), s=store_id) == 0
    assert await db.value(sql("SELECT sum(counted) FROM sales_days WHERE store_id = %(s)s"), s=store_id) == 1


async def test_a_store_of_which_only_orders_told_is_asked_for(world: World) -> None:
    store_id = new_id()
    await world.publish(PublishedOrder(store_id, new_id(), datetime.now(UTC)).confirmed().events)
    # store knows nothing of it either, which is no failure.
    await load_unknown_stores(world.app)
    known = await world.app.db.one(sql("SELECT version, time_zone FROM stores WHERE store_id = %(s)s"), s=store_id)
    assert tuple(known) == (0, "Asia/Kolkata")
