"""Whether this kind of caller may call this method at all, as the contract's access option says."""

from __future__ import annotations

from chassis.call import Call, Scope
from chassis.errors import PermissionDenied, Unauthenticated

ADMIN = "ADMIN"
CUSTOMER = "CUSTOMER"


def admit(call: Call) -> None:
    """Refuses callers that the option does not name, and notes what is theirs."""
    method, caller = call.method, call.caller
    if caller.service is not None:
        if not method.admits_service(caller.service):
            raise PermissionDenied("this service may not call this method")
        call.scope = Scope(everything=True)
        return
    if not method.callers:
        raise PermissionDenied("this method is not for callers from outside")
    if caller.account_id is None:
        if not method.is_public:
            raise Unauthenticated
        return
    admitted = method.callers & caller.roles
    if not admitted and not method.is_public:
        raise PermissionDenied
    call.scope = Scope(
        everything=ADMIN in admitted,
        owner=caller.account_id if CUSTOMER in admitted else None,
        tenants=[grant.tenant_id for grant in caller.grants if grant.role in method.callers],
    )
