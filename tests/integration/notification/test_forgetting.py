"""Months of the log come and go; old notifications and spent secrets go."""

from __future__ import annotations

from datetime import timedelta

from chassis import clock
from chassis.database import sql
from chassis.ids import new_id
from services.notification.usecases.forgetting import forget_old
from tests.integration.notification.conftest import World

PARTITIONS = sql("SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid ORDER BY 1")
TELL = sql(
    """
    INSERT INTO notifications (id, event_id, user_id, template, category, facts, occurred_at, created_at)
    VALUES (%(id)s, uuidv7(), %(id)s, 'welcome', 'account', '{}', now(), %(at)s)
    """
)


async def months(world: World) -> list[str]:
    """Names of the log's partitions."""
    names = [row.relname for row in await world.process.app.db.all(PARTITIONS)]
    return [name for name in names if name.removeprefix("deliveries_").isdigit()]


async def test_the_log_has_this_month_and_the_next_two_and_drops_the_fourteenth(world: World) -> None:
    db, now = world.process.app.db, clock.now()
    old = (now.replace(day=1) - timedelta(days=31 * 16)).replace(day=1)
    name = f"deliveries_{old:%Y%m}"
    following = (old + timedelta(days=32)).replace(day=1)
    bounds = f"FROM ('{old:%Y-%m-01}') TO ('{following:%Y-%m-01}')"
    await db.run(sql(f"CREATE TABLE {name} PARTITION OF deliveries FOR VALUES {bounds}"))
    assert name in await months(world)
    await forget_old(world.process.app)
    left = await months(world)
    assert name not in left
    assert f"deliveries_{now:%Y%m}" in left
    assert len(left) >= 3


async def test_old_notifications_and_expired_secrets_are_forgotten(world: World) -> None:
    db, now = world.process.app.db, clock.now()
    old, recent = new_id(), new_id()
    await db.run(TELL, id=old, at=now - timedelta(days=401))
    await db.run(TELL, id=recent, at=now - timedelta(days=399))
    seal = sql("INSERT INTO sealed_facts (notification_id, sealed, expires_at) VALUES (%(id)s, 'x', %(at)s)")
    await db.run(seal, id=recent, at=now - timedelta(hours=2))
    await forget_old(world.process.app)
    left = await db.all(sql("SELECT id FROM notifications WHERE id = ANY(%(ids)s::uuid[])"), ids=[old, recent])
    assert [row.id for row in left] == [recent]
    assert await db.value(sql("SELECT count(*) FROM sealed_facts WHERE notification_id = %(id)s"), id=recent) == 0
