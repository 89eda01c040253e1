"""What the platform states about accounts, for the chassis of every service: grants in tokens, and ended sessions.

Tokens are issued by customer, which also knows the sessions that ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from jainshikanji.customer.v1 import auth_service_pb2 as auth
from jainshikanji.customer.v1.auth_service_pb2_grpc import AuthServiceStub
from jainshikanji.customer.v1.events_pb2 import SessionRevoked

from chassis.rpc.call import Grant
from chassis.rpc.channels import Channels
from chassis.rpc.sessions import Identity


def read_grants(claims: Mapping[str, Any]) -> tuple[Grant, ...]:
    """The jobs of an account in stores: `grants: [{store_id, job}]`."""
    return tuple(Grant(UUID(grant["store_id"]), grant["job"].upper()) for grant in claims.get("grants", ()))


def revoked_session(event: SessionRevoked) -> UUID:
    """The session that the event announces."""
    return UUID(event.session_id)


async def list_revoked_sessions(channels: Channels) -> Sequence[UUID]:
    """The sessions that ended within the life of an access token."""
    stub = channels.stub("customer", AuthServiceStub)
    response = await stub.ListRevokedSessions(auth.ListRevokedSessionsRequest())
    return [UUID(session_id) for session_id in response.session_ids]


IDENTITY = Identity(
    read_grants=read_grants,
    revoked_event=SessionRevoked,
    revoked_session=revoked_session,
    list_revoked_sessions=list_revoked_sessions,
)
