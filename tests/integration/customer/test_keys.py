"""Signing keys: created once, published before they sign, kept until their last token has expired."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from jainshikanji.customer.v1 import auth_service_pb2 as auth
from jainshikanji.customer.v1.auth_service_pb2_grpc import AuthServiceStub

from chassis.clock import now
from chassis.database import Database
from chassis.events.outbox import Outbox
from devstack.ports import free_port
from services.customer.keys import Keyring
from tests import harness
from tests.integration.customer.conftest import People


async def published(people: People) -> set[str]:
    answer = await people.auth(harness.anonymous()).GetJwks(auth.GetJwksRequest())
    return {key["kid"] for key in json.loads(answer.data)["keys"]}


def ring(people: People, **changes: Any) -> Keyring:
    """The keys of a replica that starts now."""
    app = people.app
    times = {"life": timedelta(days=30), "lead": timedelta(days=1), "token": timedelta(minutes=15), **changes}
    return Keyring(app.db, app.cipher, **times)


async def move_keys(people: People, *, days: float) -> None:
    """Moves the times of all keys into the past."""
    await people.query(
        "UPDATE signing_keys SET signs_from = signs_from - %(age)s, verifies_until = verifies_until - %(age)s "
        "RETURNING kid",
        age=timedelta(days=days),
    )


async def test_replicas_that_start_concurrently_create_one_key(people: People) -> None:
    await people.query("DELETE FROM signing_keys RETURNING kid")
    signers = await asyncio.gather(*(ring(people).get_signer() for _ in range(6)))
    assert len({signer.kid for signer in signers}) == 1
    assert len(await people.query("SELECT kid FROM signing_keys")) == 1
    await people.app.keyring.rotate()


async def test_tokens_stay_valid_during_a_rotation(people: People) -> None:
    await people.query("DELETE FROM signing_keys RETURNING kid")
    old = await ring(people).get_signer()
    assert old.kid == (await ring(people).get_signer()).kid

    # The next key is published a day before it signs.
    await move_keys(people, days=29.5)
    await ring(people).rotate()
    await ring(people).rotate()
    kids = [row.kid for row in await people.query("SELECT kid FROM signing_keys ORDER BY signs_from")]
    assert kids[0] == old.kid
    assert len(kids) == 2
    assert (await ring(people).get_signer()).kid == old.kid
    assert {key["kid"] for key in json.loads(await ring(people).get_key_set())["keys"]} == set(kids)

    # It signs when it is due, and tokens of the old key still verify.
    await move_keys(people, days=1.001)
    assert (await ring(people).get_signer()).kid == kids[1]
    assert {key["kid"] for key in json.loads(await ring(people).get_key_set())["keys"]} == set(kids)

    # The old key is deleted when its last token has expired.
    await move_keys(people, days=0.1)
    await ring(people).rotate()
    assert [row.kid for row in await people.query("SELECT kid FROM signing_keys")] == [kids[1]]
    await people.app.keyring.rotate()
    asha = await people.register()
    assert jwt.get_unverified_header((await asha.log_in()).access_token)["kid"] == kids[1]


async def test_a_replica_uses_its_cached_keys_while_the_database_is_unavailable(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = ring(people)
    signer, key_set = await mine.get_signer(), await mine.get_key_set()
    # A database that does not respond, with the timeout of the pool.
    url = f"postgresql://customer@127.0.0.1:{free_port()}/customer_db"
    away = Database(url, size=1, application="test", outbox=Outbox())
    await away.open()
    monkeypatch.setattr(mine, "_db", away)
    monkeypatch.setattr(mine, "_read_at", now() - timedelta(minutes=1))
    assert (await mine.get_key_set(), (await mine.get_signer()).kid) == (key_set, signer.kid)
    await away.close()


async def test_the_private_key_is_encrypted_and_never_published(people: People) -> None:
    await ring(people).get_signer()
    row = (await people.query("SELECT private_key, public_key FROM signing_keys LIMIT 1"))[0]
    assert bytes(row.public_key) not in bytes(row.private_key)
    answer = await people.auth(harness.anonymous()).GetJwks(auth.GetJwksRequest())
    for key in json.loads(answer.data)["keys"]:
        assert set(key) == {"kty", "crv", "x", "kid", "use", "alg"}


async def test_the_key_set_may_be_cached_and_tokens_may_not(people: People) -> None:
    call = people.platform.stub("customer", AuthServiceStub, harness.anonymous()).GetJwks(auth.GetJwksRequest())
    await call
    assert ("cache-control", "public, max-age=300") in list(await call.initial_metadata())
    asha = await people.register()
    login = asha.anonymous.Login(auth.LoginRequest(email=asha.email, password=asha.password))
    await login
    assert ("cache-control", "no-store") in list(await login.initial_metadata())
