"""Who looks at orders, and what of them is theirs.

Customers see their own orders. Staff see those of their stores; couriers those that are assigned to them. What somebody
may not see is not found; what somebody sees with the wrong job is denied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.errors import NotFound, PermissionDenied
from chassis.rpc.call import Call
from services.order.app import OrderApp
from services.order.model import states
from services.order.queries import reading as q


@dataclass(frozen=True, slots=True)
class Viewer:
    """An account with its jobs, store by store."""

    account_id: UUID
    is_admin: bool
    jobs: dict[UUID, frozenset[str]]

    @classmethod
    def of(cls, call: Call) -> Viewer:
        """The account that calls. Only accounts reach the routes of orders."""
        jobs: dict[UUID, frozenset[str]] = {}
        for grant in call.caller.grants:
            jobs[grant.tenant_id] = jobs.get(grant.tenant_id, frozenset()) | {grant.role.lower()}
        return cls(call.account, call.caller.is_admin, jobs)

    @property
    def stores(self) -> list[UUID]:
        """Stores whose orders are all visible."""
        return [store for store, jobs in self.jobs.items() if jobs - {states.COURIER_JOB}]

    @property
    def courier_stores(self) -> list[UUID]:
        """Stores of which only the assigned orders are visible."""
        return [store for store, jobs in self.jobs.items() if states.COURIER_JOB in jobs]

    def params(self) -> dict[str, Any]:
        """Parameters of `queries.reading.visible`."""
        return {
            "everything": self.is_admin,
            "owner": self.account_id,
            "stores": self.stores,
            "courier_stores": self.courier_stores,
        }

    def jobs_for(self, row: Any) -> frozenset[str]:
        """The jobs that this account has for an order that it sees; none for a mere customer."""
        jobs = self.jobs.get(row.store_id, frozenset())
        if states.COURIER_JOB in jobs and row.delivery_person_id != self.account_id:
            jobs -= {states.COURIER_JOB}
        return jobs | {states.ADMIN_JOB} if self.is_admin else jobs

    def owns(self, row: Any) -> bool:
        """Whether this account is the order's customer."""
        return bool(row.customer_id == self.account_id)

    def sees_contact(self, row: Any) -> bool:
        """The kitchen needs nobody's phone or address; all others who see an order do."""
        return self.owns(row) or bool(self.jobs_for(row) - {states.CHEF_JOB})

    def require_job(self, row: Any, *allowed: str) -> frozenset[str]:
        """The account's jobs for the order. Raises PermissionDenied unless one is allowed; admins always are."""
        jobs = self.jobs_for(row)
        if not jobs & {states.ADMIN_JOB, *allowed}:
            raise PermissionDenied
        return jobs


# Which of several jobs the history names.
_PRECEDENCE = (
    states.MANAGER_JOB,
    states.CASHIER_JOB,
    states.SUPPORT_JOB,
    states.CHEF_JOB,
    states.COURIER_JOB,
    states.ADMIN_JOB,
)


def acting(viewer: Viewer, jobs: frozenset[str]) -> states.Actor:
    """Who acts, in the first of the jobs."""
    return states.Actor(next(job for job in _PRECEDENCE if job in jobs), viewer.account_id)


async def head(app: OrderApp, viewer: Viewer, order_id: UUID) -> Any:
    """The order's state and parties. Raises NotFound unless the viewer sees it."""
    row = await app.db.one(q.HEAD, id=order_id, **viewer.params())
    if row is None:
        raise NotFound
    return row
