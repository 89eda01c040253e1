"""Staff: invitations, acceptance, grants by events of the store, and the first administrator."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from jainshikanji.customer.v1 import auth_service_pb2 as auth
from jainshikanji.store.v1.events_pb2 import StaffGranted, StaffRevoked
from jainshikanji.store.v1.staff_pb2 import StaffJob
from typer.testing import CliRunner

from chassis import ids
from chassis.clock import now
from chassis.events.bus import EventMeta
from services.customer.errors import WeakPassword
from services.customer.usecases import accounts
from tests import harness
from tests.harness import catch_error
from tests.integration.customer.conftest import OTHER_PASSWORD, PASSWORD, People, Person, claims, unused_phone

STORE = "store"


def invitation(person: Person, store_id: str, job: Any = StaffJob.CHEF, **fields: Any) -> auth.InviteStaffRequest:
    return auth.InviteStaffRequest(email=person.email, name="Ravi Shah", store_id=store_id, job=job, **fields)


async def invite(people: People, person: Person, store_id: str, **fields: Any) -> str:
    """Invites as the store service does; returns the code."""
    answer = await people.auth(harness.service(STORE)).InviteStaff(invitation(person, store_id, **fields))
    assert answer.invited
    person.id = answer.customer_id
    return people.codes[-1]


async def consume(people: People, *events: Any) -> None:
    """Passes events to the consumer, each with a new id."""
    for event in events:
        meta = EventMeta(
            id=ids.new_id(),
            type=event.DESCRIPTOR.full_name,
            source=STORE,
            key=event.staff_id,
            version=event.version,
            occurred_at=now(),
        )
        await people.process.consumer.apply([(event, meta)])


def granted(person: Person, store_id: str, staff_id: str, version: int, job: Any = StaffJob.CHEF) -> StaffGranted:
    return StaffGranted(staff_id=staff_id, version=version, account_id=person.id, store_id=store_id, job=job)


def revoked(person: Person, store_id: str, staff_id: str, version: int) -> StaffRevoked:
    return StaffRevoked(staff_id=staff_id, version=version, account_id=person.id, store_id=store_id, job=StaffJob.CHEF)


async def grants(person: Person, password: str | None = None) -> list[tuple[str, str]]:
    """The grants in the token of a new session."""
    token = claims((await person.log_in(password)).access_token)
    assert token["roles"] == ["CUSTOMER", *sorted({grant["job"] for grant in token["grants"]})]
    return [(grant["store_id"], grant["job"]) for grant in token["grants"]]


async def test_an_invited_person_sets_a_password_and_has_the_grant(people: People) -> None:
    store_id, ravi = str(uuid4()), people.new()
    code = await invite(people, ravi, store_id)
    await consume(people, granted(ravi, store_id, str(uuid4()), 1))
    assert (await catch_error(ravi.log_in())).reason == "INVALID_CREDENTIALS"
    await ravi.reset(code, PASSWORD)
    assert await grants(ravi) == [(store_id, "CHEF")]
    me = await ravi.auth(await ravi.log_in()).GetMe(auth.GetMeRequest())
    assert [(one.store_id, one.job) for one in me.grants] == [(store_id, StaffJob.CHEF)]
    assert (me.customer.display_name, me.customer.email_verified) == ("Ravi Shah", True)


async def test_an_existing_account_has_no_grant_until_it_accepts_with_the_code(people: People) -> None:
    store_id, asha = str(uuid4()), await people.register()
    tokens = await asha.log_in()
    code = await invite(people, asha, store_id, job=StaffJob.MANAGER)
    await consume(people, granted(asha, store_id, str(uuid4()), 1, StaffJob.MANAGER))
    assert await grants(asha) == []
    wrong = await catch_error(asha.auth(tokens).AcceptInvitation(auth.AcceptInvitationRequest(code="2222-2222")))
    assert wrong.reason == "INVALID_CODE"
    await asha.auth(tokens).AcceptInvitation(auth.AcceptInvitationRequest(code=code))
    fresh = await asha.refresh(tokens.refresh_token)
    assert claims(fresh.access_token)["roles"] == ["CUSTOMER", "MANAGER"]
    assert (await people.query("SELECT first_name FROM customers WHERE id = %(id)s::uuid", id=asha.id))[
        0
    ].first_name == "Asha"


async def test_the_event_may_arrive_after_the_acceptance(people: People) -> None:
    store_id, ravi = str(uuid4()), people.new()
    await ravi.reset(await invite(people, ravi, store_id), PASSWORD)
    assert await grants(ravi) == []
    await consume(people, granted(ravi, store_id, str(uuid4()), 1))
    assert await grants(ravi) == [(store_id, "CHEF")]


async def test_an_invitation_of_one_account_is_not_accepted_by_another(people: People) -> None:
    store_id, asha, eve = str(uuid4()), await people.register(), await people.register()
    code = await invite(people, asha, store_id)
    tokens = await eve.log_in()
    await catch_error(eve.auth(tokens).AcceptInvitation(auth.AcceptInvitationRequest(code=code)))
    await consume(people, granted(eve, store_id, str(uuid4()), 1))
    assert await grants(eve) == []


async def test_an_acceptance_for_one_store_grants_nothing_in_another(people: People) -> None:
    mine, other, ravi = str(uuid4()), str(uuid4()), people.new()
    await ravi.reset(await invite(people, ravi, mine), PASSWORD)
    await consume(people, granted(ravi, other, str(uuid4()), 1))
    assert await grants(ravi) == []


async def test_a_suspended_member_loses_grant_and_sessions_and_needs_no_new_invitation(people: People) -> None:
    store_id, staff_id, ravi = str(uuid4()), str(uuid4()), people.new()
    await ravi.reset(await invite(people, ravi, store_id), PASSWORD)
    await consume(people, granted(ravi, store_id, staff_id, 1))
    tokens = await ravi.log_in()
    await consume(people, revoked(ravi, store_id, staff_id, 2))
    assert (await catch_error(ravi.refresh(tokens.refresh_token))).reason == "INVALID_REFRESH_TOKEN"
    assert await grants(ravi) == []
    await consume(people, granted(ravi, store_id, staff_id, 3))
    assert await grants(ravi) == [(store_id, "CHEF")]


async def test_a_change_of_job_ends_sessions_with_the_old_job(people: People) -> None:
    store_id, staff_id, ravi = str(uuid4()), str(uuid4()), people.new()
    await ravi.reset(await invite(people, ravi, store_id), PASSWORD)
    await consume(people, granted(ravi, store_id, staff_id, 1, StaffJob.MANAGER))
    tokens = await ravi.log_in()
    await consume(people, granted(ravi, store_id, staff_id, 2, StaffJob.CASHIER))
    await catch_error(ravi.refresh(tokens.refresh_token))
    assert await grants(ravi) == [(store_id, "CASHIER")]


async def test_stale_and_repeated_events_of_a_store_change_nothing(people: People) -> None:
    store_id, staff_id, ravi = str(uuid4()), str(uuid4()), people.new()
    await ravi.reset(await invite(people, ravi, store_id), PASSWORD)
    await consume(people, revoked(ravi, store_id, staff_id, 2), granted(ravi, store_id, staff_id, 1))
    assert await grants(ravi) == []
    await consume(people, granted(ravi, store_id, staff_id, 3))
    tokens = await ravi.log_in()
    await consume(people, revoked(ravi, store_id, staff_id, 2), granted(ravi, store_id, staff_id, 3))
    assert claims((await ravi.refresh(tokens.refresh_token)).access_token)["roles"] == ["CUSTOMER", "CHEF"]


async def test_a_repeated_invitation_keeps_the_account_and_the_code(people: People) -> None:
    store_id, ravi = str(uuid4()), people.new()
    code = await invite(people, ravi, store_id)
    first = ravi.id
    assert await invite(people, ravi, store_id) == code
    assert ravi.id == first
    await ravi.reset(code, PASSWORD)
    again = await people.auth(harness.service(STORE)).InviteStaff(invitation(ravi, store_id))
    assert (again.customer_id, again.invited) == (first, False)


async def test_an_inactive_account_is_not_invited(people: People) -> None:
    asha = await people.register()
    await people.query("UPDATE customers SET is_active = false WHERE id = %(id)s::uuid RETURNING id", id=asha.id)
    found = await catch_error(people.auth(harness.service(STORE)).InviteStaff(invitation(asha, str(uuid4()))))
    assert (found.code, found.reason) == (grpc.StatusCode.ABORTED, "ACCOUNT_INACTIVE")


async def test_a_taken_phone_does_not_stop_an_invitation(people: People) -> None:
    phone = unused_phone()
    await people.register(phone=phone)
    ravi = people.new()
    await ravi.reset(await invite(people, ravi, str(uuid4()), phone=phone), PASSWORD)
    me = await ravi.auth(await ravi.log_in()).GetMe(auth.GetMeRequest())
    assert me.customer.phone == ""


async def test_only_the_store_service_invites(people: People) -> None:
    request = invitation(people.new(), str(uuid4()))
    for caller in (harness.service("order"), harness.admin(), harness.anonymous()):
        assert (await catch_error(people.auth(caller).InviteStaff(request))).code is grpc.StatusCode.PERMISSION_DENIED


async def test_bootstrap_creates_an_administrator_who_can_log_in(people: People) -> None:
    boss = people.new()
    assert await accounts.create_administrator(people.app, boss.email, PASSWORD)
    token = claims((await boss.log_in()).access_token)
    assert (token["admin"], token["roles"]) == (True, ["CUSTOMER", "ADMIN"])
    assert not await accounts.create_administrator(people.app, boss.email, OTHER_PASSWORD)
    await boss.log_in()


async def test_bootstrap_takes_over_an_account_that_was_registered_with_the_email(people: People) -> None:
    eve = await people.register()
    tokens = await eve.log_in()
    await accounts.create_administrator(people.app, eve.email, OTHER_PASSWORD)
    await catch_error(eve.refresh(tokens.refresh_token))
    await catch_error(eve.log_in(PASSWORD))
    assert claims((await eve.log_in(OTHER_PASSWORD)).access_token)["admin"] is True


async def test_bootstrap_rejects_a_weak_password(people: People) -> None:
    with pytest.raises(WeakPassword):
        await accounts.create_administrator(people.app, people.new().email, "1234567890")


async def test_the_bootstrap_command_reads_the_password_from_standard_input(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio

    from chassis.process.cli import command_line
    from services.customer.__main__ import SERVICE

    settings = people.process.settings
    for name in ("database_url", "field_keys", "index_key", "signing_key"):
        monkeypatch.setenv(f"CUSTOMER_{name.upper()}", getattr(settings, name).get_secret_value())
    monkeypatch.setenv("CUSTOMER_TLS_DIR", str(settings.tls_dir))
    boss = people.new()
    arguments = ["bootstrap-admin", "--email", boss.email]
    runner = CliRunner()
    without = await asyncio.to_thread(runner.invoke, command_line(SERVICE), arguments)
    assert without.exit_code == 2
    created = await asyncio.to_thread(runner.invoke, command_line(SERVICE), [*arguments, "--password-stdin"], PASSWORD)
    assert created.exit_code == 0, created.output
    assert PASSWORD not in created.output
    assert claims((await boss.log_in()).access_token)["admin"] is True
    weak = await asyncio.to_thread(runner.invoke, command_line(SERVICE), [*arguments, "--password-stdin"], "1234567890")
    assert weak.exit_code == 1


async def test_no_field_of_a_registration_grants_a_role(people: People) -> None:
    asha = await people.register(display_name="ADMIN")
    assert UUID(asha.id)
    assert await grants(asha) == []
