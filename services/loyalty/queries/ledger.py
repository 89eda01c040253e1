"""Statements on points: ledger lines, their lots, and points held for orders."""

from __future__ import annotations

from uuid import UUID

from chassis.database import sql
from services.loyalty.rows import AccountVersionRow, LotRow, MovedRow, TransactionRow

# The only way to change a balance: account, ledger line and, for new points, their lot.
MOVE_POINTS = sql(
    """
    WITH account AS (
        UPDATE loyalty_accounts
        SET balance = balance + %(points)s, held = held + %(held)s, owed = owed + %(owed)s,
            version = version + 1, updated_at = now()
        WHERE customer_id = %(customer_id)s RETURNING balance, version
    ), line AS (
        INSERT INTO loyalty_transactions
            (customer_id, type, points, description, order_id, campaign_id, balance_after, expires_at, actor_id)
        SELECT %(customer_id)s::uuid, %(type)s, %(points)s, %(description)s::text, %(order_id)s::uuid,
               %(campaign_id)s::uuid, balance, %(expires_at)s::timestamptz, %(actor_id)s::uuid FROM account
        RETURNING id
    ), lot AS (
        INSERT INTO point_lots (customer_id, transaction_id, points, remaining, expires_at)
        SELECT %(customer_id)s::uuid, id, %(points)s, %(points)s, %(expires_at)s::timestamptz
        FROM line WHERE %(expires_at)s::timestamptz IS NOT NULL
    )
    SELECT line.id, account.balance, account.version FROM line, account
    """,
    row=MovedRow,
)
ADD_OWED_POINTS = sql(
    """
    UPDATE loyalty_accounts SET owed = owed + %(points)s, version = version + 1, updated_at = now()
    WHERE customer_id = %(customer_id)s RETURNING balance, version
    """,
    row=AccountVersionRow,
)
# Oldest first. The account is locked, so no other transaction takes from these lots.
TAKE_FROM_LOTS = sql(
    """
    WITH queue AS (
        SELECT id, remaining, sum(remaining) OVER (ORDER BY expires_at, id) - remaining AS before FROM point_lots
        WHERE customer_id = %(customer_id)s AND remaining > 0 AND expires_at > now()
    ), taken AS (
        SELECT id, least(remaining, %(points)s - before)::int AS points FROM queue WHERE before < %(points)s
    )
    UPDATE point_lots SET remaining = point_lots.remaining - taken.points
    FROM taken WHERE point_lots.id = taken.id RETURNING point_lots.id, taken.points
    """,
    row=LotRow,
)
INSERT_HOLDS = sql(
    """
    INSERT INTO point_holds (order_id, lot_id, points)
    SELECT %(order_id)s::uuid, lot_id, points
    FROM unnest(%(lot_ids)s::uuid[], %(points)s::int[]) AS new(lot_id, points)
    """
)
HOLD_POINTS = sql(
    """
    UPDATE loyalty_accounts SET held = held + %(points)s, updated_at = now()
    WHERE customer_id = %(customer_id)s AND balance - held >= %(points)s RETURNING held
    """,
    value=int,
)
RELEASE_POINTS = sql(
    "UPDATE loyalty_accounts SET held = held - %(points)s, updated_at = now() WHERE customer_id = %(customer_id)s"
)
# Newest first: a partial return restores the points that expire last.
RETURN_TO_LOTS = sql(
    """
    WITH queue AS (
        SELECT h.lot_id, h.points - h.returned AS open,
               sum(h.points - h.returned) OVER (ORDER BY l.expires_at DESC, l.id DESC) - (h.points - h.returned)
                   AS before
        FROM point_holds h JOIN point_lots l ON l.id = h.lot_id
        WHERE h.order_id = %(order_id)s AND h.returned < h.points
    ), returned AS (
        SELECT lot_id, least(open, %(points)s - before)::int AS points FROM queue WHERE before < %(points)s
    ), updated AS (
        UPDATE point_holds SET returned = point_holds.returned + returned.points
        FROM returned WHERE point_holds.order_id = %(order_id)s AND point_holds.lot_id = returned.lot_id
    )
    UPDATE point_lots
    SET remaining = remaining + returned.points,
        expires_at = greatest(expires_at, now() + %(at_least)s::interval)
    FROM returned WHERE point_lots.id = returned.lot_id
    """
)
EMPTY_LOTS = sql(
    """
    WITH emptied AS (
        UPDATE point_lots SET remaining = 0 FROM (
            SELECT id, remaining FROM point_lots
            WHERE customer_id = %(customer_id)s AND remaining > 0 AND (%(all)s OR expires_at <= now()) FOR UPDATE
        ) before WHERE point_lots.id = before.id RETURNING before.remaining AS points
    )
    SELECT coalesce(sum(points), 0)::int FROM emptied
    """,
    value=int,
)
LIST_CUSTOMERS_WITH_EXPIRED_POINTS = sql(
    """
    SELECT DISTINCT customer_id FROM (
        SELECT customer_id FROM point_lots WHERE remaining > 0 AND expires_at <= now() ORDER BY expires_at LIMIT 500
    ) due
    """,
    value=UUID,
)
LIST_TRANSACTIONS = sql(
    """
    SELECT id, customer_id, type, points, balance_after, description, order_id, campaign_id, expires_at, created_at, seq
    FROM loyalty_transactions
    WHERE customer_id = %(customer_id)s AND (%(before)s::bigint IS NULL OR seq < %(before)s)
      AND (%(type)s::text IS NULL OR type = %(type)s)
    ORDER BY seq DESC LIMIT %(limit)s
    """,
    row=TransactionRow,
)
GET_TRANSACTION = sql(
    """
    SELECT id, customer_id, type, points, balance_after, description, order_id, campaign_id, expires_at, created_at, seq
    FROM loyalty_transactions WHERE id = %(id)s
    """,
    row=TransactionRow,
)
