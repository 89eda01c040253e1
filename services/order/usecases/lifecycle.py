"""Steps of an order's life. Each is one guarded statement with its history, and one event, committed together."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from jainshikanji.order.v1.order_pb2 import Order

from chassis.database import Transaction
from chassis.errors import InvalidArgument, PermissionDenied
from chassis.money import money_from_proto
from services.order.app import OrderApp
from services.order.model import states
from services.order.model.refusals import OrderNotCancellable, StaleOrder
from services.order.queries import changing as q
from services.order.queries import reading
from services.order.usecases import reading as reads
from services.order.usecases.viewing import Viewer, acting, head
from services.order.wire import happenings
from services.order.wire.words import money

# A step is tried again when another one came between; more than a few times cannot happen in a life of eight states.
ATTEMPTS = 5


async def set_status(
    app: OrderApp, viewer: Viewer, order_id: UUID, target: str, note: str, seen_version: int | None
) -> Order:
    """A staff command: the order shall have that state. Unchanged when it has it already."""
    for _ in range(ATTEMPTS):
        row = await head(app, viewer, order_id)
        jobs = viewer.require_job(row, *states.STEPS_OF_JOB)
        if row.status == target:
            break
        _check_version(row, seen_version)
        states.check_job(jobs, row.status, target)
        states.check_step(row.status, target, row.delivery_type)
        actor = acting(viewer, _able(jobs, target))
        if target == states.CANCELLED:
            moved = await _cancel(app, row, actor, _required(note, "note"))
        else:
            moved = await _step(app, row, target, actor, note, seen_version)
        if moved:
            break
    return await reads.order(app, viewer, order_id)


async def cancel(app: OrderApp, viewer: Viewer, order_id: UUID, reason: str) -> Order:
    """Gives the order up, as its customer or as staff. Unchanged when it is given up already."""
    for _ in range(ATTEMPTS):
        row = await head(app, viewer, order_id)
        if row.status in states.GIVEN_UP:
            break
        if await _cancel(app, row, _who_cancels(viewer, row), _reason(viewer, row, reason)):
            break
    return await reads.order(app, viewer, order_id)


def _who_cancels(viewer: Viewer, row: Any) -> states.Actor:
    """Staff as their job allows; the customer until the kitchen begins. Raises when neither may."""
    jobs = viewer.jobs_for(row)
    able = _able(jobs, states.CANCELLED)
    if able:
        states.check_job(able, row.status, states.CANCELLED)
        if states.CANCELLED not in states.STEPS[row.status]:
            raise OrderNotCancellable(row.status)
        return acting(viewer, able)
    if viewer.owns(row):
        states.check_customer_cancels(row.status)
        return states.Actor("customer", viewer.account_id)
    raise PermissionDenied


def _reason(viewer: Viewer, row: Any, reason: str) -> str:
    return reason if viewer.owns(row) else _required(reason, "reason")


def _required(text: str, field: str) -> str:
    if not text.strip():
        raise InvalidArgument(field, "is required: say why the order is given up")
    return text


def _able(jobs: frozenset[str], target: str) -> frozenset[str]:
    return frozenset(job for job in jobs if target in states.STEPS_OF_JOB[job])


def _check_version(row: Any, seen_version: int | None) -> None:
    if seen_version is not None and seen_version != row.version:
        raise StaleOrder(seen_version, row.version)


async def _step(app: OrderApp, row: Any, target: str, actor: states.Actor, note: str, seen_version: int | None) -> bool:
    cook = actor.account_id if target == states.PREPARING and actor.word == states.CHEF_JOB else None
    if target == states.DELIVERED and row.payment_method == states.CASH and not note:
        note = f"cash received: {money_from_proto(money(row.total))}"
    async with app.db.transaction() as tx:
        moved = await move(app, tx, row, target, actor, note=note, chef=cook, seen_version=seen_version)
        if moved is None:
            return False
        if target == states.DELIVERED:
            whole = await tx.one(reading.OWN_ORDER, id=row.id)
            assert whole is not None
            tx.publish(happenings.delivered(moved, whole.items, actor), key=moved.id, version=moved.version)
            await refund_if_money_is_back(app, tx, moved)
        else:
            tx.publish(happenings.PLAIN[target](moved), key=moved.id, version=moved.version)
    return True


async def _cancel(app: OrderApp, row: Any, actor: states.Actor, note: str) -> bool:
    if actor.word == "customer":
        reason = states.CUSTOMER_REQUEST
    elif row.status == states.OUT_FOR_DELIVERY:
        reason = states.DELIVERY_FAILED
    else:
        reason = states.STORE_REQUEST
    async with app.db.transaction() as tx:
        return await give_up(app, tx, row, actor, reason, note)


async def give_up(app: OrderApp, tx: Transaction, row: Any, actor: states.Actor, reason: str, note: str) -> bool:
    """Cancels; False when the order is not in the row's state any more."""
    moved = await move(app, tx, row, states.CANCELLED, actor, note=note, cancellation_code=reason)
    if moved is None:
        return False
    tx.publish(happenings.cancelled(moved, row.status, reason), key=moved.id, version=moved.version)
    await refund_if_money_is_back(app, tx, moved)
    return True


async def confirm(app: OrderApp, tx: Transaction, row: Any) -> bool:
    """Paid: the kitchen may begin. False when the order is not PENDING any more."""
    moved = await move(
        app, tx, row, states.CONFIRMED, states.SYSTEM, note="payment received", payment_status="completed"
    )
    if moved is None:
        return False
    tx.publish(happenings.confirmed(moved), key=moved.id, version=moved.version)
    return True


async def refund_if_money_is_back(app: OrderApp, tx: Transaction, row: Any, amount: int | None = None) -> None:
    """DELIVERED and CANCELLED become REFUNDED once everything captured is back, whichever came first."""
    if row.payment_status != "refunded" or states.REFUNDED not in states.STEPS[row.status]:
        return
    moved = await move(app, tx, row, states.REFUNDED, states.SYSTEM, note="everything paid has gone back")
    if moved is not None:
        refunded = happenings.refunded(moved, moved.total if amount is None else amount)
        tx.publish(refunded, key=moved.id, version=moved.version)


async def move(
    app: OrderApp,
    tx: Transaction,
    row: Any,
    target: str,
    actor: states.Actor,
    *,
    note: str = "",
    chef: UUID | None = None,
    payment_status: str | None = None,
    cancellation_code: str | None = None,
    seen_version: int | None = None,
) -> Any | None:
    """One step from the row's state; None when the order has moved on. Refuses what the state machine does not have."""
    states.check_step(row.status, target, row.delivery_type)
    moved = await tx.one(
        q.MOVE,
        id=row.id,
        current=row.status,
        target=target,
        note=note or None,
        actor=actor.word,
        actor_id=actor.account_id,
        chef=chef,
        payment_status=payment_status,
        cancellation_code=cancellation_code,
        seen_version=seen_version,
    )
    if moved is not None:
        tx.after_commit(lambda: app.watchers.wake(moved.id))
    return moved
