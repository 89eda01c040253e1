"""Whether what the request names is the caller's: the FIELD scope of the access option.

Somebody else's id answers exactly like one that does not exist; the own tenant in a role that is not enough is denied.
"""

from __future__ import annotations

from uuid import UUID

from chassis.errors import NotFound, PermissionDenied
from chassis.rpc.call import Call


def compare(call: Call) -> None:
    method, scope = call.method, call.scope
    if scope.everything or not (method.owner_field or method.tenant_field) or method.is_public:
        return
    if method.owner_field and scope.owner is not None and _field(call, method.owner_field) == scope.owner:
        return
    if method.tenant_field:
        tenant = _field(call, method.tenant_field)
        if tenant in scope.tenants:
            return
        if any(grant.tenant_id == tenant for grant in call.caller.grants):
            raise PermissionDenied
    raise NotFound


def _field(call: Call, name: str) -> UUID | None:
    value = getattr(call.request, name)
    return UUID(value) if value else None
