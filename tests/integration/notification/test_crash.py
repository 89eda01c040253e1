"""The process dies while mails are being handed over: they may have arrived, so nobody sends them again."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
from typing import Any

import psycopg
from aiosmtpd.smtp import SMTP, Envelope, Session

from chassis.database import migrations
from devstack.ports import free_port
from tests.integration.notification.conftest import World, until

QUEUE = """
WITH told AS (
    INSERT INTO notifications (event_id, user_id, template, category, facts, occurred_at)
    VALUES (uuidv7(), %s, 'announcement', 'account', '{"title": "Once", "body": "Only once."}', now()) RETURNING id
)
INSERT INTO dispatches (notification_id, channel, expires_at) SELECT id, 'email', now() + interval '1 day' FROM told
"""
STATES = "SELECT state, reason, attempts FROM dispatches ORDER BY notification_id"


class SlowRelay:
    """Takes mails, and answers only when it is allowed to."""

    def __init__(self) -> None:
        self.port = free_port()
        self.taken: list[bytes] = []
        self.answers = asyncio.Event()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.taken.append(envelope.content)
        await self.answers.wait()
        return "250 OK"


def environment(world: World, database: str, relay: SlowRelay) -> dict[str, str]:
    platform = world.platform
    settings = {
        "environment": "development",
        "database_url": platform.postgres.url("notification", database),
        # Sending needs no NATS.
        "nats_url": "nats://127.0.0.1:1",
        "grpc_host": "127.0.0.1",
        "grpc_port": "0",
        "health_port": "0",
        "metrics_port": str(free_port()),
        "tls_dir": str(platform.certificates / "notification"),
        "peers": json.dumps({peer: f"127.0.0.1:{number}" for peer, number in platform.ports.items()}),
        "field_keys": "t1:" + base64.b64encode(b"f" * 32).decode(),
        "index_key": base64.b64encode(b"i" * 32).decode(),
        "signing_key": base64.b64encode(b"s" * 32).decode(),
        "smtp_host": "127.0.0.1",
        "smtp_port": str(relay.port),
        "smtp_tls": "none",
        "interrupted_after_seconds": "1",
    }
    return {**os.environ, **{f"NOTIFICATION_{name.upper()}": value for name, value in settings.items()}}


async def test_mails_whose_sender_was_killed_are_unknown_and_never_sent_again(world: World) -> None:
    person = await world.register()
    await world.mailbox.mail(person.email, "Welcome")
    database = "notification_crash"
    world.platform.postgres.create_database(database, "notification")
    url = world.platform.postgres.url("notification", database)
    await asyncio.to_thread(migrations.migrate, "notification", url)
    relay = SlowRelay()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(relay), "127.0.0.1", relay.port)
    command = (sys.executable, "-m", "services.notification")
    env = environment(world, database, relay)
    async with server, await psycopg.AsyncConnection.connect(url, autocommit=True) as database_connection:

        async def states() -> list[Any]:
            return await (await database_connection.execute(STATES)).fetchall()

        # Both wait before anybody sends, so they are handed over together.
        for _ in range(2):
            await database_connection.execute(QUEUE, (person.id,))
        first = await asyncio.create_subprocess_exec(*command, env=env)
        try:
            await until(lambda: len(relay.taken) == 2)
        finally:
            first.send_signal(signal.SIGKILL)
            await first.wait()
        assert await states() == [("sending", None, 1)] * 2

        relay.answers.set()
        second = await asyncio.create_subprocess_exec(*command, env=env)
        try:

            async def are_unknown() -> bool:
                return [state for state, _, _ in await states()] == ["unknown"] * 2

            await until(are_unknown)
            # A mail that comes later goes out, so the sender is at work; the first ones stay as they are.
            await database_connection.execute(QUEUE, (person.id,))
            await until(lambda: len(relay.taken) == 3)
        finally:
            second.send_signal(signal.SIGTERM)
            assert await second.wait() == 0
        assert await states() == [("unknown", "INTERRUPTED", 1)] * 2 + [("sent", None, 1)]
        ids = [content.split(b"Message-ID: ")[1].split(b"\r\n")[0] for content in relay.taken]
        assert len(set(ids)) == 3
