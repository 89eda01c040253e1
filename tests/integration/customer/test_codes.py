"""Codes that prove a mailbox: verification and forgotten passwords."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest
from jainshikanji.customer.v1 import auth_service_pb2 as auth
from jainshikanji.customer.v1.events_pb2 import CustomerVerified

from services.customer.usecases import codes
from tests.integration.customer.conftest import OTHER_PASSWORD, PASSWORD, People, Person, refused


async def verify(person: Person, code: str) -> None:
    await person.anonymous.VerifyEmail(auth.VerifyEmailRequest(email=person.email, code=code))


async def is_verified(person: Person) -> bool:
    tokens = await person.log_in()
    me = await person.auth(tokens).GetMe(auth.GetMeRequest())
    return bool(me.customer.email_verified)


def wrong(code: str) -> str:
    return code[:-1] + ("2" if code[-1] != "2" else "3")


async def test_the_mailed_code_verifies_the_mailbox_once_and_is_announced_once(people: People) -> None:
    asha = await people.registered()
    code = people.codes[-1]
    assert not await is_verified(asha)
    await verify(asha, f" {code.lower().replace('-', ' ')} ")
    assert await is_verified(asha)
    found = await refused(verify(asha, code))
    assert found.violations == {"code": "is wrong, used or expired"}
    events = await people.stored(
        "SELECT 1 FROM outbox WHERE type = %(type)s AND key = %(key)s",
        type=CustomerVerified.DESCRIPTOR.full_name,
        key=asha.id,
    )
    assert len(events) == 1


async def test_a_wrong_an_expired_and_a_foreign_code_get_the_same_answer_as_an_unknown_account(people: People) -> None:
    asha, ravi = await people.registered(), await people.registered()
    code_of_ravi = people.codes[-1]
    answers = [
        await refused(verify(asha, wrong(people.codes[-2]))),
        await refused(verify(asha, code_of_ravi)),
        await refused(verify(people.new(), code_of_ravi)),
        await refused(verify(asha, "-")),
    ]
    await people.stored("UPDATE codes SET expires_at = now() WHERE customer_id = %(id)s::uuid RETURNING id", id=ravi.id)
    answers.append(await refused(verify(ravi, code_of_ravi)))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0].reason == "INVALID_CODE"


async def test_five_wrong_tries_void_the_code_also_in_parallel(people: People) -> None:
    asha = await people.registered()
    code = people.codes[-1]
    await asyncio.gather(*(refused(verify(asha, wrong(code))) for _ in range(codes.TRIES)))
    assert (await refused(verify(asha, code))).reason == "INVALID_CODE"
    assert not await is_verified(asha)


async def test_a_code_is_used_once_by_two_at_the_same_time(people: People) -> None:
    asha = await people.registered()
    outcomes = await asyncio.gather(*(verify(asha, people.codes[-1]) for _ in range(4)), return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 1


async def test_a_new_verification_code_voids_the_old_one(people: People) -> None:
    asha = await people.registered()
    old = people.codes[-1]
    tokens = await asha.log_in()
    await asha.auth(tokens).ResendVerification(auth.ResendVerificationRequest())
    assert people.codes[-1] != old
    await refused(verify(asha, old))
    await verify(asha, people.codes[-1])
    made = len(people.codes)
    await asha.auth(tokens).ResendVerification(auth.ResendVerificationRequest())
    assert len(people.codes) == made


async def test_a_forgotten_password_is_set_anew_and_every_session_ends(people: People) -> None:
    asha = await people.registered()
    tokens = await asha.log_in()
    code = await asha.forget()
    await asha.reset(code, OTHER_PASSWORD)
    assert (await refused(asha.refresh(tokens.refresh_token))).reason == "INVALID_REFRESH_TOKEN"
    assert (await refused(asha.log_in())).reason == "INVALID_CREDENTIALS"
    asha.password = OTHER_PASSWORD
    # The code came to the mailbox, so the mailbox is proved.
    assert await is_verified(asha)
    assert (await refused(asha.reset(code, PASSWORD))).reason == "INVALID_CODE"


async def test_a_forgotten_password_answers_the_same_for_an_unknown_email_in_like_time(people: People) -> None:
    asha = await people.registered()
    made = len(people.codes)
    request = auth.ForgotPasswordRequest(email=people.new().email)
    started = time.perf_counter()
    unknown = await asha.anonymous.ForgotPassword(request)
    unknown_seconds = time.perf_counter() - started
    assert len(people.codes) == made
    started = time.perf_counter()
    known = await asha.anonymous.ForgotPassword(auth.ForgotPasswordRequest(email=asha.email))
    known_seconds = time.perf_counter() - started
    assert len(people.codes) == made + 1
    assert known == unknown
    assert min(known_seconds, unknown_seconds) >= 0.25


async def test_a_verification_code_resets_no_password_and_a_reset_code_verifies_nothing(people: People) -> None:
    asha = await people.registered()
    verification = people.codes[-1]
    assert (await refused(asha.reset(verification, OTHER_PASSWORD))).reason == "INVALID_CODE"
    reset = await asha.forget()
    assert (await refused(verify(asha, reset))).reason == "INVALID_CODE"


async def test_a_weak_new_password_does_not_spend_the_code(people: People) -> None:
    asha = await people.registered()
    code = await asha.forget()
    for _ in range(6):
        assert "newPassword" in (await refused(asha.reset(code, "1234567890"))).violations
    await asha.reset(code, OTHER_PASSWORD)


async def test_who_registers_with_a_foreign_mailbox_loses_the_account_to_its_owner(people: People) -> None:
    squatter = await people.registered()
    tokens = await squatter.log_in()
    owner = people.new()
    owner.email = squatter.email
    await owner.reset(await owner.forget(), OTHER_PASSWORD)
    assert (await refused(squatter.refresh(tokens.refresh_token))).code is grpc.StatusCode.UNAUTHENTICATED
    assert (await refused(squatter.log_in())).code is grpc.StatusCode.UNAUTHENTICATED


async def test_mails_to_one_account_are_limited(people: People) -> None:
    asha = await people.registered()
    limit = people.process.settings.mails_per_account
    for _ in range(limit):
        await asha.forget()
    assert (await refused(asha.forget())).reason == "TOO_MANY_ATTEMPTS"


async def test_a_locked_account_gets_no_code(people: People) -> None:
    asha = await people.registered()
    await people.stored("UPDATE customers SET is_active = false WHERE id = %(id)s::uuid RETURNING id", id=asha.id)
    made = len(people.codes)
    await asha.anonymous.ForgotPassword(auth.ForgotPasswordRequest(email=asha.email))
    assert len(people.codes) == made


async def test_registering_does_not_wait_for_notification_and_the_code_is_kept_sealed(people: People) -> None:
    started = time.perf_counter()
    asha = await people.registered()
    assert time.perf_counter() - started < 1.0
    await verify(asha, people.codes[-1])


@pytest.mark.parametrize("code", ["", "x" * 33])
async def test_a_code_of_the_wrong_size_is_a_wrong_field(people: People, code: str) -> None:
    assert "code" in (await refused(verify(people.new(), code))).violations
