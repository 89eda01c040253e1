"""Statements on the benefits that orders reserve."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, update

from chassis.database import sql, statement
from chassis.database.rows import field_names
from services.loyalty.model.tables import BenefitReservation
from services.loyalty.rows import ReservationRow, ReservedBenefits

INSERT_RESERVATION = sql(
    """
    WITH opened AS (
        INSERT INTO loyalty_accounts (customer_id, referral_code) VALUES (%(customer_id)s, %(referral_code)s)
        ON CONFLICT DO NOTHING
    )
    INSERT INTO benefit_reservations (order_id, state, customer_id, store_id)
    VALUES (%(order_id)s, 'reserved', %(customer_id)s, %(store_id)s) ON CONFLICT DO NOTHING RETURNING order_id
    """,
    value=UUID,
)
UPDATE_RESERVATION = statement(
    update(BenefitReservation).where(BenefitReservation.order_id == bindparam("order")),
    columns=field_names(ReservedBenefits),
)
LOCK_RESERVATIONS = sql(
    """
    SELECT order_id, state, customer_id, coupon_code, campaign_id, redemption_id, referrer_id, coupon_discount,
           free_delivery, discount_applied, points, points_discount, points_returned
    FROM benefit_reservations WHERE order_id = ANY(%(order_ids)s::uuid[]) ORDER BY order_id FOR NO KEY UPDATE
    """,
    row=ReservationRow,
)
# A release that comes before its reservation prevents it.
INSERT_RELEASE = sql(
    "INSERT INTO benefit_reservations (order_id, state) VALUES (%(order_id)s, 'released') ON CONFLICT DO NOTHING"
)
SET_STATE = sql(
    """
    UPDATE benefit_reservations SET state = %(state)s, points_returned = %(points_returned)s, updated_at = now()
    WHERE order_id = %(order_id)s
    """
)
LIST_STALE_RESERVATIONS = sql(
    """
    SELECT order_id FROM benefit_reservations
    WHERE state = 'reserved' AND created_at < now() - %(age)s::interval ORDER BY created_at LIMIT 100
    """,
    value=UUID,
)
