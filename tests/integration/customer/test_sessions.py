"""Refresh tokens and their reuse, the ends of sessions, and cookies."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import grpc
import pytest
from jainshikanji.customer.v1 import auth_service_pb2 as auth
from jainshikanji.customer.v1 import customer_service_pb2 as pb
from jainshikanji.customer.v1.auth_service_pb2_grpc import AuthServiceStub
from jainshikanji.customer.v1.events_pb2 import SessionRevoked

from services.customer.tokens import hash_token
from tests import harness
from tests.harness import catch_error
from tests.integration.customer.conftest import OTHER_PASSWORD, People, Person, claims, session_of

INVALID = (grpc.StatusCode.UNAUTHENTICATED, "INVALID_REFRESH_TOKEN")


async def is_alive(people: People, session_id: object) -> bool:
    rows = await people.query("SELECT is_active FROM sessions WHERE id = %(id)s::uuid", id=str(session_id))
    return bool(rows[0].is_active)


async def list_revoked(people: People) -> set[str]:
    rows = await people.query(
        "SELECT payload FROM outbox WHERE type = %(type)s", type=SessionRevoked.DESCRIPTOR.full_name
    )
    return {SessionRevoked.FromString(row.payload).session_id for row in rows}


async def backdate_rotation(people: People, session_id: object, seconds: int) -> None:
    await people.query(
        "UPDATE sessions SET rotated_at = rotated_at - %(by)s * interval '1 second' "
        "WHERE id = %(id)s::uuid RETURNING id",
        by=seconds,
        id=str(session_id),
    )


async def answers(stub: Any) -> bool:
    """Whether the token of the stub is still accepted."""
    try:
        await stub.GetMe(auth.GetMeRequest())
    except grpc.aio.AioRpcError:
        return False
    return True


async def test_a_refresh_keeps_the_session_and_changes_both_tokens(people: People) -> None:
    asha = await people.register()
    first = await asha.log_in()
    second = await asha.refresh(first.refresh_token)
    assert second.session_id == first.session_id
    assert second.csrf_token == first.csrf_token
    assert second.refresh_token != first.refresh_token
    assert claims(second.access_token)["jti"] != claims(first.access_token)["jti"]
    third = await asha.refresh(second.refresh_token)
    assert third.session_id == first.session_id


async def test_parallel_refreshes_get_the_same_next_token(people: People) -> None:
    asha = await people.register()
    first = await asha.log_in()
    answers = await asyncio.gather(*(asha.refresh(first.refresh_token) for _ in range(8)))
    assert len({answer.refresh_token for answer in answers}) == 1
    assert (await asha.refresh(answers[0].refresh_token)).session_id == first.session_id


async def test_reuse_of_a_token_after_the_grace_period_ends_the_session(people: People) -> None:
    asha = await people.register()
    first = await asha.log_in()
    second = await asha.refresh(first.refresh_token)
    await backdate_rotation(people, first.session_id, 11)
    stolen = await catch_error(asha.refresh(first.refresh_token))
    assert (stolen.code, stolen.reason) == INVALID
    assert not await is_alive(people, first.session_id)
    assert first.session_id in await list_revoked(people)
    found = await catch_error(asha.refresh(second.refresh_token))
    assert (found.code, found.reason) == INVALID


async def test_reuse_of_a_token_of_two_rotations_ago_ends_the_session_within_the_grace_period(people: People) -> None:
    asha = await people.register()
    first = await asha.log_in()
    second = await asha.refresh(first.refresh_token)
    await asha.refresh(second.refresh_token)
    await catch_error(asha.refresh(first.refresh_token))
    assert not await is_alive(people, first.session_id)


async def test_a_token_that_was_never_issued_ends_no_session(people: People) -> None:
    asha = await people.register()
    tokens = await asha.log_in()
    raw = bytearray(people.app.refresh_tokens.create_first(session_of(tokens)).encode())
    for position in (30, 60, 84):
        forged = raw.copy()
        forged[position] = ord("A") if forged[position] != ord("A") else ord("B")
        found = await catch_error(asha.refresh(forged.decode()))
        assert (found.code, found.reason) == INVALID
    assert await is_alive(people, tokens.session_id)


@pytest.mark.parametrize("token", ["x", "=", "AAAA", "é", "a" * 86, " ", "0" * 500])
async def test_a_malformed_token_gives_the_error_of_a_wrong_one(people: People, token: str) -> None:
    found = await catch_error(people.new().refresh(token))
    assert (found.code, found.reason) == INVALID


async def test_an_access_token_refreshes_nothing_and_a_refresh_token_is_stored_as_a_hash(people: People) -> None:
    asha = await people.register()
    tokens = await asha.log_in()
    found = await catch_error(asha.refresh(tokens.access_token[:499]))
    assert found.code is grpc.StatusCode.UNAUTHENTICATED
    row = (await people.query("SELECT * FROM sessions WHERE id = %(id)s::uuid", id=tokens.session_id))[0]
    assert row.refresh_token == hash_token(tokens.refresh_token)
    assert row.access_token_hash == hash_token(tokens.access_token)
    assert str(row.ip_address) == asha.address
    assert row.user_agent


async def test_an_expired_session_does_not_refresh(people: People) -> None:
    asha = await people.register()
    tokens = await asha.log_in()
    await people.query(
        "UPDATE sessions SET expires_at = now() WHERE id = %(id)s::uuid RETURNING id", id=tokens.session_id
    )
    assert (await catch_error(asha.refresh(tokens.refresh_token))).reason == "INVALID_REFRESH_TOKEN"


async def test_every_login_starts_a_session(people: People) -> None:
    asha = await people.register()
    sessions = [await asha.log_in() for _ in range(3)]
    assert len({tokens.session_id for tokens in sessions}) == 3
    assert len({tokens.csrf_token for tokens in sessions}) == 3
    listed = await asha.auth(sessions[1]).ListSessions(auth.ListSessionsRequest(page_size=2))
    more = await asha.auth(sessions[1]).ListSessions(
        auth.ListSessionsRequest(page_size=2, page_token=listed.next_page_token)
    )
    found = [*listed.sessions, *more.sessions]
    assert [session.id for session in found] == [tokens.session_id for tokens in reversed(sessions)]
    assert [session.is_current for session in found] == [False, True, False]
    assert more.next_page_token == ""


async def test_the_oldest_session_ends_when_the_limit_is_exceeded(people: People) -> None:
    asha = await people.register()
    limit = people.process.settings.sessions_per_account
    sessions = [await asha.log_in() for _ in range(limit + 1)]
    assert (await catch_error(asha.refresh(sessions[0].refresh_token))).reason == "INVALID_REFRESH_TOKEN"
    await asha.refresh(sessions[1].refresh_token)


async def test_a_logout_ends_the_session_in_every_service(people: People) -> None:
    asha = await people.register()
    other, tokens = await asha.log_in(), await asha.log_in()
    await asha.auth(tokens).Logout(auth.LogoutRequest())
    assert (await catch_error(asha.refresh(tokens.refresh_token))).reason == "INVALID_REFRESH_TOKEN"
    assert tokens.session_id in await list_revoked(people)
    revoked = await people.auth(harness.service("order")).ListRevokedSessions(auth.ListRevokedSessionsRequest())
    assert tokens.session_id in revoked.session_ids
    assert other.session_id not in revoked.session_ids
    async with asyncio.timeout(2):
        while await answers(asha.auth(tokens)):
            await asyncio.sleep(0.02)
    assert (await catch_error(asha.auth(tokens).GetMe(auth.GetMeRequest()))).code is grpc.StatusCode.UNAUTHENTICATED
    assert (await asha.auth(other).GetMe(auth.GetMeRequest())).session_id == other.session_id


async def test_a_session_of_another_account_is_not_found(people: People) -> None:
    asha, ravi = await people.register(), await people.register()
    mine, theirs = await asha.log_in(), await ravi.log_in()
    foreign = await catch_error(asha.auth(mine).DeleteSession(auth.DeleteSessionRequest(id=theirs.session_id)))
    missing = await catch_error(asha.auth(mine).DeleteSession(auth.DeleteSessionRequest(id=str(uuid4()))))
    assert foreign == missing
    assert foreign.code is grpc.StatusCode.NOT_FOUND
    assert await is_alive(people, theirs.session_id)
    await asha.auth(mine).DeleteSession(auth.DeleteSessionRequest(id=mine.session_id))
    assert not await is_alive(people, mine.session_id)


async def test_all_sessions_or_all_other_sessions_can_be_ended(people: People) -> None:
    asha = await people.register()
    one, two, three = [await asha.log_in() for _ in range(3)]
    await asha.auth(one).DeleteSessions(auth.DeleteSessionsRequest(keep_current=True))
    assert [await is_alive(people, tokens.session_id) for tokens in (one, two, three)] == [True, False, False]
    await asha.auth(one).DeleteSessions(auth.DeleteSessionsRequest())
    assert not await is_alive(people, one.session_id)


async def test_a_password_change_ends_every_session_and_returns_a_new_one(people: People) -> None:
    asha = await people.register()
    one, two = await asha.log_in(), await asha.log_in()
    request = auth.ChangePasswordRequest(current_password=asha.password, new_password=OTHER_PASSWORD)
    fresh = await asha.auth(one).ChangePassword(request)
    assert fresh.session_id not in {one.session_id, two.session_id}
    assert not await is_alive(people, one.session_id)
    assert not await is_alive(people, two.session_id)
    assert {one.session_id, two.session_id} <= await list_revoked(people)
    await asha.refresh(fresh.refresh_token)
    assert (await catch_error(asha.log_in())).reason == "INVALID_CREDENTIALS"
    await asha.log_in(OTHER_PASSWORD)


async def test_a_password_change_requires_the_current_password_and_limits_guesses(people: People) -> None:
    asha = await people.register()
    tokens = await asha.log_in()
    request = auth.ChangePasswordRequest(current_password="wrong password", new_password=OTHER_PASSWORD)
    for _ in range(10):
        found = await catch_error(asha.auth(tokens).ChangePassword(request))
        assert "currentPassword" in found.violations
    found = await catch_error(asha.auth(tokens).ChangePassword(request))
    assert found.reason == "TOO_MANY_ATTEMPTS"
    assert await is_alive(people, tokens.session_id)


async def test_one_of_concurrent_password_changes_succeeds(people: People) -> None:
    asha = await people.register()
    tokens = await asha.log_in()
    stub = asha.auth(tokens)
    wanted = [f"Kokum sherbet {number}" for number in range(4)]
    outcomes = await asyncio.gather(
        *(
            stub.ChangePassword(auth.ChangePasswordRequest(current_password=asha.password, new_password=password))
            for password in wanted
        ),
        return_exceptions=True,
    )
    won = [password for password, outcome in zip(wanted, outcomes, strict=True) if not isinstance(outcome, Exception)]
    assert len(won) == 1
    await asha.log_in(won[0])


async def test_a_deactivated_account_loses_its_sessions_and_can_log_in_after_activation(people: People) -> None:
    asha = await people.register()
    tokens = await asha.log_in()
    admin = people.customer(harness.admin())
    locked = await admin.DeactivateCustomer(pb.DeactivateCustomerRequest(id=asha.id))
    assert not locked.is_active
    assert (await catch_error(asha.refresh(tokens.refresh_token))).reason == "INVALID_REFRESH_TOKEN"
    assert (await catch_error(asha.log_in())).reason == "INVALID_CREDENTIALS"
    assert (await admin.ActivateCustomer(pb.ActivateCustomerRequest(id=asha.id))).is_active
    assert (await catch_error(asha.refresh(tokens.refresh_token))).reason == "INVALID_REFRESH_TOKEN"
    await asha.log_in()


async def test_a_deactivation_ends_a_session_that_is_refreshed_concurrently(people: People) -> None:
    admin = people.customer(harness.admin())
    for _ in range(5):
        asha = await people.register()
        tokens = await asha.log_in()
        await asyncio.gather(
            asha.refresh(tokens.refresh_token),
            admin.DeactivateCustomer(pb.DeactivateCustomerRequest(id=asha.id)),
            return_exceptions=True,
        )
        assert not await is_alive(people, tokens.session_id)
        assert tokens.session_id in await list_revoked(people)


class Browser:
    """Stores cookies as a browser does."""

    def __init__(self, people: People, person: Person) -> None:
        self._people, self._person = people, person
        self.jar: dict[str, str] = {}
        self.flags: dict[str, str] = {}

    async def call(self, method: str, request: Any, access: str = "") -> Any:
        caller = self._person.identity()
        if access:
            caller = type(caller)("edge", (("x-jwt-payload", access.split(".")[1]), *caller.metadata))
        cookies = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        stub = self._people.platform.stub("customer", AuthServiceStub, caller.sending(cookie=cookies))
        call = getattr(stub, method)(request)
        try:
            return await call
        finally:
            for name, value in await call.initial_metadata():
                if name == "set-cookie":
                    pair, _, flags = value.partition("; ")
                    cookie, _, content = pair.partition("=")
                    self.flags[cookie] = flags
                    if "Max-Age=0" in flags:
                        self.jar.pop(cookie, None)
                    else:
                        self.jar[cookie] = content


async def test_a_browser_gets_its_tokens_in_http_only_cookies(people: People) -> None:
    asha = await people.register()
    browser = Browser(people, asha)
    request = auth.LoginRequest(email=asha.email, password=asha.password, use_cookies=True)
    tokens = await browser.call("Login", request)
    assert (tokens.access_token, tokens.refresh_token) == ("", "")
    # Over plain HTTP, names have no prefix and no Secure; a unit test covers production.
    assert set(browser.jar) == {"at", "rt", "csrf"}
    assert browser.flags["at"] == "Path=/; Max-Age=900; HttpOnly; SameSite=Lax"
    assert browser.flags["rt"] == "Path=/api/auth; Max-Age=2592000; HttpOnly; SameSite=Lax"
    assert browser.flags["csrf"] == "Path=/; Max-Age=2592000; SameSite=Lax"
    assert browser.jar["csrf"] == tokens.csrf_token == claims(browser.jar["at"])["csrf"]


async def test_a_browser_refreshes_with_its_cookie_and_gets_cookies(people: People) -> None:
    asha = await people.register()
    browser = Browser(people, asha)
    await browser.call("Login", auth.LoginRequest(email=asha.email, password=asha.password, use_cookies=True))
    before = dict(browser.jar)
    tokens = await browser.call("Refresh", auth.RefreshRequest())
    assert (tokens.access_token, tokens.refresh_token) == ("", "")
    assert browser.jar["rt"] != before["rt"]
    assert browser.jar["csrf"] == before["csrf"]


async def test_a_logout_clears_the_cookies(people: People) -> None:
    asha = await people.register()
    browser = Browser(people, asha)
    await browser.call("Login", auth.LoginRequest(email=asha.email, password=asha.password, use_cookies=True))
    refresh_token = browser.jar["rt"]
    await browser.call("Logout", auth.LogoutRequest(), access=browser.jar["at"])
    assert browser.jar == {}
    browser.jar["rt"] = refresh_token
    with pytest.raises(grpc.aio.AioRpcError):
        await browser.call("Refresh", auth.RefreshRequest())
    assert browser.jar == {}


async def test_a_refresh_without_a_token_is_rejected_with_the_missing_field(people: People) -> None:
    found = await catch_error(people.new().refresh(""))
    assert "refreshToken" in found.violations


async def test_a_token_in_the_body_is_answered_in_the_body(people: People) -> None:
    asha = await people.register()
    tokens = await asha.log_in()
    browser = Browser(people, asha)
    browser.jar["rt"] = "something else"
    answer = await browser.call("Refresh", auth.RefreshRequest(refresh_token=tokens.refresh_token))
    assert answer.refresh_token
    assert browser.jar == {"rt": "something else"}


async def test_addresses_and_user_agents_are_purged_after_ninety_days(people: People) -> None:
    from services.customer.usecases.sessions import purge_sessions

    asha = await people.register()
    old, recent = await asha.log_in(), await asha.log_in()
    await people.query(
        "UPDATE sessions SET last_accessed_at = now() - interval '91 days' WHERE id = %(id)s::uuid RETURNING id",
        id=old.session_id,
    )
    await purge_sessions(people.app)
    listed = await asha.auth(recent).ListSessions(auth.ListSessionsRequest())
    seen = {session.id: (session.ip_address, session.user_agent) for session in listed.sessions}
    assert seen[old.session_id] == ("", "")
    assert seen[recent.session_id][0] == asha.address
