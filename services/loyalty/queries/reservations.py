"""Benefits that an order holds."""

from __future__ import annotations

from sqlalchemy import bindparam, update

from chassis.database import sql, statement
from services.loyalty.model.tables import BenefitReservation

CLAIM_RESERVATION = sql(
    """
    WITH opened AS (
        INSERT INTO loyalty_accounts (customer_id, referral_code) VALUES (%(customer_id)s, %(referral_code)s)
        ON CONFLICT DO NOTHING
    )
    INSERT INTO benefit_reservations (order_id, state, customer_id, store_id)
    VALUES (%(order_id)s, 'reserved', %(customer_id)s, %(store_id)s) ON CONFLICT DO NOTHING RETURNING order_id
    """
)
RECORD_RESERVATION = statement(
    update(BenefitReservation).where(BenefitReservation.order_id == bindparam("order")),
    columns=(
        "coupon_code",
        "campaign_id",
        "redemption_id",
        "referrer_id",
        "coupon_discount",
        "free_delivery",
        "discount_applied",
        "points",
        "points_discount",
    ),
)
LOCK_RESERVATIONS = sql(
    """
    SELECT order_id, state, customer_id, coupon_code, campaign_id, redemption_id, referrer_id, coupon_discount,
           free_delivery, discount_applied, points, points_discount, points_returned
    FROM benefit_reservations WHERE order_id = ANY(%(order_ids)s::uuid[]) ORDER BY order_id FOR NO KEY UPDATE
    """
)
# A release without a reservation leaves its mark.
MARK_RELEASED = sql(
    "INSERT INTO benefit_reservations (order_id, state) VALUES (%(order_id)s, 'released') ON CONFLICT DO NOTHING"
)
SET_STATE = sql(
    """
    UPDATE benefit_reservations SET state = %(state)s, points_returned = %(points_returned)s, updated_at = now()
    WHERE order_id = %(order_id)s
    """
)
STALE_RESERVATIONS = sql(
    """
    SELECT order_id FROM benefit_reservations
    WHERE state = 'reserved' AND created_at < now() - %(age)s::interval ORDER BY created_at LIMIT 100
    """
)
