"""Rolling upgrades: newer schemas, streams and consumers that are declared before a service starts."""

from __future__ import annotations

import nats
import psycopg
import pytest
from nats.aio.client import Client

from chassis.database import migrations
from chassis.events.bus import Bus, consumer_config, stream_name
from chassis.events.streams import Declaration, StreamSettings, declare
from tests.harness import Platform


@pytest.fixture
def database(servers: Platform) -> str:
    servers.postgres.drop_database("ahead_db")
    servers.postgres.create_database("ahead_db", owner="review")
    return servers.postgres.url("review", "ahead_db")


def test_a_schema_of_a_later_build_is_not_changed(database: str) -> None:
    migrations.migrate("review", database)
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    migrations.migrate("review", database)
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    assert row == ("9999",)


def test_waiting_for_the_database_has_a_timeout() -> None:
    with pytest.raises(psycopg.OperationalError):
        migrations.wait_until_reachable("postgresql://unknown@127.0.0.1:1/nothing", 0.0)


def test_waiting_for_the_schema_ends_when_it_is_migrated(database: str) -> None:
    with pytest.raises(migrations.SchemaBehind, match="missing"):
        migrations.wait_until_migrated("review", database, 0.0)
    migrations.migrate("review", database)
    migrations.wait_until_migrated("review", database, 0.0)
    with psycopg.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(migrations.SchemaBehind, match="0000"):
        migrations.wait_until_migrated("review", database, 0.0)


async def _client(servers: Platform) -> Client:
    return await nats.connect(servers.nats.url)


TYPES = ["jainshikanji.declared.v1.Boiled", "jainshikanji.declared.v1.Served"]


async def test_declaring_streams_and_consumers_is_idempotent_and_updates_their_subjects(servers: Platform) -> None:
    settings = StreamSettings(nats_url=servers.nats.url)
    kitchen, waiter = Declaration("declared", []), Declaration("waiter", TYPES[:1])
    for _ in range(2):
        await declare([kitchen, waiter], settings)
    client = await _client(servers)
    js = client.jetstream()
    assert (await js.stream_info(stream_name("declared"))).config.subjects == ["jainshikanji.declared.v1.>"]
    await declare([kitchen, Declaration("waiter", TYPES)], settings)
    found = await js.consumer_info(stream_name("declared"), "waiter")
    assert found.config.filter_subjects == TYPES
    await client.close()


async def test_an_older_replica_does_not_remove_subjects_of_a_declared_consumer(servers: Platform) -> None:
    settings = StreamSettings(nats_url=servers.nats.url)
    await declare([Declaration("declared", []), Declaration("cook", TYPES)], settings)
    bus = Bus("cook", servers.nats.url, listen_url="")
    await bus.connect()

    async def receive(_: object) -> None:
        """Nothing is published here."""

    # An older replica has fewer event types; the newer replicas still need the others.
    await bus.consume("declared", TYPES[:1], receive)
    client = await _client(servers)
    js = client.jetstream()
    found = await js.consumer_info(stream_name("declared"), "cook")
    assert found.config.filter_subjects == TYPES
    wanted = consumer_config("cook", "declared", TYPES)
    assert found.config.deliver_subject == wanted.deliver_subject
    await client.close()
    await bus.close()
