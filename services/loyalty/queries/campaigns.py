"""Campaigns, the coupons they give, and their use."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import bindparam, func, insert, update

from chassis.database import Statement, sql, statement
from services.loyalty.model.tables import Campaign, CampaignUsage

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
def update_campaign(columns: tuple[str, ...]) -> Statement[Any]:
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
