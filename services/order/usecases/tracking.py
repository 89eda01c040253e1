"""Positions of the courier of an order."""

from __future__ import annotations

from uuid import UUID

from chassis.database.rows import parameters
from chassis.ids import new_id
from chassis.rpc.call import Caller
from services.order import queries
from services.order.app import OrderApp
from services.order.commands import ReportPosition
from services.order.errors import OrderNotUnderWay
from services.order.model import states
from services.order.model.contacts import decrypt_location, encrypt_location
from services.order.model.views import CourierPosition, Tracking
from services.order.rows import NewPosition, PositionRow
from services.order.usecases.access import Viewer, get_order_head

POSITIONS_LIMIT = 100
_TRACKING_JOBS = frozenset({states.MANAGER_JOB, states.CASHIER_JOB, states.SUPPORT_JOB, states.COURIER_JOB})


async def report_position(app: OrderApp, caller: Caller, command: ReportPosition) -> CourierPosition:
    """Stores the present position of the order's courier, who is the caller."""
    viewer = Viewer.of(caller)
    order = await get_order_head(app, viewer, command.order_id)
    viewer.require_job(order, states.COURIER_JOB)
    latitude, longitude = encrypt_location(command.location, app.cipher)
    new = NewPosition(new_id(), order.id, latitude, longitude, command.message or None)
    under_way = sorted(states.UNDER_WAY)
    position = await app.db.one(queries.changes.INSERT_POSITION, under_way=under_way, **parameters(new))
    if position is None or order.delivery_type != states.DELIVERY:
        raise OrderNotUnderWay(order.status)
    app.watchers.wake(order.id)
    return decrypt_position(app, position)


async def get_tracking(app: OrderApp, caller: Caller, order_id: UUID) -> Tracking:
    """The state of the order and the latest positions of its courier, newest first."""
    viewer = Viewer.of(caller)
    order = await get_order_head(app, viewer, order_id)
    if not viewer.owns(order):
        viewer.require_job(order, *_TRACKING_JOBS)
    rows = await app.db.all(queries.changes.LIST_POSITIONS, order_id=order_id, limit=POSITIONS_LIMIT)
    return Tracking(order, [decrypt_position(app, row) for row in rows])


def decrypt_position(app: OrderApp, row: PositionRow) -> CourierPosition:
    return CourierPosition(
        id=row.id,
        order_id=row.order_id,
        location=decrypt_location(row.latitude, row.longitude, app.cipher),
        status=row.status,
        message=row.message or "",
        created_at=row.created_at,
    )
