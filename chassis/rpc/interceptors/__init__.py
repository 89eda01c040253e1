"""What happens to every rpc before and around its servicer, one concern a module, in this order:

1. request_id   names the request before anything can log
2. telemetry    outermost of those that act around, so that it sees every outcome: log line, metrics, span
3. errors       turns what is raised below into a refusal; unknown exceptions become INTERNAL without their text
4. identity     who calls: the mesh certificate says which peer, the edge's forwarded token which account
5. deadline     how long the caller waits, for calls to peers
6. access       whether this kind of caller may call this method at all: before validation, which would tell a stranger
                what a good request looks like
7. text         Unicode NFC, no NUL: before validation, which counts characters
8. validation   the contract's rules on the message, and the Idempotency-Key where the contract wants one
9. scope        whether what the request names is the caller's: after validation, since it reads ids
"""

from chassis.rpc.interceptors import access, deadline, errors, identity, request_id, scope, telemetry, text, validation
from chassis.rpc.interceptors.chain import Chain
from chassis.rpc.sessions import Identity

__all__ = ["Chain", "chain"]


def chain(service: str, platform: Identity, *, trust_domain: str, is_revoked: identity.IsRevoked) -> Chain:
    """The chain of one service."""
    identification = identity.Identification(platform, trust_domain, is_revoked)
    return Chain(
        first=request_id.read,
        around=[telemetry.Telemetry(service).observe, errors.translate],
        checks=[
            identification.identify,
            deadline.read,
            access.check_access,
            text.normalise,
            validation.validate,
            scope.compare,
        ],
        lasting=[identification.check_session],
    )
