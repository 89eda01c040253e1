"""What this service hears: grants from store, copies from loyalty and order."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from jainshikanji.loyalty.v1 import events_pb2 as loyalty
from jainshikanji.order.v1.events_pb2 import OrderDelivered
from jainshikanji.store.v1 import events_pb2 as store

from chassis import Handlers
from chassis.database import Transaction
from chassis.events.bus import EventMeta
from chassis.money import money_from_proto
from services.customer import wire
from services.customer.queries import accounts as q
from services.customer.usecases import staff
from services.customer.usecases.staff import Employment


async def grant(app: Any, tx: Transaction, event: store.StaffGranted, meta: EventMeta) -> None:
    await staff.apply_employment(tx, _employment(event, is_revoked=False))


async def revoke(app: Any, tx: Transaction, event: store.StaffRevoked, meta: EventMeta) -> None:
    await staff.apply_employment(tx, _employment(event, is_revoked=True))


def _employment(event: store.StaffGranted | store.StaffRevoked, *, is_revoked: bool) -> Employment:
    return Employment(
        staff_id=UUID(event.staff_id),
        version=event.version,
        customer_id=UUID(event.account_id),
        store_id=UUID(event.store_id),
        job=wire.JOBS.from_proto(event.job),
        is_revoked=is_revoked,
    )


async def copy_points(
    app: Any,
    tx: Transaction,
    event: loyalty.PointsEarned
    | loyalty.PointsRedeemed
    | loyalty.PointsReversed
    | loyalty.PointsReturned
    | loyalty.PointsExpired,
    meta: EventMeta,
) -> None:
    """The balance of the newest version wins, in whatever order the events come."""
    await tx.run(q.COPY_POINTS, id=UUID(event.customer_id), balance=event.balance, version=event.version)


async def copy_tier(app: Any, tx: Transaction, event: loyalty.TierChanged, meta: EventMeta) -> None:
    tier = wire.TIERS.from_proto(event.tier)
    await tx.run(q.COPY_TIER, id=UUID(event.customer_id), tier=tier, version=event.version)


async def count_order(app: Any, tx: Transaction, event: OrderDelivered, meta: EventMeta) -> None:
    await tx.run(q.COUNT_ORDER, id=UUID(event.customer_id), total=money_from_proto(event.total))


HANDLERS: Handlers = {
    store.StaffGranted: grant,
    store.StaffRevoked: revoke,
    loyalty.PointsEarned: copy_points,
    loyalty.PointsRedeemed: copy_points,
    loyalty.PointsReversed: copy_points,
    loyalty.PointsReturned: copy_points,
    loyalty.PointsExpired: copy_points,
    loyalty.TierChanged: copy_tier,
    OrderDelivered: count_order,
}
