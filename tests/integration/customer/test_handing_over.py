"""Codes on their way to notification: nothing is lost while it is away, and registering never waits for it."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from jainshikanji.customer.v1 import auth_service_pb2 as auth

from chassis.rpc.channels import Channels
from devstack.ports import free_port
from services.customer.usecases import codes
from tests.harness import Platform
from tests.integration.customer.conftest import People

SECONDS = 15.0


async def waiting(people: People, customer_id: str) -> list[Any]:
    return list(
        await people.stored(
            "SELECT d.code, d.attempts, d.next_attempt_at FROM code_deliveries d JOIN codes k ON k.id = d.code_id "
            "WHERE k.customer_id = %(id)s::uuid",
            id=customer_id,
        )
    )


async def test_a_code_waits_sealed_while_notification_is_away_and_is_handed_over_when_it_is_back(
    platform: Platform, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = people.app
    nowhere = Channels(app.files, {"notification": f"127.0.0.1:{free_port()}"}, "dns:///{service}:1")
    with monkeypatch.context() as away:
        away.setattr(app, "peers", nowhere)
        started = time.perf_counter()
        asha = await people.registered()
        assert time.perf_counter() - started < 1.0
        async with asyncio.timeout(SECONDS):
            while not (rows := await waiting(people, asha.id)) or rows[0].attempts == 0:
                await asyncio.sleep(0.02)
        assert people.codes[-1].encode() not in bytes(rows[0].code)
        assert app.cipher.decrypt(rows[0].code, codes.SEALED_AS) == people.codes[-1]
    await platform.start("notification")
    await people.stored("UPDATE code_deliveries SET next_attempt_at = now() RETURNING code_id")
    app.codes_wait.set()
    async with asyncio.timeout(SECONDS):
        while await waiting(people, asha.id):
            await asyncio.sleep(0.02)
    await asha.anonymous.VerifyEmail(auth.VerifyEmailRequest(email=asha.email, code=people.codes[-1]))
    await nowhere.close()


async def test_a_code_that_expired_on_the_way_is_not_handed_over_any_more(people: People) -> None:
    app = people.app
    asha = await people.registered()
    code = people.codes[-1]
    await people.stored(
        "UPDATE codes SET expires_at = now() - interval '1 second' WHERE customer_id = %(id)s::uuid RETURNING id",
        id=asha.id,
    )
    await codes.hand_over(app)
    assert await waiting(people, asha.id) == []
    assert code
