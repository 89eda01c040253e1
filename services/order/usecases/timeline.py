"""The history of an order."""

from __future__ import annotations

from uuid import UUID

from chassis.errors import NotFound
from chassis.rpc.call import Caller
from services.order import queries
from services.order.app import OrderApp
from services.order.commands import AddTimelineNote
from services.order.model import states
from services.order.model.views import TimelineEntry
from services.order.usecases.access import Viewer, get_order_head, staff_actor

LIMIT = 500


async def add_timeline_note(app: OrderApp, caller: Caller, command: AddTimelineNote) -> TimelineEntry:
    """Adds a note of staff; the state does not change."""
    viewer = Viewer.of(caller)
    order = await get_order_head(app, viewer, command.order_id)
    actor = staff_actor(viewer, viewer.require_job(order, *states.TARGETS_BY_JOB))
    async with app.db.transaction() as tx:
        row = await tx.one(
            queries.changes.INSERT_NOTE,
            id=order.id,
            note=command.note,
            actor=actor.role,
            actor_id=actor.account_id,
            visible=command.visible_to_customer,
        )
        tx.after_commit(lambda: app.watchers.wake(order.id))
    if row is None:
        raise NotFound
    return TimelineEntry(row, shows_account=True)


async def get_timeline(app: OrderApp, caller: Caller, order_id: UUID) -> list[TimelineEntry]:
    """The history, oldest entry first. Only staff see internal notes."""
    viewer = Viewer.of(caller)
    is_staff = bool(viewer.jobs_for(await get_order_head(app, viewer, order_id)))
    rows = await app.db.all(
        queries.orders.LIST_TIMELINE, order_id=order_id, after_version=0, internal=is_staff, limit=LIMIT
    )
    return [TimelineEntry(row, shows_account=is_staff) for row in rows]
