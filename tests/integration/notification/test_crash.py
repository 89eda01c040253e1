"""The process is killed while it sends emails: the relay may have accepted them, so they are not sent again."""

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

INSERT_DISPATCH = """
WITH notification AS (
    INSERT INTO notifications (event_id, user_id, template, category, facts, occurred_at)
    VALUES (uuidv7(), %s, 'announcement', 'account', '{"title": "Once", "body": "Only once."}', now()) RETURNING id
)
INSERT INTO dispatches (notification_id, channel, expires_at)
SELECT id, 'email', now() + interval '1 day' FROM notification
"""
LIST_STATES = "SELECT state, reason, attempts FROM dispatches ORDER BY notification_id"


class SlowRelay:
    """Receives emails, and replies only after `may_reply` is set."""

    def __init__(self) -> None:
        self.port = free_port()
        self.received: list[bytes] = []
        self.may_reply = asyncio.Event()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.received.append(envelope.content)
        await self.may_reply.wait()
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


async def test_emails_of_a_killed_process_become_unknown_and_are_never_sent_again(world: World) -> None:
    account = await world.register()
    await world.mailbox.wait_for_email(account.email, "Welcome")
    database = "notification_crash"
    world.platform.postgres.create_database(database, "notification")
    url = world.platform.postgres.url("notification", database)
    await asyncio.to_thread(migrations.migrate, "notification", url)
    relay = SlowRelay()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(relay), "127.0.0.1", relay.port)
    command = (sys.executable, "-m", "services.notification")
    env = environment(world, database, relay)
    async with server, await psycopg.AsyncConnection.connect(url, autocommit=True) as database_connection:

        async def list_states() -> list[Any]:
            return await (await database_connection.execute(LIST_STATES)).fetchall()

        # Both are due before the process starts, so they are sent in parallel.
        for _ in range(2):
            await database_connection.execute(INSERT_DISPATCH, (account.id,))
        first = await asyncio.create_subprocess_exec(*command, env=env)
        try:
            await until(lambda: len(relay.received) == 2)
        finally:
            first.send_signal(signal.SIGKILL)
            await first.wait()
        assert await list_states() == [("sending", None, 1)] * 2

        relay.may_reply.set()
        second = await asyncio.create_subprocess_exec(*command, env=env)
        try:

            async def are_unknown() -> bool:
                return [state for state, _, _ in await list_states()] == ["unknown"] * 2

            await until(are_unknown)
            # A third email is sent, so the sender is working; the first two stay unknown.
            await database_connection.execute(INSERT_DISPATCH, (account.id,))
            await until(lambda: len(relay.received) == 3)
        finally:
            second.send_signal(signal.SIGTERM)
            assert await second.wait() == 0
        assert await list_states() == [("unknown", "INTERRUPTED", 1)] * 2 + [("sent", None, 1)]
        ids = [content.split(b"Message-ID: ")[1].split(b"\r\n")[0] for content in relay.received]
        assert len(set(ids)) == 3
