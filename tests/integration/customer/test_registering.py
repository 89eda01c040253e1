"""Making an account, logging in, and what both give away to somebody who guesses."""

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
from tests.integration.customer.conftest import OTHER_PASSWORD, PASSWORD, People, claims, refused, unused_phone


async def test_a_registered_person_logs_in_and_reads_the_own_account(people: People) -> None:
    asha = await people.registered(last_name="Jain")
    tokens = await asha.log_in()
    me = await asha.auth(tokens).GetMe(auth.GetMeRequest())
    assert (me.customer.id, me.customer.email, me.customer.display_name) == (asha.id, asha.email, "Asha Jain")
    assert list(me.roles) == ["CUSTOMER"]
    assert me.session_id == tokens.session_id
    assert me.csrf_token == tokens.csrf_token == claims(tokens.access_token)["csrf"]


async def test_the_access_token_verifies_with_the_published_keys_and_says_what_the_edge_needs(people: People) -> None:
    asha = await people.registered()
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


async def test_an_email_is_one_account_however_it_is_written(people: People) -> None:
    asha = await people.registered()
    again = people.new()
    for written in (asha.email.upper(), f"  {asha.email} "):
        again.email = written
        found = await refused(again.register())
        assert (found.code, found.reason) == (grpc.StatusCode.ALREADY_EXISTS, "ACCOUNT_ALREADY_EXISTS")
    asha.email = f" {asha.email.upper()} "
    assert (await asha.log_in()).customer_id == asha.id


async def test_a_taken_phone_is_refused_without_saying_that_it_is_the_phone(people: People) -> None:
    phone = unused_phone()
    await people.registered(phone=phone)
    by_phone = await refused(people.new().register(phone=f"0{phone[3:]}"))
    asha = await people.registered()
    again = people.new()
    again.email = asha.email
    by_email = await refused(again.register())
    assert by_phone == by_email


async def test_ten_registrations_at_once_make_one_account(people: People) -> None:
    asha = people.new()
    request = auth.RegisterRequest(email=asha.email, password=PASSWORD, first_name="Asha")
    outcomes = await asyncio.gather(*(asha.anonymous.Register(request) for _ in range(10)), return_exceptions=True)
    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 1


async def test_nothing_in_the_database_reads_as_the_person(people: People) -> None:
    phone = unused_phone()
    asha = await people.registered(phone=phone)
    await asha.log_in()
    for table in ("customers", "codes", "code_deliveries", "sessions", "throttles", "outbox"):
        rows = await people.stored(f"SELECT {table}::text AS line FROM {table}")  # noqa: S608
        text = "\n".join(row.line for row in rows)
        for secret in (asha.email, phone, PASSWORD):
            assert secret not in text
            assert secret.encode().hex() not in text


async def test_unknown_email_wrong_password_and_locked_account_get_the_same_answer(people: People) -> None:
    asha = await people.registered()
    locked = await people.registered()
    await people.stored("UPDATE customers SET is_active = false WHERE id = %(id)s RETURNING id", id=locked.id)
    answers = [
        await refused(people.new().log_in()),
        await refused(asha.log_in("wrong password")),
        await refused(locked.log_in()),
    ]
    assert answers[0] == answers[1] == answers[2]
    assert (answers[0].code, answers[0].reason) == (grpc.StatusCode.UNAUTHENTICATED, "INVALID_CREDENTIALS")


async def test_an_unknown_email_takes_as_long_as_a_wrong_password(people: People) -> None:
    async def seconds(email: str) -> float:
        person = people.new()
        person.email = email
        started = time.perf_counter()
        await refused(person.log_in("wrong password"))
        return time.perf_counter() - started

    known, unknown = [], []
    for _ in range(7):
        asha = await people.registered()
        known.append(await seconds(asha.email))
        unknown.append(await seconds(people.new().email))
    assert statistics.median(unknown) > 0.5 * statistics.median(known)
    assert statistics.median(known) > 0.5 * statistics.median(unknown)


async def test_guesses_for_one_account_are_stopped_from_whatever_address_they_come(people: People) -> None:
    asha = await people.registered()
    for _ in range(10):
        guesser = people.new()
        guesser.email = asha.email
        assert (await refused(guesser.log_in("wrong password"))).reason == "INVALID_CREDENTIALS"
    found = await refused(asha.log_in())
    assert (found.code, found.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_ATTEMPTS")


async def test_guesses_at_an_account_that_does_not_exist_are_stopped_alike(people: People) -> None:
    nobody = people.new()
    reasons = [(await refused(nobody.log_in())).reason for _ in range(12)]
    assert reasons == ["INVALID_CREDENTIALS"] * 10 + ["TOO_MANY_ATTEMPTS"] * 2


async def test_guesses_in_parallel_are_counted_too(people: People) -> None:
    asha = await people.registered()
    found = await asyncio.gather(*(refused(asha.log_in("wrong password")) for _ in range(25)))
    assert sum(answer.reason == "INVALID_CREDENTIALS" for answer in found) <= 10


async def test_a_successful_login_forgets_the_account_s_failures(people: People) -> None:
    asha = await people.registered()
    for _ in range(3):
        for _ in range(6):
            await refused(asha.log_in("wrong password"))
        await asha.log_in()


async def test_guesses_from_one_address_are_stopped_whatever_account_they_are_for(people: People) -> None:
    limit = people.process.settings.login_attempts_per_address
    guesser = people.new()
    reasons = []
    for _ in range(limit // 10 + 1):
        victims = [people.new() for _ in range(10)]
        for victim in victims:
            victim.address = guesser.address
        reasons += [found.reason for found in await asyncio.gather(*(refused(victim.log_in()) for victim in victims))]
    assert reasons.count("INVALID_CREDENTIALS") == limit
    assert reasons.count("TOO_MANY_ATTEMPTS") == 10


async def test_an_address_that_the_client_invents_does_not_dodge_the_limit(people: People) -> None:
    asha = await people.registered()
    reasons = []
    for number in range(12):
        # The edge appends what it saw; what stands before is the client's invention.
        stub = people.auth(harness.nobody().sending(x_forwarded_for=f"203.0.113.{number}, {asha.address}"))
        request = auth.LoginRequest(email=people.new().email, password="wrong password")
        reasons.append((await refused(stub.Login(request))).reason)
    counted = await people.stored(
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
async def test_a_weak_password_is_refused_with_its_field(people: People, password: str, problem: str) -> None:
    asha = people.new()
    asha.password = password
    found = await refused(asha.register())
    assert found.code is grpc.StatusCode.INVALID_ARGUMENT
    assert problem in found.violations["password"]


async def test_a_password_with_the_email_s_name_in_it_is_refused(people: People) -> None:
    asha = people.new()
    asha.password = f"my {asha.email.partition('@')[0]} !"
    assert "password" in (await refused(asha.register())).violations


@pytest.mark.parametrize(
    "email", ["", "asha", "asha@", "@example.in", "a@b@example.in", "a@example.in\n", "a,b@example.in", "a@example..in"]
)
async def test_what_is_no_mailbox_is_refused_with_its_field(people: People, email: str) -> None:
    asha = people.new()
    asha.email = email
    found = await refused(asha.register())
    assert found.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "email" in found.violations


ARABIC = "\u202b\u0622\u0634\u0627\u202c"


async def test_names_of_any_script_survive_and_nul_is_refused(people: People) -> None:
    asha = await people.registered(
        first_name="आशा", last_name="e\u0301toile 🍋", display_name="\u202b\u0622\u0634\u0627\u202c"
    )
    tokens = await asha.log_in()
    account = await asha.customer(tokens).GetCustomer(pb.GetCustomerRequest(id=asha.id))
    assert (account.first_name, account.last_name, account.display_name) == (
        "आशा",
        "étoile 🍋",
        "\u202b\u0622\u0634\u0627\u202c",
    )
    found = await refused(people.new().register(first_name="As\0ha"))
    assert "firstName" in found.violations


async def test_text_that_grows_in_nfc_is_refused_not_a_fault(people: People) -> None:
    found = await refused(people.new().register(first_name="\u0958" * 100))
    assert found.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "firstName" in found.violations


async def test_the_same_password_in_another_unicode_form_logs_in(people: People) -> None:
    asha = people.new()
    asha.password = "cafe\u0301 Nimbu 2026"
    await asha.register()
    assert (await asha.log_in("caf\u00e9 Nimbu 2026")).customer_id == asha.id


async def test_an_outdated_hash_is_renewed_at_login(people: People) -> None:
    from argon2 import PasswordHasher

    asha = await people.registered()
    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(OTHER_PASSWORD)
    await people.stored(
        "UPDATE customers SET password_hash = %(hash)s WHERE id = %(id)s RETURNING id", hash=old, id=asha.id
    )
    await asha.log_in(OTHER_PASSWORD)
    await asha.log_in(OTHER_PASSWORD)
    kept = (await people.stored("SELECT password_hash FROM customers WHERE id = %(id)s", id=asha.id))[0].password_hash
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
