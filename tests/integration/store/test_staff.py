"""Staff: records, invitations by customer, grants by events, and failures of customer."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

import grpc
import pytest
import pytest_asyncio
from google.protobuf.message import Message
from jainshikanji.customer.v1.auth_service_pb2 import InviteStaffRequest, InviteStaffResponse
from jainshikanji.customer.v1.auth_service_pb2_grpc import AuthServiceServicer, add_AuthServiceServicer_to_server
from jainshikanji.customer.v1.customer_service_pb2 import BatchGetContactsRequest
from jainshikanji.customer.v1.customer_service_pb2_grpc import CustomerServiceStub
from jainshikanji.customer.v1.events_pb2 import CustomerErased
from jainshikanji.store.v1 import staff_service_pb2 as pb
from jainshikanji.store.v1.events_pb2 import StaffGranted, StaffRevoked
from jainshikanji.store.v1.staff_pb2 import InvitationState, StaffJob, StaffMember
from jainshikanji.store.v1.staff_service_pb2_grpc import StaffServiceStub
from jainshikanji.store.v1.store_pb2 import Store
from jainshikanji.store.v1.store_service_pb2_grpc import StoreServiceStub

from chassis import errors, ids
from chassis.clock import now
from chassis.database import sql
from chassis.process.service import Process
from chassis.security import tls
from services.store.usecases.staff import end_employments, send_pending_invitations
from tests import harness
from tests.harness import Platform, catch_error, rpc_error
from tests.integration.store.conftest import MakeStore, new_store


class EventRow(NamedTuple):
    type: str
    payload: bytes


class StoredMemberRow(NamedTuple):
    email: bytes
    phone: bytes
    email_index: bytes
    role: str


LIST_EVENTS = sql("SELECT type, payload FROM outbox WHERE key = %(key)s ORDER BY seq", row=EventRow)
GET_STORED_MEMBER = sql("SELECT email, phone, email_index, role FROM staff WHERE id = %(id)s", row=StoredMemberRow)
AGE = sql("UPDATE staff SET updated_at = now() - interval '1 minute' WHERE id = %(id)s")
LAST_DAY = sql("UPDATE staff SET termination_date = %(day)s WHERE id = %(id)s")
MANAGER, CHEF, CASHIER = StaffJob.MANAGER, StaffJob.CHEF, StaffJob.CASHIER
KOLKATA = dt.timezone(dt.timedelta(hours=5, minutes=30))


class AccountInactive(errors.Conflict):
    """The error of customer for a locked account."""


class Customers(AuthServiceServicer):
    """A fake of customer's invitations, which can reject them or stop."""

    def __init__(self) -> None:
        self.accounts: dict[str, UUID] = {}
        self.invitations: list[InviteStaffRequest] = []
        self.is_away = self.is_busy = False
        self.meanwhile: Callable[[], Any] | None = None

    async def InviteStaff(self, request: InviteStaffRequest, context: Any) -> InviteStaffResponse:
        if self.is_away:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        if self.is_busy:
            await errors.abort(context, errors.ResourceExhausted("later", 1.0))
        if request.email.startswith("locked"):
            await errors.abort(context, AccountInactive("the account is locked"))
        self.invitations.append(request)
        account_id = self.accounts.setdefault(request.email, ids.new_id())
        if self.meanwhile is not None:
            await self.meanwhile()
        return InviteStaffResponse(customer_id=str(account_id), invited=True)


@pytest_asyncio.fixture(scope="session")
async def customers(platform: Platform) -> AsyncIterator[Customers]:
    customers = Customers()
    server = grpc.aio.server()
    add_AuthServiceServicer_to_server(customers, server)
    credentials = tls.server_credentials(tls.IdentityFiles(platform.certificates / "customer"))
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    customers.port = port  # type: ignore[attr-defined]
    yield customers
    await server.stop(None)


@pytest_asyncio.fixture(scope="session")
async def replica(platform: Platform, process: Process, customers: Customers) -> AsyncIterator[Process]:
    """A replica of store with the fake customer."""
    port = customers.port  # type: ignore[attr-defined]
    replica = await platform.launch("store", peers={"customer": f"127.0.0.1:{port}"})
    yield replica
    await replica.stop()


@pytest.fixture(autouse=True)
def _customers_are_well(customers: Customers) -> None:
    customers.is_away = customers.is_busy = False
    customers.meanwhile = None


@pytest.fixture
def as_caller(platform: Platform, replica: Process) -> Callable[[harness.Identity], Any]:
    """A stub of StaffService or StoreService for that caller."""

    def both(caller: harness.Identity) -> Any:
        staff = platform.stub_at(replica.mesh_port, "store", StaffServiceStub, caller)
        stores = platform.stub_at(replica.mesh_port, "store", StoreServiceStub, caller)
        return SimpleNamespace(**{**vars(stores), **vars(staff)})

    return both


@pytest_asyncio.fixture
async def store(make_store: MakeStore) -> Store:
    return await make_store(open_always=False)


def person(store: Store, mailbox: str = "asha", **fields: Any) -> pb.AddStaffMemberRequest:
    email = f"{mailbox}.{ids.new_id().hex[-12:]}@jainshikanji.example"
    usual: dict[str, Any] = {"name": "Asha", "email": email, "phone": "98200 12345", "job": CHEF}
    return pb.AddStaffMemberRequest(id=store.id, **{**usual, **fields})


async def events(replica: Process, staff_id: str) -> list[Message]:
    kinds = {kind.DESCRIPTOR.full_name: kind for kind in (StaffGranted, StaffRevoked)}
    return [kinds[row.type].FromString(row.payload) for row in await replica.app.db.all(LIST_EVENTS, key=staff_id)]


async def test_a_member_is_invited_and_granted_the_job(
    manager: Any, store: Store, customers: Customers, replica: Process
) -> None:
    request = person(store, email=f" Asha.{ids.new_id().hex[-12:]}@Example.COM", hire_date="2025-11-01")
    request.email = request.email.strip()
    member = await manager(store.id).AddStaffMember(request)
    assert member.email == request.email.lower()
    assert (member.phone, member.name, member.job) == ("+919820012345", "Asha", CHEF)
    assert (member.hire_date, member.termination_date, member.is_active) == ("2025-11-01", "", True)
    assert member.invitation_state == InvitationState.SENT
    assert member.account_id == str(customers.accounts[member.email])
    invitation = customers.invitations[-1]
    assert (invitation.email, invitation.phone, invitation.name) == (member.email, "+919820012345", "Asha")
    assert (invitation.store_id, invitation.job) == (store.id, CHEF)
    (granted,) = await events(replica, member.id)
    assert isinstance(granted, StaffGranted)
    assert (granted.account_id, granted.store_id, granted.job) == (member.account_id, store.id, CHEF)
    assert granted.version == 2


async def test_the_real_customer_service_finds_or_creates_the_account(platform: Platform, process: Process) -> None:
    await platform.start("customer")
    store = await platform.stub("store", StoreServiceStub, harness.admin()).CreateStore(new_store())
    staff = platform.stub("store", StaffServiceStub, harness.admin())
    member = await staff.AddStaffMember(person(store))
    async with asyncio.timeout(10):  # customer may still be starting: then the invitation waits
        while member.invitation_state == InvitationState.PENDING:
            await process.app.db.run(AGE, id=UUID(member.id))
            await send_pending_invitations(process.app)
            member = await staff.GetStaffMember(pb.GetStaffMemberRequest(id=store.id, staff_id=member.id))
    contacts = platform.stub("customer", CustomerServiceStub, harness.service("notification"))
    known = await contacts.BatchGetContacts(BatchGetContactsRequest(customer_ids=[member.account_id]))
    assert [contact.email for contact in known.contacts] == [member.email]


async def test_an_invitation_stays_pending_while_customer_is_too_busy(
    manager: Any, store: Store, customers: Customers
) -> None:
    customers.is_busy = True
    member = await manager(store.id).AddStaffMember(person(store))
    assert (member.invitation_state, member.is_active) == (InvitationState.PENDING, True)


async def test_email_and_phone_are_encrypted_in_the_database(manager: Any, store: Store, replica: Process) -> None:
    member = await manager(store.id).AddStaffMember(person(store))
    row = await replica.app.db.one(GET_STORED_MEMBER, id=UUID(member.id))
    assert row is not None
    for column in (row.email, row.phone, row.email_index):
        assert b"asha" not in bytes(column).lower()
        assert b"98200" not in bytes(column)
    assert row.role == "chef"


async def test_one_email_is_one_present_member_also_with_concurrent_requests(
    manager: Any, make_store: MakeStore, store: Store
) -> None:
    other = await make_store(open_always=False)
    request = person(store)
    shouted = pb.AddStaffMemberRequest()
    shouted.CopyFrom(request)
    shouted.email, shouted.id = request.email.upper(), other.id
    mine, theirs = manager(store.id), manager(other.id)
    outcomes = await asyncio.gather(
        mine.AddStaffMember(request),
        theirs.AddStaffMember(shouted),
        mine.AddStaffMember(request),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, StaffMember) for outcome in outcomes) == 1
    losers = [rpc_error(outcome) for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)]
    assert {(loser.code, loser.reason) for loser in losers} == {(grpc.StatusCode.ALREADY_EXISTS, "ALREADY_STAFF")}


async def test_an_invitation_stays_pending_while_customer_is_unavailable_and_is_sent_later(
    manager: Any, store: Store, customers: Customers, replica: Process
) -> None:
    customers.is_away = True
    member = await manager(store.id).AddStaffMember(person(store))
    assert (member.invitation_state, member.account_id) == (InvitationState.PENDING, "")
    assert await events(replica, member.id) == []
    await replica.app.db.run(AGE, id=UUID(member.id))
    await send_pending_invitations(replica.app)
    assert await events(replica, member.id) == []
    customers.is_away = False
    await asyncio.gather(*(send_pending_invitations(replica.app) for _ in range(3)))
    found = await manager(store.id).GetStaffMember(pb.GetStaffMemberRequest(id=store.id, staff_id=member.id))
    assert (found.invitation_state, found.account_id) == (
        InvitationState.SENT,
        str(customers.accounts[member.email]),
    )
    assert [type(event) for event in await events(replica, member.id)] == [StaffGranted]


async def test_a_person_whom_customer_rejects_is_not_staff_and_can_be_added_again(
    manager: Any, store: Store, replica: Process, customers: Customers
) -> None:
    mine, request = manager(store.id), person(store, "locked")
    answer = await catch_error(mine.AddStaffMember(request))
    assert (answer.code, answer.reason) == (grpc.StatusCode.ABORTED, "ACCOUNT_INACTIVE")
    assert not (await mine.ListStaff(pb.ListStaffRequest(id=store.id))).staff
    (member,) = (await mine.ListStaff(pb.ListStaffRequest(id=store.id, include_inactive=True))).staff
    assert (member.invitation_state, member.is_active) == (InvitationState.REFUSED, False)
    assert await events(replica, member.id) == []
    activation = pb.UpdateStaffMemberRequest(id=store.id, staff_id=member.id, is_active=True)
    assert (await catch_error(mine.UpdateStaffMember(activation))).reason == "INVITATION_REFUSED"
    assert (await catch_error(mine.AddStaffMember(request))).reason == "ACCOUNT_INACTIVE"


async def test_a_member_removed_while_being_invited_gets_no_grant(
    manager: Any, store: Store, customers: Customers, replica: Process
) -> None:
    mine = manager(store.id)

    async def remove() -> None:
        (member,) = (await mine.ListStaff(pb.ListStaffRequest(id=store.id))).staff
        await mine.RemoveStaffMember(pb.RemoveStaffMemberRequest(id=store.id, staff_id=member.id))

    customers.meanwhile = remove
    member = await mine.AddStaffMember(person(store))
    assert not member.is_active
    assert await events(replica, member.id) == []


async def test_the_grant_follows_job_suspension_and_removal(manager: Any, store: Store, replica: Process) -> None:
    mine = manager(store.id)
    member = await mine.AddStaffMember(person(store))

    def change(**fields: Any) -> Any:
        return mine.UpdateStaffMember(pb.UpdateStaffMemberRequest(id=store.id, staff_id=member.id, **fields))

    await change(job=CASHIER)
    await change(name="Asha Rao", phone="")
    suspended = await change(is_active=False)
    assert (suspended.name, suspended.phone, suspended.job) == ("Asha Rao", "", CASHIER)
    await change(is_active=True)
    removal = pb.RemoveStaffMemberRequest(id=store.id, staff_id=member.id)
    await mine.RemoveStaffMember(removal)
    await mine.RemoveStaffMember(removal)
    received = [(type(event), event.job, event.version) for event in await events(replica, member.id)]
    assert received == [
        (StaffGranted, CHEF, 2),
        (StaffGranted, CASHIER, 3),
        (StaffRevoked, CASHIER, 5),
        (StaffGranted, CASHIER, 6),
        (StaffRevoked, CASHIER, 7),
    ]
    gone = await mine.GetStaffMember(pb.GetStaffMemberRequest(id=store.id, staff_id=member.id))
    assert gone.termination_date == now().astimezone(KOLKATA).date().isoformat()


async def test_a_former_member_can_be_hired_by_another_store(
    manager: Any, make_store: MakeStore, store: Store, replica: Process
) -> None:
    other = await make_store(open_always=False)
    request = person(store)
    member = await manager(store.id).AddStaffMember(request)
    await manager(store.id).RemoveStaffMember(pb.RemoveStaffMemberRequest(id=store.id, staff_id=member.id))
    request.id, request.job = other.id, CASHIER
    again = await manager(other.id).AddStaffMember(request)
    assert (again.id, again.store_id, again.account_id) == (member.id, other.id, member.account_id)
    assert (again.is_active, again.termination_date) == (True, "")
    received = [(type(event), event.store_id) for event in await events(replica, member.id)]
    assert received == [(StaffGranted, store.id), (StaffRevoked, store.id), (StaffGranted, other.id)]


async def test_a_suspended_member_cannot_be_taken_over_by_another_store(
    manager: Any, make_store: MakeStore, store: Store
) -> None:
    other = await make_store(open_always=False)
    request = person(store)
    member = await manager(store.id).AddStaffMember(request)
    await manager(store.id).UpdateStaffMember(
        pb.UpdateStaffMemberRequest(id=store.id, staff_id=member.id, is_active=False)
    )
    request.id = other.id
    assert (await catch_error(manager(other.id).AddStaffMember(request))).reason == "ALREADY_STAFF"


async def test_the_grant_ends_with_the_last_day_and_not_before(manager: Any, store: Store, replica: Process) -> None:
    mine = manager(store.id)
    member = await mine.AddStaffMember(person(store))
    today = now().astimezone(KOLKATA).date()
    change = pb.UpdateStaffMemberRequest(id=store.id, staff_id=member.id, termination_date=today.isoformat())
    assert (await mine.UpdateStaffMember(change)).is_active
    await end_employments(replica.app)
    assert [type(event) for event in await events(replica, member.id)] == [StaffGranted]
    await replica.app.db.run(LAST_DAY, id=UUID(member.id), day=today - dt.timedelta(days=1))
    await asyncio.gather(*(end_employments(replica.app) for _ in range(3)))
    assert [type(event) for event in await events(replica, member.id)] == [StaffGranted, StaffRevoked]


async def test_a_past_last_day_ends_the_grant_immediately_and_activation_removes_it(manager: Any, store: Store) -> None:
    mine = manager(store.id)
    member = await mine.AddStaffMember(person(store))

    def change(**fields: Any) -> Any:
        return mine.UpdateStaffMember(pb.UpdateStaffMemberRequest(id=store.id, staff_id=member.id, **fields))

    assert not (await change(termination_date="2025-01-31")).is_active
    answer = await catch_error(change(is_active=True, termination_date="2025-02-28"))
    assert list(answer.violations) == ["terminationDate"]
    back = await change(is_active=True)
    assert (back.is_active, back.termination_date) == (True, "")


async def test_a_stale_etag_is_rejected(manager: Any, store: Store) -> None:
    mine = manager(store.id)
    member = await mine.AddStaffMember(person(store))
    change = pb.UpdateStaffMemberRequest(id=store.id, staff_id=member.id, name="First", etag=member.etag)
    await mine.UpdateStaffMember(change)
    assert (await catch_error(mine.UpdateStaffMember(change))).reason == "STALE_ETAG"


async def test_staff_are_listed_by_name_job_and_state(manager: Any, store: Store) -> None:
    mine = manager(store.id)
    for name, job in (("Chetan", CHEF), ("Arun", MANAGER), ("Bela", CHEF)):
        last = await mine.AddStaffMember(person(store, name=name, job=job))
    await mine.RemoveStaffMember(pb.RemoveStaffMemberRequest(id=store.id, staff_id=last.id))

    async def names(**fields: Any) -> list[str]:
        return [member.name for member in (await mine.ListStaff(pb.ListStaffRequest(id=store.id, **fields))).staff]

    assert await names() == ["Arun", "Chetan"]
    assert await names(include_inactive=True) == ["Arun", "Bela", "Chetan"]
    assert await names(job=CHEF, include_inactive=True) == ["Bela", "Chetan"]
    page = await mine.ListStaff(pb.ListStaffRequest(id=store.id, page_size=1))
    following = await mine.ListStaff(pb.ListStaffRequest(id=store.id, page_size=1, page_token=page.next_page_token))
    assert [member.name for member in (*page.staff, *following.staff)] == ["Arun", "Chetan"]


async def test_other_callers_may_not_manage_the_staff_of_a_store(
    as_caller: Any, manager: Any, make_store: MakeStore, store: Store
) -> None:
    other = await make_store(open_always=False)
    request = pb.ListStaffRequest(id=store.id)
    foreign = await catch_error(manager(other.id).ListStaff(request))
    assert foreign.code is grpc.StatusCode.NOT_FOUND
    chef = as_caller(harness.staff(ids.new_id(), UUID(store.id), "chef"))
    assert (await catch_error(chef.ListStaff(request))).code is grpc.StatusCode.PERMISSION_DENIED
    guest = as_caller(harness.customer(ids.new_id()))
    assert (await catch_error(guest.AddStaffMember(person(store)))).code is grpc.StatusCode.PERMISSION_DENIED
    assert (
        await catch_error(as_caller(harness.anonymous()).ListStaff(request))
    ).code is grpc.StatusCode.UNAUTHENTICATED


async def test_a_member_of_another_store_is_not_found(manager: Any, make_store: MakeStore, store: Store) -> None:
    other = await make_store(open_always=False)
    member = await manager(store.id).AddStaffMember(person(store))
    theirs = manager(other.id)
    for call in (
        theirs.GetStaffMember(pb.GetStaffMemberRequest(id=other.id, staff_id=member.id)),
        theirs.UpdateStaffMember(pb.UpdateStaffMemberRequest(id=other.id, staff_id=member.id, job=MANAGER)),
        theirs.RemoveStaffMember(pb.RemoveStaffMemberRequest(id=other.id, staff_id=member.id)),
    ):
        assert (await catch_error(call)).code is grpc.StatusCode.NOT_FOUND


async def test_staff_of_an_unknown_store_are_not_found(admin: Any, store: Store) -> None:
    nowhere = Store(id=str(ids.new_id()))
    assert (await catch_error(admin.AddStaffMember(person(nowhere)))).code is grpc.StatusCode.NOT_FOUND
    assert (await catch_error(admin.ListStaff(pb.ListStaffRequest(id=nowhere.id)))).code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": " "}, "name"),
        ({"email": "no-address"}, "email"),
        ({"phone": "12"}, "phone"),
        ({"phone": "+0 123456"}, "phone"),
        ({"job": 0}, "job"),
        ({"job": 77}, "job"),
        ({"hire_date": "2025-02-30"}, "hireDate"),
    ],
)
async def test_an_invalid_person_is_rejected_with_field_violations(
    manager: Any, store: Store, fields: dict[str, Any], field: str
) -> None:
    answer = await catch_error(manager(store.id).AddStaffMember(person(store, **fields)))
    assert answer.code is grpc.StatusCode.INVALID_ARGUMENT
    assert list(answer.violations) == [field]


async def test_an_erased_account_leaves_no_personal_data_and_no_grant(
    platform: Platform, manager: Any, store: Store, replica: Process
) -> None:
    mine = manager(store.id)
    member = await mine.AddStaffMember(person(store))
    await platform.publish(CustomerErased(customer_id=member.account_id))
    wanted = pb.GetStaffMemberRequest(id=store.id, staff_id=member.id)
    async with asyncio.timeout(10):
        while (erased := await mine.GetStaffMember(wanted)).is_active:
            await asyncio.sleep(0.02)
    assert (erased.name, erased.phone) == ("erased", "")
    assert member.email not in erased.email
    assert [type(event) for event in await events(replica, member.id)] == [StaffGranted, StaffRevoked]
