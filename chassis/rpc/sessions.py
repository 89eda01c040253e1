"""Sessions that ended before their access tokens expire: rejected within seconds, although the edge still accepts the
token.

What a token's grants are called, and which service knows the ended sessions, is the platform's: it fills `Identity`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from google.protobuf.message import Message

from chassis.errors import DomainError

if TYPE_CHECKING:
    from chassis.rpc.call import Grant
    from chassis.rpc.channels import Channels

log = structlog.get_logger(__name__)

# Access tokens live 15 minutes and the edge allows a little clock skew; a revocation has no effect after that.
KEEP_SECONDS = 16 * 60.0
REFRESH_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Identity:
    """How the platform states grants and ended sessions; one value serves all services."""

    # The grants in the claims of a verified token. Raises LookupError, ValueError or TypeError for malformed claims.
    read_grants: Callable[[Mapping[str, Any]], tuple[Grant, ...]]
    # The event that announces an ended session, and the id of the session in it.
    revoked_event: type[Message]
    revoked_session: Callable[[Any], UUID]
    # All sessions that ended within the life of an access token.
    list_revoked_sessions: Callable[[Channels], Awaitable[Sequence[UUID]]]


class RevokedSessions:
    """The ids of the sessions that ended within the last 16 minutes, as one replica knows them."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._until: dict[UUID, float] = {}

    def __contains__(self, session_id: object) -> bool:
        return session_id in self._until

    def add(self, session_id: UUID) -> None:
        """Rejects the session from now on."""
        self._until[session_id] = time.monotonic() + KEEP_SECONDS

    def on_event(self, event: Message) -> None:
        """Adds the session that the event announces."""
        self.add(self._identity.revoked_session(event))

    async def refresh_periodically(self, channels: Channels) -> None:
        """Until cancelled: loads sessions that ended before this process subscribed or while NATS was away."""
        delay = 0.5
        while True:
            try:
                for session_id in await self._identity.list_revoked_sessions(channels):
                    self.add(session_id)
                delay = REFRESH_SECONDS
            except DomainError as error:
                log.info("revoked sessions are not loaded yet", error=str(error))
                delay = min(delay * 2, REFRESH_SECONDS)
            now = time.monotonic()
            self._until = {session: until for session, until in self._until.items() if until > now}
            await asyncio.sleep(delay)
