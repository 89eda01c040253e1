"""Assignment of orders to chefs and couriers."""

from __future__ import annotations

from uuid import UUID

from chassis.errors import InvalidArgument
from chassis.rpc.call import Caller
from services.order import queries, wire
from services.order.app import OrderApp
from services.order.commands import AssignOrder
from services.order.errors import OrderClosed, StaffNotAssignable
from services.order.model import states
from services.order.model.views import OrderView
from services.order.usecases.access import Viewer, get_order_head, staff_actor
from services.order.usecases.orders import get_order


async def assign_order(app: OrderApp, caller: Caller, command: AssignOrder) -> OrderView:
    """Assigns the order to a chef, a courier, or both. Raises StaffNotAssignable without that job in its store."""
    viewer = Viewer.of(caller)
    order = await get_order_head(app, viewer, command.order_id)
    actor = staff_actor(viewer, viewer.require_job(order, states.MANAGER_JOB, states.CASHIER_JOB))
    if command.courier is not None and order.delivery_type != states.DELIVERY:
        raise InvalidArgument("deliveryPersonId", "is only for orders with delivery")
    for account, job in ((command.chef, states.CHEF_JOB), (command.courier, states.COURIER_JOB)):
        if account is not None:
            await _check_staff(app, account, order.store_id, job)
    assignees = [*(["a chef"] if command.chef else []), *(["a courier"] if command.courier else [])]
    async with app.db.transaction() as tx:
        assigned = await tx.one(
            queries.changes.UPDATE_ASSIGNMENT,
            id=order.id,
            chef=command.chef,
            courier=command.courier,
            closed=sorted(states.CLOSED),
            note=f"assigned to {' and '.join(assignees)}",
            actor=actor.role,
            actor_id=actor.account_id,
        )
        if assigned is not None:
            tx.publish(wire.events.order_assigned_to_proto(assigned), key=order.id, version=assigned.version)
            tx.after_commit(lambda: app.watchers.wake(order.id))
    if assigned is None:
        raise OrderClosed((await get_order_head(app, viewer, order.id)).status)
    return await get_order(app, caller, order.id)


async def _check_staff(app: OrderApp, account: UUID, store: UUID, job: str) -> None:
    if await app.db.one(queries.orders.GET_STAFF_ID, account_id=account, store_id=store, job=job) is None:
        raise StaffNotAssignable(job)
