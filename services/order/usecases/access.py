"""Which orders a caller may see and change.

Customers see their own orders, staff those of their stores, couriers those that are assigned to them. An order that the
caller may not see is not found; an operation that the caller's job does not permit is denied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from chassis.errors import NotFound, PermissionDenied
from chassis.rpc.call import Caller
from services.order import queries
from services.order.app import OrderApp
from services.order.model import states
from services.order.rows import OrderHeadRow


class OrderParties(Protocol):
    """The customer, the store and the courier of an order."""

    @property
    def customer_id(self) -> UUID: ...
    @property
    def store_id(self) -> UUID: ...
    @property
    def delivery_person_id(self) -> UUID | None: ...


@dataclass(frozen=True, slots=True)
class Viewer:
    """The calling account with its jobs by store."""

    account_id: UUID
    is_admin: bool
    jobs: dict[UUID, frozenset[str]]

    @classmethod
    def of(cls, caller: Caller) -> Viewer:
        """The viewer for the caller. Only accounts can call the rpcs of orders."""
        jobs: dict[UUID, frozenset[str]] = {}
        for grant in caller.grants:
            jobs[grant.tenant_id] = jobs.get(grant.tenant_id, frozenset()) | {grant.role.lower()}
        return cls(caller.account, caller.is_admin, jobs)

    @property
    def stores(self) -> list[UUID]:
        """Stores whose orders are all visible."""
        return [store for store, jobs in self.jobs.items() if jobs - {states.COURIER_JOB}]

    @property
    def courier_stores(self) -> list[UUID]:
        """Stores whose assigned orders are visible."""
        return [store for store, jobs in self.jobs.items() if states.COURIER_JOB in jobs]

    def parameters(self) -> dict[str, Any]:
        """Parameters of the statements that return visible orders only."""
        return {
            "everything": self.is_admin,
            "owner": self.account_id,
            "stores": self.stores,
            "courier_stores": self.courier_stores,
        }

    def jobs_for(self, order: OrderParties) -> frozenset[str]:
        """The account's jobs for a visible order; empty for customers."""
        jobs = self.jobs.get(order.store_id, frozenset())
        if states.COURIER_JOB in jobs and order.delivery_person_id != self.account_id:
            jobs -= {states.COURIER_JOB}
        return jobs | {states.ADMIN_JOB} if self.is_admin else jobs

    def owns(self, order: OrderParties) -> bool:
        """Whether the account is the customer of the order."""
        return order.customer_id == self.account_id

    def may_see_contact(self, order: OrderParties) -> bool:
        """Whether the account may see phone and address of a visible order: all but chefs."""
        return self.owns(order) or bool(self.jobs_for(order) - {states.CHEF_JOB})

    def require_job(self, order: OrderParties, *allowed: str) -> frozenset[str]:
        """The account's jobs for the order. Raises PermissionDenied unless one is allowed; admins always are."""
        jobs = self.jobs_for(order)
        if not jobs & {states.ADMIN_JOB, *allowed}:
            raise PermissionDenied
        return jobs


# The history shows the first of an actor's jobs in this order.
_PRECEDENCE = (
    states.MANAGER_JOB,
    states.CASHIER_JOB,
    states.SUPPORT_JOB,
    states.CHEF_JOB,
    states.COURIER_JOB,
    states.ADMIN_JOB,
)


def staff_actor(viewer: Viewer, jobs: frozenset[str]) -> states.Actor:
    """The account as an actor in one of the jobs."""
    return states.Actor(next(job for job in _PRECEDENCE if job in jobs), viewer.account_id)


async def get_order_head(app: OrderApp, viewer: Viewer, order_id: UUID) -> OrderHeadRow:
    """State and parties of the order. Raises NotFound unless the viewer may see it."""
    row = await app.db.one(queries.orders.GET_VISIBLE_ORDER_HEAD, id=order_id, **viewer.parameters())
    if row is None:
        raise NotFound
    return row
