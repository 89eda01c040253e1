"""Who calls. The certificate of the connection names the peer; only the edge may speak for an account.

The edge verifies the access token and forwards its payload; it strips that header from what comes from outside. The
header is believed from the edge alone: a service that calls for itself is known by its certificate.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import lru_cache
from uuid import UUID

from chassis.call import NOBODY, Call, Caller, Grant
from chassis.errors import PermissionDenied, Unauthenticated
from chassis.tls import peer_service

HEADER = "x-jwt-payload"
EDGE = "edge"

IsRevoked = Callable[[UUID], bool]


class Identification:
    def __init__(self, trust_domain: str, is_revoked: IsRevoked) -> None:
        self._trust_domain, self._is_revoked = trust_domain, is_revoked

    def identify(self, call: Call) -> None:
        peer = peer_service(call.context.auth_context(), self._trust_domain)
        if peer is None:
            raise PermissionDenied("the peer is not of this mesh")
        if peer != EDGE:
            call.caller = Caller(service=peer)
            return
        payload = call.metadata.get(HEADER)
        call.caller = read_payload(payload) if payload else NOBODY
        session = call.caller.session_id
        if session is not None and self._is_revoked(session):
            if not call.method.is_public:
                raise Unauthenticated("the session has ended")
            call.caller = NOBODY

    def still_known(self, call: Call) -> None:
        """Refuses a caller whose session has ended since."""
        session = call.caller.session_id
        if session is not None and self._is_revoked(session):
            raise Unauthenticated("the session has ended")


@lru_cache(maxsize=4096)
def read_payload(payload: str) -> Caller:
    """The account in a verified token's payload (base64url JSON). Raises Unauthenticated when it does not name one."""
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return Caller(
            account_id=UUID(claims["sub"]),
            session_id=UUID(claims["sid"]),
            roles=frozenset(claims["roles"]),
            grants=tuple(Grant(UUID(grant["store_id"]), grant["job"].upper()) for grant in claims.get("grants", ())),
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        # The signature is good and the claims are not: a token of another version, or of a thief of the key.
        raise Unauthenticated("the token does not say who calls") from None
