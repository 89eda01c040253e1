"""Monthly partitions of the delivery log, old notifications and expired secrets are deleted in time."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from chassis import clock
from chassis.database import sql
from chassis.ids import new_id
from services.notification.usecases.retention import purge_expired
from tests.integration.notification.conftest import World

LIST_PARTITIONS = sql(
    "SELECT child.relname::text FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid ORDER BY 1", value=str
)
INSERT_NOTIFICATION = sql(
    """
    INSERT INTO notifications (id, event_id, user_id, template, category, facts, occurred_at, created_at)
    VALUES (%(id)s, uuidv7(), %(id)s, 'welcome', 'account', '{}', now(), %(at)s)
    """
)
INSERT_ENCRYPTED_FACTS = sql(
    "INSERT INTO sealed_facts (notification_id, sealed, expires_at) VALUES (%(id)s, 'x', %(at)s)"
)
COUNT_ENCRYPTED_FACTS = sql("SELECT count(*) FROM sealed_facts WHERE notification_id = %(id)s", value=int)
LIST_EXISTING = sql("SELECT id FROM notifications WHERE id = ANY(%(ids)s::uuid[])", value=UUID)


async def list_months(world: World) -> list[str]:
    """The names of the log's partitions."""
    names = await world.app.db.all(LIST_PARTITIONS)
    return [name for name in names if name.removeprefix("deliveries_").isdigit()]


async def test_the_delivery_log_has_this_month_and_the_next_two_and_drops_old_months(world: World) -> None:
    db, now = world.app.db, clock.now()
    old = (now.replace(day=1) - timedelta(days=31 * 16)).replace(day=1)
    name = f"deliveries_{old:%Y%m}"
    following = (old + timedelta(days=32)).replace(day=1)
    limits = f"FROM ('{old:%Y-%m-01}') TO ('{following:%Y-%m-01}')"
    await db.run(sql(f"CREATE TABLE {name} PARTITION OF deliveries FOR VALUES {limits}"))
    assert name in await list_months(world)
    await purge_expired(world.app)
    left = await list_months(world)
    assert name not in left
    assert f"deliveries_{now:%Y%m}" in left
    assert len(left) >= 3


async def test_old_notifications_and_expired_secrets_are_deleted(world: World) -> None:
    db, now = world.app.db, clock.now()
    old, recent = new_id(), new_id()
    await db.run(INSERT_NOTIFICATION, id=old, at=now - timedelta(days=401))
    await db.run(INSERT_NOTIFICATION, id=recent, at=now - timedelta(days=399))
    await db.run(INSERT_ENCRYPTED_FACTS, id=recent, at=now - timedelta(hours=2))
    await purge_expired(world.app)
    assert await db.all(LIST_EXISTING, ids=[old, recent]) == [recent]
    assert await db.one(COUNT_ENCRYPTED_FACTS, id=recent) == 0
