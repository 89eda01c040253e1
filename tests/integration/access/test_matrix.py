"""Every rpc, called as every kind of caller, against what its `access` option says.

The option is the only source: a new rpc is in the matrix without a line here.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import pytest

from chassis import ids
from chassis.contract import Method, service_methods, services_of
from devstack.certificates import SERVICES
from tests import harness
from tests.harness import Identity, Platform, refusal
from tests.integration.access.requests import valid_request

JOBS = ("MANAGER", "CHEF", "CASHIER", "DELIVERY", "SUPPORT")
# The interceptor's word. A use case may deny too, with a reason of its own: a job's rule on a row, a forged webhook.
DENIALS = {"PERMISSION_DENIED", "UNAUTHENTICATED"}
OWN_STORE, OTHER_STORE = ids.new_id(), ids.new_id()
SELF = ids.new_id()

GEN = Path(__file__).parents[3] / "gen"
for file in GEN.glob("jainshikanji/**/*_pb2.py"):
    importlib.import_module(".".join(file.relative_to(GEN).with_suffix("").parts))


def methods() -> Iterator[tuple[str, Method]]:
    for service in SERVICES:
        for name in services_of(service):
            for method in service_methods(name).values():
                yield service, method


def people() -> dict[str, Identity]:
    staff = {f"{job.lower()} of the store": harness.staff(SELF, OWN_STORE, job) for job in JOBS}
    others = {f"{job.lower()} of another store": harness.staff(SELF, OTHER_STORE, job) for job in JOBS}
    return {
        "nobody": harness.nobody(),
        "customer": harness.customer(SELF),
        "admin": harness.admin(SELF),
        **staff,
        **others,
    }


def services() -> dict[str, Identity]:
    return {name: harness.service(name) for name in (*SERVICES, "operator")}


def roles(name: str) -> set[str]:
    if name == "nobody":
        return set()
    if name in {"customer", "admin"}:
        return {"CUSTOMER", name.upper()}
    return {"CUSTOMER", name.split(maxsplit=1)[0].upper()}


@pytest.fixture
async def everything(platform: Platform) -> Platform:
    for service in SERVICES:
        await platform.start(service)
    return platform


async def outcome(channel: Any, method: Method, request: Any) -> str:
    """The reason of a refusal, or OK; a stream counts as admitted with its first answer or its headers."""
    metadata = (("idempotency-key", str(ids.new_id())),)
    serialize = request.SerializeToString
    try:
        if method.server_streaming:
            stream = channel.unary_stream(method.path)(serialize(), timeout=5, metadata=metadata)
            try:
                async with asyncio.timeout(2):
                    await stream.read()
            except TimeoutError:
                return "OK"
            finally:
                stream.cancel()
            return "OK"
        await channel.unary_unary(method.path)(serialize(), timeout=10, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        return refusal(error).reason or error.code().name
    return "OK"


async def test_every_rpc_answers_every_caller_as_its_option_says(
    everything: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    callers = people() | services()
    checked, differences = 0, []
    for service, method in methods():
        for name, identity in callers.items():
            everything.stub(service, lambda channel: channel, identity)
            channel = everything._channels.pop()
            told = await outcome(channel, method, method.request())
            await channel.close(None)
            if identity.peer != "edge":
                allowed = method.admits_service(identity.peer)
            else:
                allowed = method.is_public or bool(method.callers & roles(name))
            if (told in DENIALS) == allowed:
                differences.append(f"{method.name} as {name}: {told}, allowed: {allowed}")
            checked += 1
    with capsys.disabled():
        print(
            f"\n{len(list(methods()))} rpcs x {len(callers)} callers: {checked} checked, {len(differences)} differences"
        )
    assert not differences, "\n".join(differences)


async def test_a_named_owner_or_store_must_be_the_callers(everything: Platform) -> None:
    differences = []
    for service, method in methods():
        if not (method.owner_field or method.tenant_field) or method.is_public:
            continue
        for name, identity in people().items():
            if name in {"nobody", "admin"} or not method.callers & roles(name):
                continue
            for owner in (SELF, ids.new_id()):
                for store in (OWN_STORE, ids.new_id()):
                    found = await scoped(everything, service, method, identity, owner, store)
                    due = refusal_due(method, name, owner, store)
                    if found in DENIALS if due is None else found != due:
                        differences.append(f"{method.name} as {name}, {owner == SELF=}, {store == OWN_STORE=}: {found}")
    assert not differences, "\n".join(differences)


async def scoped(platform: Platform, service: str, method: Method, identity: Identity, owner: UUID, store: UUID) -> str:
    request = valid_request(method.request)
    if method.owner_field:
        setattr(request, method.owner_field, str(owner))
    if method.tenant_field:
        setattr(request, method.tenant_field, str(store))
    platform.stub(service, lambda channel: channel, identity)
    channel = platform._channels.pop()
    told = await outcome(channel, method, request)
    await channel.close(None)
    return told


def refusal_due(method: Method, name: str, owner: UUID, store: UUID) -> str | None:
    """The reason that a scope which does not fit gives; None where the call is admitted, whatever it then ends in."""
    is_owner = bool(method.owner_field) and "CUSTOMER" in method.callers and owner == SELF
    grant = OTHER_STORE if "another" in name else OWN_STORE if "of the store" in name else None
    has_job = bool(roles(name) & method.callers & set(JOBS))
    is_staff = bool(method.tenant_field) and has_job and store == grant
    if is_owner or is_staff:
        return None
    if method.tenant_field and store == grant:
        return "PERMISSION_DENIED"
    return "NOT_FOUND"
