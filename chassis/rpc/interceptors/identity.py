"""Who calls. The certificate of the connection names the calling service; only the edge may act for an account.

The edge verifies the access token and forwards its payload; it removes that header from requests that come from
outside. A service believes the header from the edge alone; any other caller is the service that its certificate names.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import lru_cache
from uuid import UUID

from chassis.errors import PermissionDenied, Unauthenticated
from chassis.rpc.call import ANONYMOUS, Call, Caller
from chassis.rpc.sessions import Identity
from chassis.security.tls import peer_service

HEADER = "x-jwt-payload"
EDGE = "edge"
_CACHED_PAYLOADS = 4096

IsRevoked = Callable[[UUID], bool]


class Identification:
    """Sets the caller of each call. Raises PermissionDenied for a connection from outside the mesh."""

    def __init__(self, identity: Identity, trust_domain: str, is_revoked: IsRevoked) -> None:
        self._trust_domain, self._is_revoked = trust_domain, is_revoked
        self._read_payload = lru_cache(maxsize=_CACHED_PAYLOADS)(lambda payload: read_payload(identity, payload))

    def identify(self, call: Call) -> None:
        """Raises Unauthenticated when the session has ended and the method needs an account."""
        peer = peer_service(call.context.auth_context(), self._trust_domain)
        if peer is None:
            raise PermissionDenied("the calling service is not part of this mesh")
        if peer != EDGE:
            call.caller = Caller(service=peer)
            return
        payload = call.metadata.get(HEADER)
        call.caller = self._read_payload(payload) if payload else ANONYMOUS
        session = call.caller.session_id
        if session is not None and self._is_revoked(session):
            if not call.method.is_public:
                raise Unauthenticated("the session has ended")
            call.caller = ANONYMOUS

    def check_session(self, call: Call) -> None:
        """Raises Unauthenticated when the session has ended since the stream began."""
        session = call.caller.session_id
        if session is not None and self._is_revoked(session):
            raise Unauthenticated("the session has ended")


def read_payload(identity: Identity, payload: str) -> Caller:
    """The account in a verified token's payload (base64url JSON). Raises Unauthenticated for malformed claims."""
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return Caller(
            account_id=UUID(claims["sub"]),
            session_id=UUID(claims["sid"]),
            roles=frozenset(claims["roles"]),
            grants=identity.read_grants(claims),
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        # The signature is valid but the claims are not: a token of another version, or made with a stolen key.
        raise Unauthenticated("the token has no valid claims") from None
