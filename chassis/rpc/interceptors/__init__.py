"""Interceptors around every rpc, one concern per module, in this order:

1. request_id   sets the request id before anything logs
2. telemetry    log line, metrics and span of every outcome; outermost of those that surround the call
3. errors       converts exceptions to domain errors; an unknown exception becomes INTERNAL without its text
4. identity     sets the caller: the service by its certificate, the account by the token that the edge forwards
5. deadline     reads the caller's deadline, for calls to other services
6. access       rejects callers that the contract does not allow; before validation, whose messages would describe a
                valid request to a stranger
7. text         Unicode NFC, no NUL; before validation, which counts characters
8. validation   the contract's rules on the message, and the Idempotency-Key where the contract requires it
9. scope        compares the ids in the request with the caller; after validation, since it parses them
"""

from chassis.rpc.interceptors import access, deadline, errors, identity, request_id, scope, telemetry, text, validation
from chassis.rpc.interceptors.chain import Chain
from chassis.rpc.sessions import Identity

__all__ = ["Chain", "chain"]


def chain(service: str, platform: Identity, *, trust_domain: str, is_revoked: identity.IsRevoked) -> Chain:
    """The chain of one service."""
    identification = identity.Identification(platform, trust_domain, is_revoked)
    return Chain(
        first=request_id.read_request_id,
        around=[telemetry.Telemetry(service).observe, errors.convert_errors],
        checks=[
            identification.identify,
            deadline.read_deadline,
            access.check_access,
            text.normalise_text,
            validation.validate,
            scope.check_scope,
        ],
        stream_checks=[identification.check_session],
    )
