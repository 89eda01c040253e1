"""Statements on tiers and on the tier of an account."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, func, select, update

from chassis.database import sql, statement
from services.loyalty.model.tables import Tier
from services.loyalty.rows import TierChangeRow, TierRanksRow, TierRow

LIST_TIERS = statement(
    select(Tier.name, Tier.rank, Tier.min_spend, Tier.multiplier_basis_points).order_by(Tier.rank), row=TierRow
)
LOCK_TIERS = sql(
    "SELECT name, rank, min_spend, multiplier_basis_points FROM tiers ORDER BY rank FOR UPDATE", row=TierRow
)
GET_MULTIPLIER = statement(select(Tier.multiplier_basis_points).where(Tier.name == bindparam("name")), value=int)
UPDATE_TIER = statement(
    update(Tier).where(Tier.name == bindparam("tier")).values(updated_at=func.now()),
    columns=("min_spend", "multiplier_basis_points"),
)
GET_RANKS = sql(
    """
    SELECT (SELECT rank FROM tiers WHERE name = %(actual)s) AS actual,
           (SELECT rank FROM tiers WHERE name = %(required)s) AS required
    """,
    row=TierRanksRow,
)
# Sets the tier for the spend of the last 12 months; returns a row only when the tier changes.
UPDATE_ACCOUNT_TIER = sql(
    """
    WITH spend AS (
        SELECT coalesce(sum(total - least(refunded, total)), 0) AS amount FROM order_points
        WHERE customer_id = %(customer_id)s AND delivered_at > now() - interval '12 months'
    ), reached AS (
        SELECT name FROM tiers, spend WHERE min_spend <= spend.amount ORDER BY rank DESC LIMIT 1
    ), before AS (
        SELECT tier FROM loyalty_accounts WHERE customer_id = %(customer_id)s
    )
    UPDATE loyalty_accounts SET tier = reached.name, version = version + 1, updated_at = now() FROM reached, before
    WHERE customer_id = %(customer_id)s AND erased_at IS NULL AND loyalty_accounts.tier <> reached.name
    RETURNING reached.name AS tier, before.tier AS previous, version
    """,
    row=TierChangeRow,
)
# Accounts whose tier differs from that of their spend: orders became older, or the tiers changed.
LIST_CUSTOMERS_OUT_OF_TIER = sql(
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
    """,
    value=UUID,
)
