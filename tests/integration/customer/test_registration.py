"""Registration and login, and what they reveal to an attacker."""

from __future__ import annotations

import asyncio
import statistics
import time

import grpc
import jwt
import pytest
from jainshikanji.customer.v1 import auth_service_pb2 as auth
from jainshikanji.customer.v1 import customer_service_pb2 as pb

from tests import harness
from tests.harness import catch_error
from tests.integration.customer.conftest import OTHER_PASSWORD, PASSWORD, People, claims, unused_phone


async def test_a_registered_customer_logs_in_and_reads_the_own_account(people: People) -> None:
    asha = await people.register(last_name="Jain")
    tokens = await asha.log_in()
    me = await asha.auth(tokens).GetMe(auth.GetMeRequest())
    assert (me.customer.id, me.customer.email, me.customer.display_name) == (asha.id, asha.email, "Asha Jain")
    assert list(me.roles) == ["CUSTOMER"]
    assert me.session_id == tokens.session_id
    assert me.csrf_token == tokens.csrf_token == claims(tokens.access_token)["csrf"]


async def test_the_access_token_verifies_with_the_published_keys_and_has_the_claims_of_the_edge(people: People) -> None:
    asha = await people.register()
    tokens = await asha.log_in()
    published = await asha.anonymous.GetJwks(auth.GetJwksRequest())
    assert published.content_type == "application/jwk-set+json"
    kid = jwt.get_unverified_header(tokens.access_token)["kid"]
    key = next(key for key in jwt.PyJWKSet.from_json(published.data.decode()).keys if key.key_id == kid)
    payload = jwt.decode(
        tokens.access_token,
        key,
        algorithms=["EdDSA"],
        audience="jainshikanji-api",
        issuer="https://auth.jainshikanji.local",
        options={"require": ["exp", "iat", "sub", "jti"]},
    )
    assert payload["sub"] == asha.id
    assert payload["sid"] == tokens.session_id
    assert payload["admin"] is False
    assert payload["roles"] == ["CUSTOMER"]
    assert payload["grants"] == []
    assert payload["exp"] - payload["iat"] == tokens.expires_in == 900


async def test_an_email_address_is_one_account_in_every_spelling(people: People) -> None:
    asha = await people.register()
    again = people.new()
    for written in (asha.email.upper(), f"  {asha.email} "):
        again.email = written
        found = await catch_error(again.register())
        assert (found.code, found.reason) == (grpc.StatusCode.ALREADY_EXISTS, "ACCOUNT_ALREADY_EXISTS")
    asha.email = f" {asha.email.upper()} "
    assert (await asha.log_in()).customer_id == asha.id


async def test_a_taken_phone_and_a_taken_email_give_the_same_error(people: People) -> None:
    phone = unused_phone()
    await people.register(phone=phone)
    by_phone = await catch_error(people.new().register(phone=f"0{phone[3:]}"))
    asha = await people.register()
    again = people.new()
    again.email = asha.email
    by_email = await catch_error(again.register())
    assert by_phone == by_email


async def test_ten_concurrent_registrations_create_one_account(people: People) -> None:
    asha = people.new()
    request = auth.RegisterRequest(email=asha.email, password=PASSWORD, first_name="Asha")
    outcomes = await asyncio.gather(*(asha.anonymous.Register(request) for _ in range(10)), return_exceptions=True)
    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1


async def test_personal_data_is_not_readable_in_the_database(people: People) -> None:
    phone = unused_phone()
    asha = await people.register(phone=phone)
    await asha.log_in()
    for table in ("customers", "codes", "code_deliveries", "sessions", "throttles", "outbox"):
        rows = await people.query(f"SELECT {table}::text AS line FROM {table}")  # noqa: S608
        text = "\n".join(row.line for row in rows)
        for secret in (asha.email, phone, PASSWORD):
            assert secret not in text
            assert secret.encode().hex() not in text


async def test_unknown_email_wrong_password_and_inactive_account_give_the_same_error(people: People) -> None:
    asha = await people.register()
    locked = await people.register()
    await people.query("UPDATE customers SET is_active = false WHERE id = %(id)s RETURNING id", id=locked.id)
    answers = [
        await catch_error(people.new().log_in()),
        await catch_error(asha.log_in("wrong password")),
        await catch_error(locked.log_in()),
    ]
    assert answers[0] == answers[1] == answers[2]
    assert (answers[0].code, answers[0].reason) == (grpc.StatusCode.UNAUTHENTICATED, "INVALID_CREDENTIALS")


async def test_an_unknown_email_takes_as_long_as_a_wrong_password(people: People) -> None:
    async def seconds(email: str) -> float:
        person = people.new()
        person.email = email
        started = time.perf_counter()
        await catch_error(person.log_in("wrong password"))
        return time.perf_counter() - started

    known, unknown = [], []
    for _ in range(7):
        asha = await people.register()
        known.append(await seconds(asha.email))
        unknown.append(await seconds(people.new().email))
    assert statistics.median(unknown) > 0.5 * statistics.median(known)
    assert statistics.median(known) > 0.5 * statistics.median(unknown)


async def test_guesses_for_one_account_from_many_addresses_are_limited(people: People) -> None:
    asha = await people.register()
    for _ in range(10):
        guesser = people.new()
        guesser.email = asha.email
        assert (await catch_error(guesser.log_in("wrong password"))).reason == "INVALID_CREDENTIALS"
    found = await catch_error(asha.log_in())
    assert (found.code, found.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_ATTEMPTS")


async def test_guesses_for_an_unknown_account_are_limited_equally(people: People) -> None:
    stranger = people.new()
    reasons = [(await catch_error(stranger.log_in())).reason for _ in range(12)]
    assert reasons == ["INVALID_CREDENTIALS"] * 10 + ["TOO_MANY_ATTEMPTS"] * 2


async def test_concurrent_guesses_are_counted(people: People) -> None:
    asha = await people.register()
    found = await asyncio.gather(*(catch_error(asha.log_in("wrong password")) for _ in range(25)))
    assert sum(answer.reason == "INVALID_CREDENTIALS" for answer in found) <= 10


async def test_a_successful_login_resets_the_failures_of_the_account(people: People) -> None:
    asha = await people.register()
    for _ in range(3):
        for _ in range(6):
            await catch_error(asha.log_in("wrong password"))
        await asha.log_in()


async def test_guesses_for_many_accounts_from_one_address_are_limited(people: People) -> None:
    limit = people.process.settings.login_attempts_per_address
    guesser = people.new()
    reasons = []
    for _ in range(limit // 10 + 1):
        victims = [people.new() for _ in range(10)]
        for victim in victims:
            victim.address = guesser.address
        reasons += [
            found.reason for found in await asyncio.gather(*(catch_error(victim.log_in()) for victim in victims))
        ]
    assert reasons.count("INVALID_CREDENTIALS") == limit
    assert reasons.count("TOO_MANY_ATTEMPTS") == 10


async def test_a_forged_client_address_does_not_evade_the_limit(people: People) -> None:
    asha = await people.register()
    reasons = []
    for number in range(12):
        # The edge appends the address that it saw; earlier entries are sent by the client.
        stub = people.auth(harness.anonymous().sending(x_forwarded_for=f"203.0.113.{number}, {asha.address}"))
        request = auth.LoginRequest(email=people.new().email, password="wrong password")
        reasons.append((await catch_error(stub.Login(request))).reason)
    counted = await people.query(
        "SELECT attempts FROM throttles WHERE key = %(key)s",
        key=people.app.cipher.blind(f"throttle\0login\0{asha.address}"),
    )
    assert counted[0].attempts == 12


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("short1", "10 characters"),
        ("1234567890", "common"),
        ("Password123", "common"),
        ("aaaaaaaaaabb", "different"),
        ("x" * 129, "128"),
    ],
)
async def test_a_weak_password_is_rejected_with_its_field(people: People, password: str, problem: str) -> None:
    asha = people.new()
    asha.password = password
    found = await catch_error(asha.register())
    assert found.code is grpc.StatusCode.INVALID_ARGUMENT
    assert problem in found.violations["password"]


async def test_a_password_that_contains_the_name_of_the_email_is_rejected(people: People) -> None:
    asha = people.new()
    asha.password = f"my {asha.email.partition('@')[0]} !"
    assert "password" in (await catch_error(asha.register())).violations


@pytest.mark.parametrize(
    "email", ["", "asha", "asha@", "@example.in", "a@b@example.in", "a@example.in\n", "a,b@example.in", "a@example..in"]
)
async def test_an_invalid_email_address_is_rejected_with_its_field(people: People, email: str) -> None:
    asha = people.new()
    asha.email = email
    found = await catch_error(asha.register())
    assert found.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "email" in found.violations


ARABIC = "\u202b\u0622\u0634\u0627\u202c"


async def test_names_of_any_script_are_stored_and_nul_is_rejected(people: People) -> None:
    asha = await people.register(
        first_name="आशा", last_name="e\u0301toile 🍋", display_name="\u202b\u0622\u0634\u0627\u202c"
    )
    tokens = await asha.log_in()
    account = await asha.customer(tokens).GetCustomer(pb.GetCustomerRequest(id=asha.id))
    assert (account.first_name, account.last_name, account.display_name) == (
        "आशा",
        "étoile 🍋",
        "\u202b\u0622\u0634\u0627\u202c",
    )
    found = await catch_error(people.new().register(first_name="As\0ha"))
    assert "firstName" in found.violations


async def test_text_that_grows_in_nfc_is_rejected(people: People) -> None:
    found = await catch_error(people.new().register(first_name="\u0958" * 100))
    assert found.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "firstName" in found.violations


async def test_the_same_password_in_another_unicode_form_logs_in(people: People) -> None:
    asha = people.new()
    asha.password = "cafe\u0301 Nimbu 2026"
    await asha.register()
    assert (await asha.log_in("caf\u00e9 Nimbu 2026")).customer_id == asha.id


async def test_an_outdated_hash_is_renewed_at_login(people: People) -> None:
    from argon2 import PasswordHasher

    asha = await people.register()
    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(OTHER_PASSWORD)
    await people.query(
        "UPDATE customers SET password_hash = %(hash)s WHERE id = %(id)s RETURNING id", hash=old, id=asha.id
    )
    await asha.log_in(OTHER_PASSWORD)
    await asha.log_in(OTHER_PASSWORD)
    stored = (await people.query("SELECT password_hash FROM customers WHERE id = %(id)s", id=asha.id))[0].password_hash
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
