"""Codes sent by email: verification and password resets."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest
from jainshikanji.customer.v1 import auth_service_pb2 as auth
from jainshikanji.customer.v1.events_pb2 import CustomerVerified

from services.customer.model.codes import MAX_ATTEMPTS
from tests.harness import catch_error
from tests.integration.customer.conftest import OTHER_PASSWORD, PASSWORD, People, Person


async def verify(person: Person, code: str) -> None:
    await person.anonymous.VerifyEmail(auth.VerifyEmailRequest(email=person.email, code=code))


async def is_verified(person: Person) -> bool:
    tokens = await person.log_in()
    me = await person.auth(tokens).GetMe(auth.GetMeRequest())
    return bool(me.customer.email_verified)


def wrong(code: str) -> str:
    return code[:-1] + ("2" if code[-1] != "2" else "3")


async def test_the_code_verifies_the_email_address_once_and_publishes_one_event(people: People) -> None:
    asha = await people.register()
    code = people.codes[-1]
    assert not await is_verified(asha)
    await verify(asha, f" {code.lower().replace('-', ' ')} ")
    assert await is_verified(asha)
    found = await catch_error(verify(asha, code))
    assert found.violations == {"code": "is wrong, used or expired"}
    events = await people.query(
        "SELECT 1 FROM outbox WHERE type = %(type)s AND key = %(key)s",
        type=CustomerVerified.DESCRIPTOR.full_name,
        key=asha.id,
    )
    assert len(events) == 1


async def test_wrong_expired_and_foreign_codes_give_the_error_of_an_unknown_account(people: People) -> None:
    asha, ravi = await people.register(), await people.register()
    code_of_ravi = people.codes[-1]
    answers = [
        await catch_error(verify(asha, wrong(people.codes[-2]))),
        await catch_error(verify(asha, code_of_ravi)),
        await catch_error(verify(people.new(), code_of_ravi)),
        await catch_error(verify(asha, "-")),
    ]
    await people.query("UPDATE codes SET expires_at = now() WHERE customer_id = %(id)s::uuid RETURNING id", id=ravi.id)
    answers.append(await catch_error(verify(ravi, code_of_ravi)))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0].reason == "INVALID_CODE"


async def test_five_wrong_attempts_invalidate_the_code_also_when_concurrent(people: People) -> None:
    asha = await people.register()
    code = people.codes[-1]
    await asyncio.gather(*(catch_error(verify(asha, wrong(code))) for _ in range(MAX_ATTEMPTS)))
    assert (await catch_error(verify(asha, code))).reason == "INVALID_CODE"
    assert not await is_verified(asha)


async def test_concurrent_requests_redeem_a_code_once(people: People) -> None:
    asha = await people.register()
    outcomes = await asyncio.gather(*(verify(asha, people.codes[-1]) for _ in range(4)), return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 1


async def test_a_new_verification_code_replaces_the_old_one(people: People) -> None:
    asha = await people.register()
    old = people.codes[-1]
    tokens = await asha.log_in()
    await asha.auth(tokens).ResendVerification(auth.ResendVerificationRequest())
    assert people.codes[-1] != old
    await catch_error(verify(asha, old))
    await verify(asha, people.codes[-1])
    issued = len(people.codes)
    await asha.auth(tokens).ResendVerification(auth.ResendVerificationRequest())
    assert len(people.codes) == issued


async def test_a_password_reset_ends_every_session(people: People) -> None:
    asha = await people.register()
    tokens = await asha.log_in()
    code = await asha.request_password_reset()
    await asha.reset(code, OTHER_PASSWORD)
    assert (await catch_error(asha.refresh(tokens.refresh_token))).reason == "INVALID_REFRESH_TOKEN"
    assert (await catch_error(asha.log_in())).reason == "INVALID_CREDENTIALS"
    asha.password = OTHER_PASSWORD
    # The code was sent to the email address, so it is verified.
    assert await is_verified(asha)
    assert (await catch_error(asha.reset(code, PASSWORD))).reason == "INVALID_CODE"


async def test_a_password_reset_responds_equally_for_an_unknown_email_in_similar_time(people: People) -> None:
    asha = await people.register()
    issued = len(people.codes)
    request = auth.ForgotPasswordRequest(email=people.new().email)
    started = time.perf_counter()
    unknown = await asha.anonymous.ForgotPassword(request)
    unknown_seconds = time.perf_counter() - started
    assert len(people.codes) == issued
    started = time.perf_counter()
    known = await asha.anonymous.ForgotPassword(auth.ForgotPasswordRequest(email=asha.email))
    known_seconds = time.perf_counter() - started
    assert len(people.codes) == issued + 1
    assert known == unknown
    assert min(known_seconds, unknown_seconds) >= 0.25


async def test_a_code_is_valid_only_for_its_purpose(people: People) -> None:
    asha = await people.register()
    verification = people.codes[-1]
    assert (await catch_error(asha.reset(verification, OTHER_PASSWORD))).reason == "INVALID_CODE"
    reset = await asha.request_password_reset()
    assert (await catch_error(verify(asha, reset))).reason == "INVALID_CODE"


async def test_a_weak_new_password_does_not_redeem_the_code(people: People) -> None:
    asha = await people.register()
    code = await asha.request_password_reset()
    for _ in range(6):
        assert "newPassword" in (await catch_error(asha.reset(code, "1234567890"))).violations
    await asha.reset(code, OTHER_PASSWORD)


async def test_the_owner_of_an_email_address_takes_over_an_account_registered_with_it(people: People) -> None:
    squatter = await people.register()
    tokens = await squatter.log_in()
    owner = people.new()
    owner.email = squatter.email
    await owner.reset(await owner.request_password_reset(), OTHER_PASSWORD)
    assert (await catch_error(squatter.refresh(tokens.refresh_token))).code is grpc.StatusCode.UNAUTHENTICATED
    assert (await catch_error(squatter.log_in())).code is grpc.StatusCode.UNAUTHENTICATED


async def test_emails_to_one_account_are_limited(people: People) -> None:
    asha = await people.register()
    limit = people.process.settings.mails_per_account
    for _ in range(limit):
        await asha.request_password_reset()
    assert (await catch_error(asha.request_password_reset())).reason == "TOO_MANY_ATTEMPTS"


async def test_an_inactive_account_gets_no_code(people: People) -> None:
    asha = await people.register()
    await people.query("UPDATE customers SET is_active = false WHERE id = %(id)s::uuid RETURNING id", id=asha.id)
    issued = len(people.codes)
    await asha.anonymous.ForgotPassword(auth.ForgotPasswordRequest(email=asha.email))
    assert len(people.codes) == issued


async def test_a_registration_does_not_wait_for_the_notification_service(people: People) -> None:
    started = time.perf_counter()
    asha = await people.register()
    assert time.perf_counter() - started < 1.0
    await verify(asha, people.codes[-1])


@pytest.mark.parametrize("code", ["", "x" * 33])
async def test_a_code_of_the_wrong_length_is_rejected_with_its_field(people: People, code: str) -> None:
    assert "code" in (await catch_error(verify(people.new(), code))).violations
