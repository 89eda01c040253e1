"""Delivery of codes to the notification service: none is lost while it is unavailable, and no registration waits."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from jainshikanji.customer.v1 import auth_service_pb2 as auth

from chassis.rpc.channels import Channels
from devstack.ports import free_port
from services.customer.model.personal_data import CODE
from services.customer.usecases import codes
from tests.harness import Platform
from tests.integration.customer.conftest import People

SECONDS = 15.0


async def list_waiting(people: People, customer_id: str) -> list[Any]:
    return list(
        await people.query(
            "SELECT d.code, d.attempts, d.next_attempt_at FROM code_deliveries d JOIN codes k ON k.id = d.code_id "
            "WHERE k.customer_id = %(id)s::uuid",
            id=customer_id,
        )
    )


async def test_a_code_is_stored_encrypted_until_the_notification_service_is_available(
    platform: Platform, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = people.app
    nowhere = Channels(app.files, {"notification": f"127.0.0.1:{free_port()}"}, "dns:///{service}:1")
    with monkeypatch.context() as unavailable:
        unavailable.setattr(app, "channels", nowhere)
        started = time.perf_counter()
        asha = await people.register()
        assert time.perf_counter() - started < 1.0
        async with asyncio.timeout(SECONDS):
            while not (rows := await list_waiting(people, asha.id)) or rows[0].attempts == 0:
                await asyncio.sleep(0.02)
        assert people.codes[-1].encode() not in bytes(rows[0].code)
        assert app.cipher.decrypt(rows[0].code, CODE) == people.codes[-1]
    await platform.start("notification")
    await people.query("UPDATE code_deliveries SET next_attempt_at = now() RETURNING code_id")
    app.codes_waiting.set()
    async with asyncio.timeout(SECONDS):
        while await list_waiting(people, asha.id):
            await asyncio.sleep(0.02)
    await asha.anonymous.VerifyEmail(auth.VerifyEmailRequest(email=asha.email, code=people.codes[-1]))
    await nowhere.close()


async def test_an_expired_code_is_not_delivered(people: People) -> None:
    app = people.app
    asha = await people.register()
    code = people.codes[-1]
    await people.query(
        "UPDATE codes SET expires_at = now() - interval '1 second' WHERE customer_id = %(id)s::uuid RETURNING id",
        id=asha.id,
    )
    await codes.deliver_codes(app)
    assert await list_waiting(people, asha.id) == []
    assert code
