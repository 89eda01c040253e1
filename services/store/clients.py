"""Calls to other services."""

from __future__ import annotations

from uuid import UUID

import grpc
from jainshikanji.customer.v1.auth_service_pb2 import InviteStaffRequest
from jainshikanji.customer.v1.auth_service_pb2_grpc import AuthServiceStub

from chassis import App
from chassis.errors import RemoteError, Unavailable
from services.store.wire import JOBS

# What customer says of its own condition, not of the person.
_FOR_NOW = {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNIMPLEMENTED}


async def invite(app: App, *, name: str, email: str, phone: str, store_id: UUID, job: str) -> UUID:
    """Finds or makes the account and has it invited; repeating is harmless. Returns the account's id.

    Raises RemoteError when customer will not have this person, Unavailable when it does not answer.
    """
    stub = app.channels.stub("customer", AuthServiceStub)
    request = InviteStaffRequest(email=email, phone=phone, name=name, store_id=str(store_id), job=JOBS.to_proto(job))
    try:
        response = await stub.InviteStaff(request)
    except RemoteError as refusal:
        if refusal.code in _FOR_NOW:
            raise Unavailable("customer cannot invite at the moment", peer="customer") from refusal
        raise
    return UUID(response.customer_id)
