"""Tiers, and which one an account's spend reaches."""

from __future__ import annotations

from sqlalchemy import bindparam, func, select, update

from chassis.database import sql, statement
from services.loyalty.model.tables import Tier

TIERS = statement(select(Tier.name, Tier.rank, Tier.min_spend, Tier.multiplier_basis_points).order_by(Tier.rank))
LOCK_TIERS = sql("SELECT name, rank, min_spend, multiplier_basis_points FROM tiers ORDER BY rank FOR UPDATE")
MULTIPLIER = statement(select(Tier.multiplier_basis_points).where(Tier.name == bindparam("name")))
SET_TIER_TERMS = statement(
    update(Tier).where(Tier.name == bindparam("tier")).values(updated_at=func.now()),
    columns=("min_spend", "multiplier_basis_points"),
)
TIER_RANKS = sql(
    """
    SELECT (SELECT rank FROM tiers WHERE name = %(has)s) AS has,
           (SELECT rank FROM tiers WHERE name = %(needs)s) AS needs
    """
)
# Sets the tier that the spend of the last 12 months reaches; a row only when that is another one.
FOLLOW_TIER = sql(
    """
    WITH spend AS (
        SELECT coalesce(sum(total - least(refunded, total)), 0) AS amount FROM order_points
        WHERE customer_id = %(customer_id)s AND delivered_at > now() - interval '12 months'
    ), reached AS (
        SELECT name FROM tiers, spend WHERE min_spend <= spend.amount ORDER BY rank DESC LIMIT 1
    ), was AS (
        SELECT tier FROM loyalty_accounts WHERE customer_id = %(customer_id)s
    )
    UPDATE loyalty_accounts SET tier = reached.name, version = version + 1, updated_at = now() FROM reached, was
    WHERE customer_id = %(customer_id)s AND erased_at IS NULL AND loyalty_accounts.tier <> reached.name
    RETURNING reached.name AS tier, was.tier AS previous, version
    """
)
# Accounts whose tier is not what their spend reaches: time went by, or the tiers changed.
OUT_OF_TIER = sql(
    """
    SELECT a.customer_id FROM loyalty_accounts a
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(total - least(refunded, total)), 0) AS amount FROM order_points
        WHERE customer_id = a.customer_id AND delivered_at > now() - interval '12 months'
    ) spend
    CROSS JOIN LATERAL (
        SELECT name FROM tiers WHERE min_spend <= spend.amount ORDER BY rank DESC LIMIT 1
    ) reached
    WHERE a.customer_id > %(after)s AND a.erased_at IS NULL AND a.tier <> reached.name
      AND (a.tier <> 'Bronze' OR a.last_order_at > now() - interval '12 months')
    ORDER BY a.customer_id LIMIT 500
    """
)
