"""The events that the service consumes."""

from __future__ import annotations

from jainshikanji.loyalty.v1 import events_pb2 as loyalty
from jainshikanji.order.v1.events_pb2 import OrderDelivered
from jainshikanji.store.v1.events_pb2 import StaffGranted, StaffRevoked

from chassis import Handlers
from chassis.database import Transaction
from chassis.events.bus import EventMeta
from services.customer import wire
from services.customer.app import CustomerApp
from services.customer.usecases import copies, staff

PointsChanged = (
    loyalty.PointsEarned
    | loyalty.PointsRedeemed
    | loyalty.PointsReversed
    | loyalty.PointsReturned
    | loyalty.PointsExpired
)


async def on_staff_granted(app: CustomerApp, tx: Transaction, event: StaffGranted, meta: EventMeta) -> None:
    """Grants the job."""
    await staff.apply_employment(app, tx, wire.employment_from_event(event, is_revoked=False))


async def on_staff_revoked(app: CustomerApp, tx: Transaction, event: StaffRevoked, meta: EventMeta) -> None:
    """Revokes the job and ends the account's sessions."""
    await staff.apply_employment(app, tx, wire.employment_from_event(event, is_revoked=True))


async def on_points_changed(app: CustomerApp, tx: Transaction, event: PointsChanged, meta: EventMeta) -> None:
    """Updates the copy of the balance."""
    await copies.update_points(app, tx, wire.update_points_from_event(event))


async def on_tier_changed(app: CustomerApp, tx: Transaction, event: loyalty.TierChanged, meta: EventMeta) -> None:
    """Updates the copy of the tier."""
    await copies.update_tier(app, tx, wire.update_tier_from_event(event))


async def on_order_delivered(app: CustomerApp, tx: Transaction, event: OrderDelivered, meta: EventMeta) -> None:
    """Counts the order and its total."""
    await copies.count_order(app, tx, wire.count_order_from_event(event))


HANDLERS: Handlers = {
    StaffGranted: on_staff_granted,
    StaffRevoked: on_staff_revoked,
    loyalty.PointsEarned: on_points_changed,
    loyalty.PointsRedeemed: on_points_changed,
    loyalty.PointsReversed: on_points_changed,
    loyalty.PointsReturned: on_points_changed,
    loyalty.PointsExpired: on_points_changed,
    loyalty.TierChanged: on_tier_changed,
    OrderDelivered: on_order_delivered,
}
