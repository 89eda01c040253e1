"""Every statement of loyalty. Guards stand in the statements themselves, so that they hold under concurrency.

Rows are locked in one order everywhere: reservation, accounts (sorted), lots, reward or campaign.
"""

from __future__ import annotations

from functools import cache

from sqlalchemy import bindparam, func, insert, select, update

from chassis.db import Statement, sql, statement
from services.loyalty.model.tables import (
    BenefitReservation,
    Campaign,
    CampaignUsage,
    LoyaltyAccount,
    Redemption,
    Reward,
    Tier,
)

# --- accounts ---------------------------------------------------------------------------------------------------------

OPEN_ACCOUNT = sql(
    """
    INSERT INTO loyalty_accounts (customer_id, referral_code) VALUES (%(customer_id)s, %(referral_code)s)
    ON CONFLICT DO NOTHING
    """
)
# NO KEY: rows that refer to an account may be written beside.
LOCK_ACCOUNTS = sql(
    """
    SELECT customer_id, balance, held, owed, tier, last_order_at, version, erased_at FROM loyalty_accounts
    WHERE customer_id = ANY(%(customer_ids)s::uuid[]) ORDER BY customer_id FOR NO KEY UPDATE
    """
)
CUSTOMER = sql(
    """
    SELECT tier, last_order_at,
           (SELECT coalesce(sum(remaining), 0)::int FROM point_lots
            WHERE customer_id = %(customer_id)s AND remaining > 0 AND expires_at > now()) AS available
    FROM loyalty_accounts WHERE customer_id = %(customer_id)s AND erased_at IS NULL
    """
)
AVAILABLE = sql(
    """
    SELECT coalesce(sum(remaining), 0)::int FROM point_lots
    WHERE customer_id = %(customer_id)s AND remaining > 0 AND expires_at > now()
    """
)
ACCOUNT = sql(
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
    """
)
NEW_ACCOUNT = sql(
    """
    SELECT %(customer_id)s::uuid AS customer_id, 0 AS balance, 0 AS held, 0 AS owed, t.name AS tier,
           NULL::text AS referral_code, 0 AS available, 0 AS expiring, NULL::timestamptz AS next_expiry,
           0::numeric AS spend, n.name AS next_tier, n.min_spend AS next_min_spend
    FROM tiers t LEFT JOIN tiers n ON n.rank = t.rank + 1 WHERE t.rank = 0
    """
)
ERASED = statement(
    select(LoyaltyAccount.erased_at).where(
        LoyaltyAccount.customer_id == bindparam("customer_id"), LoyaltyAccount.erased_at.is_not(None)
    )
)
MARK_ERASED = sql(
    """
    UPDATE loyalty_accounts
    SET erased_at = now(), updated_at = now(), referral_code = NULL, owed = 0, version = version + 1
    WHERE customer_id = %(customer_id)s AND erased_at IS NULL RETURNING version
    """
)
BLANK_DESCRIPTIONS = sql(
    """
    UPDATE loyalty_transactions SET description = NULL
    WHERE customer_id = %(customer_id)s AND actor_id IS NOT NULL AND description IS NOT NULL
    """
)
END_CODES = sql(
    """
    UPDATE redemptions SET expires_at = least(expires_at, now())
    WHERE customer_id = %(customer_id)s AND status = 'issued'
    """
)
NOTE_DELIVERY = sql(
    """
    UPDATE loyalty_accounts SET last_order_at = greatest(last_order_at, %(at)s) WHERE customer_id = %(customer_id)s
    """
)

# --- points -----------------------------------------------------------------------------------------------------------

# The one way to move a balance: account, ledger line and, for points that come in new, their lot.
MOVE = sql(
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
    """
)
OWE = sql(
    """
    UPDATE loyalty_accounts SET owed = owed + %(points)s, version = version + 1, updated_at = now()
    WHERE customer_id = %(customer_id)s RETURNING balance, version
    """
)
# Oldest first. The account is locked by then, so nobody else takes from these lots.
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
    """
)
NOTE_HOLDS = sql(
    """
    INSERT INTO point_holds (order_id, lot_id, points)
    SELECT %(order_id)s::uuid, * FROM unnest(%(lot_ids)s::uuid[], %(points)s::int[])
    """
)
HOLD = sql(
    """
    UPDATE loyalty_accounts SET held = held + %(points)s, updated_at = now()
    WHERE customer_id = %(customer_id)s AND balance - held >= %(points)s RETURNING held
    """
)
UNHOLD = sql(
    "UPDATE loyalty_accounts SET held = held - %(points)s, updated_at = now() WHERE customer_id = %(customer_id)s"
)
# Youngest first: what comes back in part is what would have lived longest.
GIVE_BACK_TO_LOTS = sql(
    """
    WITH queue AS (
        SELECT h.lot_id, h.points - h.returned AS open,
               sum(h.points - h.returned) OVER (ORDER BY l.expires_at DESC, l.id DESC) - (h.points - h.returned)
                   AS before
        FROM point_holds h JOIN point_lots l ON l.id = h.lot_id
        WHERE h.order_id = %(order_id)s AND h.returned < h.points
    ), back AS (
        SELECT lot_id, least(open, %(points)s - before)::int AS points FROM queue WHERE before < %(points)s
    ), noted AS (
        UPDATE point_holds SET returned = returned + back.points
        FROM back WHERE point_holds.order_id = %(order_id)s AND point_holds.lot_id = back.lot_id
    )
    UPDATE point_lots
    SET remaining = remaining + back.points,
        expires_at = greatest(expires_at, now() + %(at_least)s::interval)
    FROM back WHERE point_lots.id = back.lot_id RETURNING back.points
    """
)
EMPTY_LOTS = sql(
    """
    WITH emptied AS (
        UPDATE point_lots SET remaining = 0 FROM (
            SELECT id, remaining FROM point_lots
            WHERE customer_id = %(customer_id)s AND remaining > 0 AND (%(all)s OR expires_at <= now()) FOR UPDATE
        ) was WHERE point_lots.id = was.id RETURNING was.remaining AS points
    )
    SELECT coalesce(sum(points), 0)::int FROM emptied
    """
)
DUE = sql(
    """
    SELECT DISTINCT customer_id FROM (
        SELECT customer_id FROM point_lots WHERE remaining > 0 AND expires_at <= now() ORDER BY expires_at LIMIT 500
    ) due
    """
)
TRANSACTIONS = sql(
    """
    SELECT id, customer_id, type, points, balance_after, description, order_id, campaign_id, expires_at, created_at, seq
    FROM loyalty_transactions
    WHERE customer_id = %(customer_id)s AND (%(before)s::bigint IS NULL OR seq < %(before)s)
      AND (%(type)s::text IS NULL OR type = %(type)s)
    ORDER BY seq DESC LIMIT %(limit)s
    """
)
TRANSACTION = sql(
    """
    SELECT id, customer_id, type, points, balance_after, description, order_id, campaign_id, expires_at, created_at, seq
    FROM loyalty_transactions WHERE id = %(id)s
    """
)

# --- orders -----------------------------------------------------------------------------------------------------------

RECORD_DELIVERY = sql(
    """
    INSERT INTO order_points (order_id, customer_id, order_number, total, delivered_at)
    VALUES (%(order_id)s, %(customer_id)s, %(order_number)s, %(total)s, %(delivered_at)s)
    ON CONFLICT (order_id) DO UPDATE SET order_number = excluded.order_number, total = excluded.total,
        delivered_at = excluded.delivered_at
    WHERE order_points.delivered_at IS NULL RETURNING order_id
    """
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
ORDER_POINTS = sql(
    """
    SELECT order_id, customer_id, order_number, total, delivered_at, captured, refunded, earned, reversed,
           referrer_id, referrer_points, referrer_reversed
    FROM order_points WHERE order_id = %(order_id)s FOR UPDATE
    """
)
RECORD_REVERSED = sql(
    """
    UPDATE order_points SET reversed = %(reversed)s, referrer_reversed = %(referrer_reversed)s
    WHERE order_id = %(order_id)s
    """
)
REFERRER = sql("SELECT referrer_id FROM order_points WHERE order_id = %(order_id)s")

# --- tiers ------------------------------------------------------------------------------------------------------------

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

# --- campaigns and coupons --------------------------------------------------------------------------------------------

_CAMPAIGN = (
    "id, id AS campaign_id, name, code, description, type, discount_type, discount_value, min_order_value, "
    "max_discount, applicable_products, applicable_categories, customer_segments, usage_limit, usage_per_customer, "
    "coalesce(current_usage, 0) AS current_usage, start_date, end_date, is_active, is_listed, bonus_points, "
    "created_at, updated_at"
)
CAMPAIGN = sql(f"SELECT {_CAMPAIGN} FROM campaigns WHERE id = %(id)s")  # noqa: S608 - a constant
LOCK_CAMPAIGN = sql(f"SELECT {_CAMPAIGN} FROM campaigns WHERE id = %(id)s FOR NO KEY UPDATE")  # noqa: S608 - a constant
_CAMPAIGN_PAGE = (
    f"SELECT {_CAMPAIGN} FROM campaigns "  # noqa: S608 - a constant
    "WHERE (%(end)s::timestamptz IS NULL OR (end_date, id) > (%(end)s, %(id)s::uuid)) "
    "AND (%(type)s::text IS NULL OR type = %(type)s) "
)
ALL_CAMPAIGNS = sql(_CAMPAIGN_PAGE + "ORDER BY end_date, id LIMIT %(limit)s")
LISTED_CAMPAIGNS = sql(
    _CAMPAIGN_PAGE + "AND is_active AND is_listed AND start_date <= now() AND end_date > now() "
    "ORDER BY end_date, id LIMIT %(limit)s"
)
# Bonus campaigns without a code, which every delivered order may get.
BONUS_CAMPAIGNS = sql(
    f"SELECT {_CAMPAIGN} FROM campaigns "  # noqa: S608 - a constant
    "WHERE type = 'loyalty_bonus' AND code IS NULL AND is_active AND start_date <= %(at)s "
    "AND end_date > %(at)s LIMIT 100"
)
CAMPAIGN_COLUMNS = (
    "name",
    "code",
    "description",
    "type",
    "discount_type",
    "discount_value",
    "min_order_value",
    "max_discount",
    "applicable_products",
    "applicable_categories",
    "customer_segments",
    "usage_limit",
    "usage_per_customer",
    "start_date",
    "end_date",
    "is_active",
    "is_listed",
    "bonus_points",
)
INSERT_CAMPAIGN = statement(insert(Campaign).returning(Campaign.id), columns=CAMPAIGN_COLUMNS)


@cache
def update_campaign(columns: tuple[str, ...]) -> Statement:
    """Sets these columns of one campaign; compiled once for each set that occurs."""
    return statement(
        update(Campaign).where(Campaign.id == bindparam("campaign")).values(updated_at=func.now()), columns=columns
    )


# What a code means for a customer, whichever of the three kinds it is. At most one row: kinds differ in their codes.
COUPON = sql(
    """
    SELECT c.id AS campaign_id, NULL::uuid AS redemption_id, NULL::uuid AS referrer_id, c.code, c.name, c.description,
           c.type, c.discount_type, c.discount_value, c.min_order_value, c.max_discount, c.applicable_products,
           c.applicable_categories, c.customer_segments, c.bonus_points, c.usage_limit,
           coalesce(c.current_usage, 0) AS current_usage, c.usage_per_customer, coalesce(u.uses, 0) AS uses, c.end_date
    FROM campaigns c LEFT JOIN campaign_customers u ON u.campaign_id = c.id AND u.customer_id = %(customer_id)s
    WHERE c.code = %(code)s AND c.is_active AND c.start_date <= now() AND c.end_date > now()
    UNION ALL
    SELECT NULL, r.id, NULL, r.code, r.reward_name, NULL, 'reward', r.discount_type, r.discount_value,
           r.min_order_value, r.max_discount, r.applicable_products, NULL, NULL, NULL, 1,
           (r.status <> 'issued')::int, NULL, 0, r.expires_at
    FROM redemptions r
    WHERE r.code = %(code)s AND r.customer_id = %(customer_id)s AND r.expires_at > now()
    UNION ALL
    SELECT c.id, NULL, a.customer_id, a.referral_code, c.name, c.description, c.type, c.discount_type,
           c.discount_value, c.min_order_value, c.max_discount, c.applicable_products, c.applicable_categories,
           ARRAY['new'], c.bonus_points, c.usage_limit, coalesce(c.current_usage, 0), 1, coalesce(u.uses, 0),
           c.end_date
    FROM loyalty_accounts a
    CROSS JOIN LATERAL (
        SELECT * FROM campaigns WHERE type = 'referral' AND is_active AND start_date <= now() AND end_date > now()
        ORDER BY start_date DESC, id LIMIT 1
    ) c
    LEFT JOIN campaign_customers u ON u.campaign_id = c.id AND u.customer_id = %(customer_id)s
    WHERE a.referral_code = %(code)s AND a.customer_id <> %(customer_id)s AND a.erased_at IS NULL
    LIMIT 1
    """
)
# The campaign's row is locked last and shortly: every order with the same coupon wants it.
TAKE_CAMPAIGN = sql(
    """
    WITH mine AS (
        INSERT INTO campaign_customers (campaign_id, customer_id, uses)
        VALUES (%(campaign_id)s, %(customer_id)s, 1)
        ON CONFLICT (campaign_id, customer_id) DO UPDATE SET uses = campaign_customers.uses + 1
        WHERE campaign_customers.uses < coalesce(%(per_customer)s::int, 2147483647) RETURNING uses
    )
    UPDATE campaigns SET current_usage = coalesce(current_usage, 0) + 1
    WHERE id = %(campaign_id)s AND is_active AND start_date <= %(at)s AND end_date > %(at)s
      AND (usage_limit IS NULL OR coalesce(current_usage, 0) < usage_limit) AND EXISTS (SELECT FROM mine)
    RETURNING id
    """
)
GIVE_BACK_CAMPAIGN = sql(
    """
    WITH unused AS (
        DELETE FROM campaign_usage WHERE order_id = %(order_id)s AND campaign_id = %(campaign_id)s
    ), mine AS (
        UPDATE campaign_customers SET uses = uses - 1
        WHERE campaign_id = %(campaign_id)s AND customer_id = %(customer_id)s AND uses > 0
    )
    UPDATE campaigns SET current_usage = current_usage - 1 WHERE id = %(campaign_id)s AND current_usage > 0
    """
)
INSERT_USAGE = statement(insert(CampaignUsage), columns=("campaign_id", "customer_id", "order_id", "discount_applied"))

# --- rewards ----------------------------------------------------------------------------------------------------------

_REWARD = (
    Reward.id,
    Reward.name,
    Reward.description,
    Reward.points_cost,
    Reward.discount_type,
    Reward.discount_value,
    Reward.min_order_value,
    Reward.max_discount,
    Reward.applicable_products,
    Reward.min_tier,
    Reward.stock,
    Reward.valid_days,
    Reward.is_active,
    Reward.created_at,
    Reward.updated_at,
)
REWARD = statement(select(*_REWARD).where(Reward.id == bindparam("id")))
LOCK_REWARD = statement(select(*_REWARD).where(Reward.id == bindparam("id")).with_for_update(key_share=True))
REWARDS = sql(
    """
    SELECT id, name, description, points_cost, discount_type, discount_value, min_order_value, max_discount,
           applicable_products, min_tier, stock, valid_days, is_active, created_at, updated_at
    FROM rewards
    WHERE (%(cost)s::int IS NULL OR (points_cost, id) > (%(cost)s, %(id)s::uuid)) AND (is_active OR %(inactive)s)
    ORDER BY points_cost, id LIMIT %(limit)s
    """
)
REWARD_COLUMNS = (
    "name",
    "description",
    "points_cost",
    "discount_type",
    "discount_value",
    "min_order_value",
    "max_discount",
    "applicable_products",
    "min_tier",
    "stock",
    "valid_days",
    "is_active",
)
INSERT_REWARD = statement(insert(Reward).returning(Reward.id), columns=REWARD_COLUMNS)


@cache
def update_reward(columns: tuple[str, ...]) -> Statement:
    """Sets these columns of one reward; compiled once for each set that occurs."""
    return statement(
        update(Reward).where(Reward.id == bindparam("reward")).values(updated_at=func.now()), columns=columns
    )


TAKE_REWARD = sql(
    """
    UPDATE rewards SET stock = stock - 1 WHERE id = %(id)s AND is_active AND (stock IS NULL OR stock > 0) RETURNING id
    """
)
INSERT_REDEMPTION = statement(
    insert(Redemption).returning(Redemption.id),
    columns=(
        "customer_id",
        "reward_id",
        "reward_name",
        "points",
        "code",
        "discount_type",
        "discount_value",
        "min_order_value",
        "max_discount",
        "applicable_products",
        "expires_at",
    ),
)
_REDEMPTION = (
    Redemption.id,
    Redemption.customer_id,
    Redemption.reward_id,
    Redemption.reward_name,
    Redemption.points,
    Redemption.code,
    Redemption.status,
    Redemption.order_id,
    Redemption.expires_at,
    Redemption.created_at,
)
REDEMPTION = statement(select(*_REDEMPTION).where(Redemption.id == bindparam("id")))
REDEMPTIONS = sql(
    """
    SELECT id, customer_id, reward_id, reward_name, points, code, status, order_id, expires_at, created_at
    FROM redemptions WHERE customer_id = %(customer_id)s AND (%(before)s::uuid IS NULL OR id < %(before)s)
    ORDER BY id DESC LIMIT %(limit)s
    """
)
HOLD_REDEMPTION = sql(
    """
    UPDATE redemptions SET status = 'held', order_id = %(order_id)s
    WHERE id = %(id)s AND status = 'issued' AND expires_at > now() RETURNING id
    """
)
USE_REDEMPTION = sql("UPDATE redemptions SET status = 'used' WHERE id = %(id)s AND order_id = %(order_id)s")
GIVE_BACK_REDEMPTION = sql(
    """
    UPDATE redemptions SET status = 'issued', order_id = NULL,
        expires_at = greatest(expires_at, now() + %(at_least)s::interval)
    WHERE id = %(id)s AND order_id = %(order_id)s
    """
)

# --- reservations -----------------------------------------------------------------------------------------------------

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

# --- guesses ----------------------------------------------------------------------------------------------------------

# Counted before the code is looked up, so that guesses made at once are all counted. In the order of the keys, so
# that two calls never wait for each other. Nobody minds when a crash forgets a few.
COUNT_GUESS = sql(
    """
    INSERT INTO coupon_guesses (guesser, misses, until)
    SELECT guesser, 1, now() + %(window)s::interval FROM unnest(%(guessers)s::bytea[]) AS guesser ORDER BY guesser
    ON CONFLICT (guesser) DO UPDATE SET
        misses = CASE WHEN coupon_guesses.until <= now() THEN 1 ELSE coupon_guesses.misses + 1 END,
        until = CASE WHEN coupon_guesses.until <= now() THEN excluded.until ELSE coupon_guesses.until END
    RETURNING guesser, misses, extract(epoch FROM until - now())::float8 AS seconds_left
    """
)
FORGIVE_GUESS = sql(
    """
    UPDATE coupon_guesses SET misses = misses - 1 WHERE guesser IN (
        SELECT guesser FROM coupon_guesses WHERE guesser = ANY(%(guessers)s::bytea[]) AND misses > 0
        ORDER BY guesser FOR UPDATE
    )
    """
)
HELD_OFF = sql(
    """
    SELECT extract(epoch FROM until - now())::float8 FROM coupon_guesses
    WHERE guesser = %(guesser)s AND until > now() AND misses >= %(limit)s
    """
)
FORGET_GUESSES = sql("DELETE FROM coupon_guesses WHERE until < now()")
