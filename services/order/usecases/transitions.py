"""Transitions of an order's state. Each is one guarded statement with its history entry, and one event."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from chassis.database import Transaction
from chassis.errors import InvalidArgument, PermissionDenied
from chassis.rpc.call import Caller
from services.order import queries, wire
from services.order.app import OrderApp
from services.order.commands import UpdateOrderStatus
from services.order.errors import OrderNotCancellable, StaleOrder
from services.order.model import states
from services.order.model.views import OrderView
from services.order.rows import ChangedOrderRow, OrderHeadRow, OrderItemRow
from services.order.usecases.access import Viewer, get_order_head, staff_actor
from services.order.usecases.orders import get_order

# A transition is retried when another one was faster; an order has fewer transitions than this.
ATTEMPTS = 5


async def update_order_status(app: OrderApp, caller: Caller, command: UpdateOrderStatus) -> OrderView:
    """Moves the order to the state, for staff. An order that has the state already stays unchanged."""
    viewer = Viewer.of(caller)
    for _ in range(ATTEMPTS):
        order = await get_order_head(app, viewer, command.order_id)
        jobs = viewer.require_job(order, *states.TARGETS_BY_JOB)
        if order.status == command.status:
            break
        _check_version(order, command.version)
        states.check_job(jobs, order.status, command.status)
        states.check_transition(order.status, command.status, order.delivery_type)
        actor = staff_actor(viewer, states.jobs_that_may_set(command.status, jobs))
        if command.status == states.CANCELLED:
            is_changed = await _cancel_for(app, order, actor, _require_reason(command.note, "note"))
        else:
            is_changed = await _update_status(app, order, actor, command)
        if is_changed:
            break
    return await get_order(app, caller, command.order_id)


async def cancel_order(app: OrderApp, caller: Caller, order_id: UUID, reason: str) -> OrderView:
    """Cancels the order, for its customer or for staff. A cancelled order stays unchanged."""
    viewer = Viewer.of(caller)
    for _ in range(ATTEMPTS):
        order = await get_order_head(app, viewer, order_id)
        if order.status in states.NOT_PAYABLE:
            break
        actor = _get_cancelling_actor(viewer, order)
        note = reason if viewer.owns(order) else _require_reason(reason, "reason")
        if await _cancel_for(app, order, actor, note):
            break
    return await get_order(app, caller, order_id)


def _get_cancelling_actor(viewer: Viewer, order: OrderHeadRow) -> states.Actor:
    """The viewer as staff or as customer. Raises PermissionDenied or OrderNotCancellable when neither may cancel."""
    jobs = states.jobs_that_may_set(states.CANCELLED, viewer.jobs_for(order))
    if jobs:
        states.check_job(jobs, order.status, states.CANCELLED)
        if states.CANCELLED not in states.TRANSITIONS[order.status]:
            raise OrderNotCancellable(order.status)
        return staff_actor(viewer, jobs)
    if viewer.owns(order):
        states.check_customer_may_cancel(order.status)
        return states.Actor(states.CUSTOMER_ROLE, viewer.account_id)
    raise PermissionDenied


def _require_reason(text: str, field: str) -> str:
    if not text.strip():
        raise InvalidArgument(field, "is required to cancel an order: the reason")
    return text


def _check_version(order: OrderHeadRow, seen_version: int | None) -> None:
    if seen_version is not None and seen_version != order.version:
        raise StaleOrder(seen_version, order.version)


async def _update_status(app: OrderApp, order: OrderHeadRow, actor: states.Actor, command: UpdateOrderStatus) -> bool:
    """False when the order has been changed meanwhile."""
    target, note = command.status, command.note
    chef = actor.account_id if target == states.PREPARING and actor.role == states.CHEF_JOB else None
    if target == states.DELIVERED and order.payment_method == states.CASH and not note:
        note = f"cash received: {order.total}"
    async with app.db.transaction() as tx:
        changed = await apply_transition(
            app, tx, order, target, actor, note=note, chef=chef, seen_version=command.version
        )
        if changed is None:
            return False
        if target == states.DELIVERED:
            row = await tx.one(queries.orders.GET_ORDER, id=order.id)
            assert row is not None
            items = map(OrderItemRow.from_json, row.items)
            event = wire.events.order_delivered_to_proto(changed, items, actor.account_id)
            tx.publish(event, key=changed.id, version=changed.version)
            await refund_if_payment_is_refunded(app, tx, changed)
        else:
            tx.publish(wire.events.order_transition_to_proto(changed), key=changed.id, version=changed.version)
    return True


async def _cancel_for(app: OrderApp, order: OrderHeadRow, actor: states.Actor, note: str) -> bool:
    if actor.role == states.CUSTOMER_ROLE:
        reason = states.CUSTOMER_REQUEST
    elif order.status == states.OUT_FOR_DELIVERY:
        reason = states.DELIVERY_FAILED
    else:
        reason = states.STORE_REQUEST
    async with app.db.transaction() as tx:
        return await apply_cancellation(app, tx, order, actor, reason, note)


async def apply_cancellation(
    app: OrderApp, tx: Transaction, order: OrderHeadRow, actor: states.Actor, reason: str, note: str
) -> bool:
    """Cancels the order; False when it has been changed meanwhile."""
    changed = await apply_transition(app, tx, order, states.CANCELLED, actor, note=note, cancellation_code=reason)
    if changed is None:
        return False
    event = wire.events.order_cancelled_to_proto(changed, order.status, reason)
    tx.publish(event, key=changed.id, version=changed.version)
    await refund_if_payment_is_refunded(app, tx, changed)
    return True


async def apply_confirmation(app: OrderApp, tx: Transaction, order: OrderHeadRow) -> bool:
    """Confirms a paid order; False when it has been changed meanwhile."""
    changed = await apply_transition(
        app,
        tx,
        order,
        states.CONFIRMED,
        states.SYSTEM,
        note="payment received",
        payment_status=states.PAYMENT_COMPLETED,
    )
    if changed is None:
        return False
    tx.publish(wire.events.order_confirmed_to_proto(changed), key=changed.id, version=changed.version)
    return True


async def refund_if_payment_is_refunded(
    app: OrderApp, tx: Transaction, order: OrderHeadRow | ChangedOrderRow, amount: Decimal | None = None
) -> None:
    """Moves a DELIVERED or CANCELLED order whose payment is refunded to REFUNDED, whichever came first."""
    if order.payment_status != states.PAYMENT_REFUNDED or states.REFUNDED not in states.TRANSITIONS[order.status]:
        return
    changed = await apply_transition(app, tx, order, states.REFUNDED, states.SYSTEM, note="payment refunded in full")
    if changed is not None:
        event = wire.events.order_refunded_to_proto(changed, changed.total if amount is None else amount)
        tx.publish(event, key=changed.id, version=changed.version)


async def apply_transition(
    app: OrderApp,
    tx: Transaction,
    order: OrderHeadRow | ChangedOrderRow,
    target: str,
    actor: states.Actor,
    *,
    note: str = "",
    chef: UUID | None = None,
    payment_status: str | None = None,
    cancellation_code: str | None = None,
    seen_version: int | None = None,
) -> ChangedOrderRow | None:
    """One transition from the order's state; None when it has been changed meanwhile.

    Raises OrderTransitionRefused for a transition that the state machine does not have.
    """
    states.check_transition(order.status, target, order.delivery_type)
    changed = await tx.one(
        queries.changes.UPDATE_STATUS,
        id=order.id,
        current=order.status,
        target=target,
        note=note or None,
        actor=actor.role,
        actor_id=actor.account_id,
        chef=chef,
        payment_status=payment_status,
        cancellation_code=cancellation_code,
        seen_version=seen_version,
    )
    if changed is not None:
        tx.after_commit(lambda: app.watchers.wake(order.id))
    return changed
