"""Statements on the points that orders earned, and on their reversal."""

from __future__ import annotations

from uuid import UUID

from chassis.database import sql
from services.loyalty.rows import OrderPointsRow

RECORD_DELIVERY = sql(
    """
    INSERT INTO order_points (order_id, customer_id, order_number, total, delivered_at)
    VALUES (%(order_id)s, %(customer_id)s, %(order_number)s, %(total)s, %(delivered_at)s)
    ON CONFLICT (order_id) DO UPDATE SET order_number = excluded.order_number, total = excluded.total,
        delivered_at = excluded.delivered_at
    WHERE order_points.delivered_at IS NULL RETURNING order_id
    """,
    value=UUID,
)
RECORD_EARNED = sql(
    """
    UPDATE order_points
    SET earned = %(earned)s, referrer_id = %(referrer_id)s::uuid, referrer_points = %(referrer_points)s
    WHERE order_id = %(order_id)s
    """
)
RECORD_REFUND = sql(
    """
    INSERT INTO order_points (order_id, customer_id, captured, refunded)
    VALUES (%(order_id)s, %(customer_id)s, %(captured)s, %(refunded)s)
    ON CONFLICT (order_id) DO UPDATE SET captured = greatest(order_points.captured, excluded.captured),
        refunded = greatest(order_points.refunded, excluded.refunded)
    """
)
LOCK_ORDER_POINTS = sql(
    """
    SELECT order_id, customer_id, order_number, total, delivered_at, captured, refunded, earned, reversed,
           referrer_id, referrer_points, referrer_reversed
    FROM order_points WHERE order_id = %(order_id)s FOR UPDATE
    """,
    row=OrderPointsRow,
)
RECORD_REVERSED = sql(
    """
    UPDATE order_points SET reversed = %(reversed)s, referrer_reversed = %(referrer_reversed)s
    WHERE order_id = %(order_id)s
    """
)
GET_REFERRER = sql("SELECT referrer_id FROM order_points WHERE order_id = %(order_id)s", value=UUID)
