"""Copies of data that other services own, updated from their events."""

from __future__ import annotations

from uuid import UUID

from chassis.database import Transaction
from chassis.database.rows import parameters
from services.order import queries
from services.order.app import OrderApp
from services.order.rows import NewStoreStaff


async def update_points(app: OrderApp, tx: Transaction, order_id: UUID, points: int) -> None:
    """Stores the points that the order has earned so far, less reversals."""
    await tx.run(queries.changes.UPDATE_POINTS, id=order_id, points=points)


async def update_rating(app: OrderApp, tx: Transaction, order_id: UUID, rating: int) -> None:
    """Stores the mean rating of the order's products."""
    await tx.run(queries.changes.UPDATE_RATING, id=order_id, rating=rating)


async def upsert_staff(app: OrderApp, tx: Transaction, staff: NewStoreStaff) -> None:
    """Stores a member of staff. A version that is not newer than the stored one is ignored."""
    await tx.run(queries.changes.UPSERT_STORE_STAFF, **parameters(staff))
