"""Sessions that ended before their tokens did: refused within seconds, though the edge still accepts the token."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from jainshikanji.customer.v1 import auth_service_pb2 as auth
from jainshikanji.customer.v1.auth_service_pb2_grpc import AuthServiceStub
from jainshikanji.customer.v1.events_pb2 import SessionRevoked

from chassis.errors import Refusal

if TYPE_CHECKING:
    from chassis.peers import Peers

log = structlog.get_logger(__name__)

# Access tokens live 15 minutes and the edge allows a little skew; after that the revocation says nothing any more.
REMEMBER_SECONDS = 16 * 60.0
REFRESH_SECONDS = 60.0

EVENT = SessionRevoked


class Revocations:
    """The revoked session ids of the last quarter of an hour, as one replica knows them."""

    def __init__(self) -> None:
        self._until: dict[UUID, float] = {}

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._until

    def add(self, session_id: UUID) -> None:
        self._until[session_id] = time.monotonic() + REMEMBER_SECONDS

    def hear(self, event: SessionRevoked) -> None:
        self.add(UUID(event.session_id))

    async def keep_fresh(self, peers: Peers) -> None:
        """Loads what was revoked before this process listened, repairs what it missed, forgets what has expired."""
        delay = 0.5
        while True:
            try:
                stub = peers.stub("customer", AuthServiceStub)
                revoked = await stub.ListRevokedSessions(auth.ListRevokedSessionsRequest())
                for session_id in revoked.session_ids:
                    self.add(UUID(session_id))
                delay = REFRESH_SECONDS
            except Refusal as error:
                log.info("revoked sessions are not loaded yet", error=str(error))
                delay = min(delay * 2, REFRESH_SECONDS)
            now = time.monotonic()
            self._until = {session: until for session, until in self._until.items() if until > now}
            await asyncio.sleep(delay)
