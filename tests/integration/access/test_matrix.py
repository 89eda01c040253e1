"""Every rpc, called by every kind of caller, compared with its `access` option.

The option is the only source: a new rpc is part of the matrix without a line here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any
from uuid import UUID

import grpc
import pytest
import pytest_asyncio
from google.protobuf.message import Message

from chassis import contract, ids
from chassis.contract import Method
from devstack.certificates import SERVICES
from tests import harness
from tests.harness import Identity, Platform
from tests.integration.access.requests import valid_request
from tests.integration.access.services import Outcome, Services, running_services

JOBS = ("MANAGER", "CHEF", "CASHIER", "DELIVERY", "SUPPORT")
# Reasons of the interceptors. A use case that denies has a reason of its own, such as INVALID_SIGNATURE.
DENIALS = {"PERMISSION_DENIED", "UNAUTHENTICATED"}
# Codes of a call that was not handled, whatever its reason.
FAULTS = {grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN}
OWN_STORE, OTHER_STORE = ids.new_id(), ids.new_id()
SELF = ids.new_id()
CONCURRENT_CALLS = 16


@dataclass(frozen=True)
class Call:
    """One call of the matrix."""

    service: str
    method: Method
    caller: str
    identity: Identity
    request: Message

    def __str__(self) -> str:
        return f"{self.method.name} as {self.caller}"


def methods() -> Iterator[tuple[str, Method]]:
    for service in SERVICES:
        contract.load(service)
        for name in contract.services_of(service):
            for method in contract.service_methods(name).values():
                yield service, method


def external_callers() -> dict[str, Identity]:
    """Each kind of external caller, in a new session: Logout ends it."""
    staff = {f"{job.lower()} of the store": harness.staff(SELF, OWN_STORE, job) for job in JOBS}
    others = {f"{job.lower()} of another store": harness.staff(SELF, OTHER_STORE, job) for job in JOBS}
    return {
        "anonymous": harness.anonymous(),
        "customer": harness.customer(SELF),
        "admin": harness.admin(SELF),
        **staff,
        **others,
    }


def calling_services() -> dict[str, Identity]:
    return {f"service {name}": harness.service(name) for name in (*SERVICES, "operator")}


def roles(caller: str) -> set[str]:
    if caller == "anonymous":
        return set()
    if caller in {"customer", "admin"}:
        return {"CUSTOMER", caller.upper()}
    return {"CUSTOMER", caller.split(maxsplit=1)[0].upper()}


def is_allowed(method: Method, caller: str, identity: Identity) -> bool:
    if identity.peer != "edge":
        return method.admits_service(identity.peer)
    return method.is_public or bool(method.callers & roles(caller))


@pytest_asyncio.fixture(scope="module")
async def services(platform: Platform) -> AsyncIterator[Services]:
    async with running_services(platform) as services:
        yield services


async def test_every_rpc_rejects_the_callers_that_its_option_does_not_allow(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    """The request is empty: access is checked before validation."""
    calls = [
        Call(service, method, caller, identity, method.request())
        for service, method in methods()
        for caller, identity in (external_callers() | calling_services()).items()
        if not is_allowed(method, caller, identity)
    ]
    differences = [
        f"{call}: {outcome}"
        for call, outcome in await send_all(services, calls)
        if outcome.is_served or outcome.reason not in DENIALS
    ]
    report(capsys, f"{len(calls)} calls of callers that are not allowed: {len(differences)} not rejected")
    assert not differences, "\n".join(differences)


async def test_every_rpc_serves_the_callers_that_its_option_allows(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    """Served: the servicer method runs, and the call ends with a response or with a domain error of the method."""
    calls = [
        Call(service, method, caller, identity, request_for(method, SELF, own_store(caller)))
        for service, method in methods()
        for caller, identity in (external_callers() | calling_services()).items()
        if is_allowed(method, caller, identity)
    ]
    differences = [
        f"{call}: {outcome}"
        for call, outcome in await send_all(services, calls)
        if not outcome.is_served or outcome.code in FAULTS or outcome.reason in DENIALS
    ]
    report(capsys, f"{len(calls)} calls of allowed callers: {len(differences)} not served")
    assert not differences, "\n".join(differences)
    assert {call.method.path for call in calls} == {method.path for _, method in methods()}


async def test_the_owner_or_store_in_a_request_must_be_that_of_the_caller(services: Services) -> None:
    calls, errors = [], []
    for service, method in methods():
        if not (method.owner_field or method.tenant_field) or method.is_public:
            continue
        for caller, identity in external_callers().items():
            if caller in {"anonymous", "admin"} or not is_allowed(method, caller, identity):
                continue
            for owner, store in product((SELF, ids.new_id()), (OWN_STORE, ids.new_id())):
                name = f"{caller}, {owner == SELF=}, {store == OWN_STORE=}"
                calls.append(Call(service, method, name, identity, request_for(method, owner, store)))
                errors.append(scope_error(method, caller, owner, store))
    differences = [
        f"{call}: {outcome}, expected: {error or 'served'}"
        for (call, outcome), error in zip(await send_all(services, calls), errors, strict=True)
        if not matches(outcome, error)
    ]
    assert not differences, "\n".join(differences)


async def send_all(services: Services, calls: Sequence[Call]) -> list[tuple[Call, Outcome]]:
    """Sends the calls, a few at a time: some methods wait on purpose, so that their duration reveals nothing."""
    slots = asyncio.Semaphore(CONCURRENT_CALLS)

    async def send(call: Call) -> tuple[Call, Outcome]:
        async with slots:
            return call, await services.call(call.service, call.method, call.identity, call.request)

    return await asyncio.gather(*map(send, calls))


def report(capsys: pytest.CaptureFixture[str], line: str) -> None:
    with capsys.disabled():
        print(f"\n{line}")


def own_store(caller: str) -> UUID:
    return OTHER_STORE if "another" in caller else OWN_STORE


def request_for(method: Method, owner: UUID, store: UUID) -> Message:
    """A valid request with that owner and that store, in the fields that the option compares with the caller."""
    request: Any = method.request()
    request.CopyFrom(template(method))
    if method.owner_field:
        setattr(request, method.owner_field, str(owner))
    if method.tenant_field:
        setattr(request, method.tenant_field, str(store))
    return request


@cache
def template(method: Method) -> Message:
    request: Message = valid_request(method.request)
    return request


def scope_error(method: Method, caller: str, owner: UUID, store: UUID) -> str | None:
    """The reason of the error for a request outside the caller's scope; None for one inside."""
    is_owner = bool(method.owner_field) and "CUSTOMER" in method.callers and owner == SELF
    grant = OTHER_STORE if "another" in caller else OWN_STORE if "of the store" in caller else None
    has_job = bool(roles(caller) & method.callers & set(JOBS))
    is_staff = bool(method.tenant_field) and has_job and store == grant
    if is_owner or is_staff:
        return None
    if method.tenant_field and store == grant:
        return "PERMISSION_DENIED"
    return "NOT_FOUND"


def matches(outcome: Outcome, error: str | None) -> bool:
    """Outside the scope, the servicer method does not run."""
    if error is None:
        return outcome.is_served and outcome.reason not in DENIALS
    return not outcome.is_served and outcome.reason == error
