"""What staff arrange around an order: notes, who cooks and who brings it, where the courier is."""

from __future__ import annotations

from uuid import UUID

from jainshikanji.order.v1 import order_pb2, order_service_pb2, tracking_pb2
from jainshikanji.type.v1.geo_point_pb2 import GeoPoint

from chassis import ids
from chassis.errors import InvalidArgument, NotFound
from chassis.timestamps import timestamp_to_proto
from services.order.app import OrderApp
from services.order.model import states
from services.order.model.refusals import OrderClosed, OrderNotUnderWay, StaffNotAssignable
from services.order.queries import changing as q
from services.order.queries import reading
from services.order.usecases import reading as reads
from services.order.usecases.viewing import Viewer, acting, head
from services.order.wire import contacts, happenings, orders
from services.order.wire.words import STATUS

TIMELINE_LIMIT = 500
POSITIONS_LIMIT = 100
_WATCHING_JOBS = frozenset({states.MANAGER_JOB, states.CASHIER_JOB, states.SUPPORT_JOB, states.COURIER_JOB})


async def add_note(app: OrderApp, viewer: Viewer, order_id: UUID, note: str, visible: bool) -> order_pb2.TimelineEntry:
    """Adds to the history; the state stays."""
    row = await head(app, viewer, order_id)
    actor = acting(viewer, viewer.require_job(row, *states.STEPS_OF_JOB))
    async with app.db.transaction() as tx:
        entry = await tx.one(
            q.NOTE, id=order_id, note=note, actor=actor.word, actor_id=actor.account_id, visible=visible
        )
        tx.after_commit(lambda: app.watchers.wake(order_id))
    if entry is None:
        raise NotFound
    return orders.timeline_entry(entry, for_staff=True)


async def timeline(app: OrderApp, viewer: Viewer, order_id: UUID) -> order_service_pb2.Timeline:
    """The history, oldest first; internal notes for staff only."""
    row = await head(app, viewer, order_id)
    for_staff = bool(viewer.jobs_for(row))
    rows = await app.db.all(
        reading.TIMELINE, order_id=order_id, after_version=0, internal=for_staff, limit=TIMELINE_LIMIT
    )
    return order_service_pb2.Timeline(entries=[orders.timeline_entry(entry, for_staff=for_staff) for entry in rows])


async def assign(
    app: OrderApp, viewer: Viewer, order_id: UUID, chef: UUID | None, courier: UUID | None
) -> order_pb2.Order:
    """Gives the order to a chef, a courier, or both, who must have that job in its store."""
    row = await head(app, viewer, order_id)
    actor = acting(viewer, viewer.require_job(row, states.MANAGER_JOB, states.CASHIER_JOB))
    if courier is not None and row.delivery_type != states.DELIVERY:
        raise InvalidArgument("deliveryPersonId", "nothing is delivered for this order")
    for account, job in ((chef, states.CHEF_JOB), (courier, states.COURIER_JOB)):
        if account is not None:
            await _check_staff(app, account, row.store_id, job)
    note = "assigned to " + " and ".join([*(["a chef"] if chef else []), *(["a courier"] if courier else [])])
    async with app.db.transaction() as tx:
        assigned = await tx.one(
            q.ASSIGN,
            id=order_id,
            chef=chef,
            courier=courier,
            closed=sorted(states.CLOSED),
            note=note,
            actor=actor.word,
            actor_id=actor.account_id,
        )
        if assigned is not None:
            tx.publish(happenings.assigned(assigned), key=order_id, version=assigned.version)
            tx.after_commit(lambda: app.watchers.wake(order_id))
    if assigned is None:
        raise OrderClosed((await head(app, viewer, order_id)).status)
    return await reads.order(app, viewer, order_id)


async def _check_staff(app: OrderApp, account: UUID, store: UUID, job: str) -> None:
    if await app.db.value(reading.IS_STAFF, account_id=account, store_id=store, job=job) is None:
        raise StaffNotAssignable(job)


async def report_position(
    app: OrderApp, viewer: Viewer, order_id: UUID, location: GeoPoint, message: str
) -> tracking_pb2.CourierPosition:
    """Where the courier of the order is now."""
    row = await head(app, viewer, order_id)
    viewer.require_job(row, states.COURIER_JOB)
    position = await app.db.one(
        q.REPORT_POSITION,
        id=ids.new_id(),
        order_id=order_id,
        under_way=sorted(states.UNDER_WAY),
        message=message or None,
        **contacts.seal_position(location, app.cipher),
    )
    if position is None or row.delivery_type != states.DELIVERY:
        raise OrderNotUnderWay(row.status)
    app.watchers.wake(order_id)
    return orders.position(position, app.cipher)


async def tracking(app: OrderApp, viewer: Viewer, order_id: UUID) -> order_service_pb2.Tracking:
    """Where the courier is and was, newest first."""
    row = await head(app, viewer, order_id)
    if not viewer.owns(row):
        viewer.require_job(row, *_WATCHING_JOBS)
    positions = await app.db.all(q.POSITIONS, order_id=order_id, limit=POSITIONS_LIMIT)
    return order_service_pb2.Tracking(
        order_id=str(row.id),
        status=STATUS.to_proto(row.status),
        estimated_delivery_at=timestamp_to_proto(row.estimated_delivery_time),
        positions=[orders.position(position, app.cipher) for position in positions],
    )
