"""Calls to other services."""

from __future__ import annotations

from uuid import UUID

import grpc
from jainshikanji.customer.v1.auth_service_pb2 import InviteStaffRequest
from jainshikanji.customer.v1.auth_service_pb2_grpc import AuthServiceStub

from chassis import App
from chassis.errors import RemoteError, Unavailable
from services.store.wire import JOBS

# Codes that concern the state of customer, not the person.
_TEMPORARY = {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNIMPLEMENTED}


async def invite_staff(app: App, *, name: str, email: str, phone: str, store_id: UUID, job: str) -> UUID:
    """Finds or creates the account and invites it; repeatable. Returns the id of the account.

    Raises RemoteError when customer rejects the person, Unavailable when it does not respond.
    """
    stub = app.channels.stub("customer", AuthServiceStub)
    request = InviteStaffRequest(email=email, phone=phone, name=name, store_id=str(store_id), job=JOBS.to_proto(job))
    try:
        response = await stub.InviteStaff(request)
    except RemoteError as error:
        if error.code in _TEMPORARY:
            raise Unavailable("customer cannot invite at the moment", peer="customer") from error
        raise
    return UUID(response.customer_id)
