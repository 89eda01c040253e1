"""Keys rotate while replicas run: no account is lost or duplicated, and the old keys are not needed afterwards."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from jainshikanji.customer.v1 import auth_service_pb2 as auth
from jainshikanji.customer.v1 import customer_service_pb2 as pb
from jainshikanji.type.v1.postal_address_pb2 import PostalAddress
from typer.testing import CliRunner

from chassis.database import migrations
from chassis.process.cli import command_line
from chassis.security import key_rotation
from chassis.security.encryption import FieldCipher
from devstack.ports import LOOPBACK, free_port
from services.customer.__main__ import SERVICE
from services.customer.model.tables import Base
from tests.harness import Platform, catch_error
from tests.integration.customer.conftest import People, Person, unused_phone

DATABASE = "rotating_customer"


def encoded(letter: str) -> str:
    return base64.b64encode(letter.encode() * 32).decode()


OLD, NEW = f"old:{encoded('o')}", f"new:{encoded('n')}"
# The settings of each release: every replica knows the new field key before it encrypts.
BEFORE = {"field_keys": OLD, "index_key": encoded("i")}
KNOWN = {"field_keys": f"{OLD},{NEW}", "index_key": encoded("i")}
BETWEEN = {"field_keys": f"{NEW},{OLD}", "index_key": f"{encoded('j')},{encoded('i')}"}
AFTER = {"field_keys": NEW, "index_key": encoded("j")}


class Replicas:
    """Replicas of customer on one database of their own, each with the keys of its release."""

    def __init__(self, platform: Platform, url: str, issued_codes: list[str]) -> None:
        self._platform, self.url, self._mailed = platform, url, issued_codes
        self._running: dict[str, Any] = {}

    async def start(self, name: str, keys: dict[str, str]) -> People:
        # Without NATS: events of other tests are not for this database.
        away = f"nats://{LOOPBACK}:{free_port()}"
        process = await self._platform.launch("customer", database_url=self.url, nats_url=away, **keys)
        self._running[name] = process
        people = People(self._platform, process, self._mailed)

        def stub(kind: Any, caller: Any) -> Any:
            return self._platform.stub_at(process.mesh_port, "customer", kind, caller)

        people._stub = stub  # type: ignore[method-assign]
        return people

    async def stop(self, *names: str) -> None:
        for name in names or list(self._running):
            await self._running.pop(name).stop()


@pytest_asyncio.fixture
async def replicas(platform: Platform, issued_codes: list[str]) -> AsyncIterator[Replicas]:
    platform.postgres.create_database(DATABASE, "customer")
    url = platform.postgres.url("customer", DATABASE)
    await asyncio.to_thread(migrations.migrate, "customer", url)
    found = Replicas(platform, url, issued_codes)
    yield found
    await found.stop()
    platform.postgres.drop_database(DATABASE)


def at(people: People, person: Person) -> Person:
    """The same person at another replica."""
    return Person(people, person.email, person.password, person.id)


async def assert_cannot_register(person: Person, phone: str, *replicas: People) -> None:
    """Neither the email nor the phone can be registered again at the replicas."""
    for people in replicas:
        assert (await catch_error(at(people, person).register())).reason == "ACCOUNT_ALREADY_EXISTS"
        assert (await catch_error(people.new().register(phone=phone))).reason == "ACCOUNT_ALREADY_EXISTS"


async def rotate(people: People) -> dict[str, int]:
    reports: list[key_rotation.Rotated] = []
    assert await key_rotation.rotate(people.app.db, people.app.cipher, Base.metadata, reports.append)
    assert [table for table in reports if table.broken] == []
    return {table.table: table.rows for table in reports}


async def list_encryption_keys(people: People) -> set[str]:
    """Ids of the keys that encrypt accounts, addresses and signing keys."""
    rows = [
        *await people.query("SELECT email, phone, date_of_birth FROM customers"),
        *await people.query("SELECT address_line1, address_line2, latitude FROM customer_addresses"),
        *await people.query("SELECT private_key FROM signing_keys"),
    ]
    return {FieldCipher.key_id(bytes(value)) for row in rows for value in row if value is not None}


async def test_no_account_is_lost_or_duplicated_while_both_keys_rotate(replicas: Replicas) -> None:
    before = await replicas.start("before", BEFORE)
    asha_phone, bina_phone, chitra_phone = unused_phone(), unused_phone(), unused_phone()
    asha = await before.new().register(phone=asha_phone)
    tokens = await asha.log_in()
    lines = PostalAddress(
        address_line1="12, Hill Road", address_line2="2nd floor", city="Mumbai", state="MH", postal_code="400050"
    )
    await asha.customer(tokens).CreateAddress(pb.CreateAddressRequest(id=asha.id, address=lines))
    gone = await before.new().register()
    await gone.customer(await gone.log_in()).DeleteCustomer(pb.DeleteCustomerRequest(id=gone.id))

    known = await replicas.start("known", KNOWN)
    await replicas.stop("before")

    # Both releases run: each finds what the other wrote.
    between = await replicas.start("between", BETWEEN)
    bina = await between.new().register(phone=bina_phone)
    for people in (known, between):
        await at(people, asha).log_in()
        await at(people, bina).log_in()
    await assert_cannot_register(asha, asha_phone, known, between)
    await assert_cannot_register(bina, bina_phone, known, between)
    await replicas.stop("known")

    newcomers = [between.new() for _ in range(10)]
    renewed, *_ = await asyncio.gather(rotate(between), *(person.register() for person in newcomers))
    assert renewed["customers"] >= 2
    assert renewed["customer_addresses"] == 1
    await rotate(between)
    assert await list_encryption_keys(between) == {"new"}
    assert set((await rotate(between)).values()) == {0}

    after = await replicas.start("after", AFTER)
    chitra = await after.new().register(phone=chitra_phone)
    for people in (between, after):
        for person in (asha, bina, chitra, *newcomers[:2]):
            await at(people, person).log_in()
        await assert_cannot_register(asha, asha_phone, people)
        await assert_cannot_register(bina, bina_phone, people)
        await assert_cannot_register(chitra, chitra_phone, people)
    await replicas.stop("between")

    await rotate(after)
    rows = await after.query("SELECT email_index, email_index_next, phone_index, phone_index_next FROM customers")
    assert len(rows) == 14
    assert all(row.email_index == row.email_index_next and row.phone_index == row.phone_index_next for row in rows)
    assert set((await rotate(after)).values()) == {0}

    # Sessions and codes stay valid.
    refreshed = await at(after, asha).refresh(tokens.refresh_token)
    shown = await at(after, asha).customer(refreshed).ListAddresses(pb.ListAddressesRequest(id=asha.id))
    assert shown.addresses[0].address == lines.__class__(**{**_fields(lines), "country": "India"})
    code = await at(after, bina).request_password_reset()
    await at(after, bina).reset(code, "Adrak-Tulsi-1950")


def _fields(message: Any) -> dict[str, Any]:
    return {field.name: value for field, value in message.ListFields()}


async def test_a_value_that_no_key_decrypts_is_reported_and_not_changed(replicas: Replicas) -> None:
    before = await replicas.start("before", BEFORE)
    asha = await before.register()
    stranger = FieldCipher({"new": b"n" * 32}, b"j" * 32)
    reports: list[key_rotation.Rotated] = []
    assert not await key_rotation.rotate(before.app.db, stranger, Base.metadata, reports.append)
    assert {table.table: table.broken for table in reports}["customers"] == 1
    await asha.log_in()


async def test_the_command_rotates_keys_and_prints_the_rewritten_rows(
    replicas: Replicas, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await replicas.start("before", BEFORE)
    await before.register()
    environment = {**BETWEEN, "database_url": replicas.url, "signing_key": encoded("s")}
    for name, value in environment.items():
        monkeypatch.setenv(f"CUSTOMER_{name.upper()}", value)
    monkeypatch.setenv("CUSTOMER_TLS_DIR", str(platform.certificates / "customer"))
    done = await asyncio.to_thread(CliRunner().invoke, command_line(SERVICE), ["rotate-keys"])
    assert done.exit_code == 0, done.output
    assert "customers: 1 rows rewritten" in done.output
    again = await asyncio.to_thread(CliRunner().invoke, command_line(SERVICE), ["rotate-keys"])
    assert "customers: 0 rows rewritten" in again.output


async def test_a_value_of_an_unknown_key_is_an_error_and_not_an_empty_value(replicas: Replicas) -> None:
    between = await replicas.start("between", BETWEEN)
    asha = await between.register()
    before = await replicas.start("before", BEFORE)
    tokens = await asha.log_in()
    answer = await catch_error(at(before, asha).auth(tokens).GetMe(auth.GetMeRequest()))
    assert answer.code is grpc.StatusCode.INTERNAL
