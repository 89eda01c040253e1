"""Statements on accounts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, select

from chassis.database import sql, statement
from services.loyalty.model.tables import LoyaltyAccount
from services.loyalty.rows import AccountRow, CustomerRow, LockedAccountRow

INSERT_ACCOUNT = sql(
    """
    INSERT INTO loyalty_accounts (customer_id, referral_code) VALUES (%(customer_id)s, %(referral_code)s)
    ON CONFLICT DO NOTHING
    """
)
# NO KEY: other transactions may write rows that refer to the account.
LOCK_ACCOUNTS = sql(
    """
    SELECT customer_id, balance, held, owed, tier, last_order_at, version, erased_at FROM loyalty_accounts
    WHERE customer_id = ANY(%(customer_ids)s::uuid[]) ORDER BY customer_id FOR NO KEY UPDATE
    """,
    row=LockedAccountRow,
)
GET_CUSTOMER = sql(
    """
    SELECT tier, last_order_at,
           (SELECT coalesce(sum(remaining), 0)::int FROM point_lots
            WHERE customer_id = %(customer_id)s AND remaining > 0 AND expires_at > now()) AS available
    FROM loyalty_accounts WHERE customer_id = %(customer_id)s AND erased_at IS NULL
    """,
    row=CustomerRow,
)
GET_AVAILABLE_POINTS = sql(
    """
    SELECT coalesce(sum(remaining), 0)::int FROM point_lots
    WHERE customer_id = %(customer_id)s AND remaining > 0 AND expires_at > now()
    """,
    value=int,
)
GET_ACCOUNT = sql(
    """
    SELECT a.customer_id, a.balance, a.held, a.owed, a.tier, a.referral_code, l.available, l.expiring, l.next_expiry,
           s.spend, n.name AS next_tier, n.min_spend AS next_min_spend
    FROM loyalty_accounts a
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(remaining), 0)::int AS available,
               coalesce(sum(remaining) FILTER (WHERE expires_at <= now() + interval '30 days'), 0)::int AS expiring,
               min(expires_at) FILTER (WHERE expires_at <= now() + interval '30 days') AS next_expiry
        FROM point_lots WHERE customer_id = a.customer_id AND remaining > 0 AND expires_at > now()
    ) l
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(total - least(refunded, total)), 0) AS spend FROM order_points
        WHERE customer_id = a.customer_id AND delivered_at > now() - interval '12 months'
    ) s
    LEFT JOIN LATERAL (
        SELECT name, min_spend FROM tiers
        WHERE rank > (SELECT rank FROM tiers WHERE name = a.tier) ORDER BY rank LIMIT 1
    ) n ON true
    WHERE a.customer_id = %(customer_id)s AND a.erased_at IS NULL
    """,
    row=AccountRow,
)
GET_EMPTY_ACCOUNT = sql(
    """
    SELECT %(customer_id)s::uuid AS customer_id, 0 AS balance, 0 AS held, 0 AS owed, t.name AS tier,
           NULL::text AS referral_code, 0 AS available, 0 AS expiring, NULL::timestamptz AS next_expiry,
           0::numeric AS spend, n.name AS next_tier, n.min_spend AS next_min_spend
    FROM tiers t LEFT JOIN tiers n ON n.rank = t.rank + 1 WHERE t.rank = 0
    """,
    row=AccountRow,
)
GET_ERASED_AT = statement(
    select(LoyaltyAccount.erased_at).where(
        LoyaltyAccount.customer_id == bindparam("customer_id"), LoyaltyAccount.erased_at.is_not(None)
    ),
    value=datetime,
)
MARK_ERASED = sql(
    """
    UPDATE loyalty_accounts
    SET erased_at = now(), updated_at = now(), referral_code = NULL, owed = 0, version = version + 1
    WHERE customer_id = %(customer_id)s AND erased_at IS NULL
    """
)
DELETE_DESCRIPTIONS = sql(
    """
    UPDATE loyalty_transactions SET description = NULL
    WHERE customer_id = %(customer_id)s AND actor_id IS NOT NULL AND description IS NOT NULL
    """
)
EXPIRE_REDEMPTIONS = sql(
    """
    UPDATE redemptions SET expires_at = least(expires_at, now())
    WHERE customer_id = %(customer_id)s AND status = 'issued'
    """
)
SET_LAST_ORDER = sql(
    """
    UPDATE loyalty_accounts SET last_order_at = greatest(last_order_at, %(at)s) WHERE customer_id = %(customer_id)s
    """
)
