"""Whether this kind of caller may call this method at all, as the contract's access option says."""

from __future__ import annotations

from dataclasses import replace

from chassis.errors import PermissionDenied, Unauthenticated
from chassis.rpc.call import Call, Scope

ADMIN = "ADMIN"
CUSTOMER = "CUSTOMER"


def check_access(call: Call) -> None:
    """Rejects callers that the option does not name, and sets the scope of those that it names."""
    method, caller = call.method, call.caller
    if caller.service is not None:
        if not method.admits_service(caller.service):
            raise PermissionDenied("this service may not call this method")
        call.caller = replace(caller, scope=Scope(everything=True))
        return
    if not method.callers:
        raise PermissionDenied("this method is not available to external callers")
    if caller.account_id is None:
        if not method.is_public:
            raise Unauthenticated
        return
    admitted = method.callers & caller.roles
    if not admitted and not method.is_public:
        raise PermissionDenied
    scope = Scope(
        everything=ADMIN in admitted,
        owner=caller.account_id if CUSTOMER in admitted else None,
        tenants=[grant.tenant_id for grant in caller.grants if grant.role in method.callers],
    )
    call.caller = replace(caller, scope=scope)
