"""Statements on campaigns, their coupons and their usage."""

from __future__ import annotations

from functools import cache
from uuid import UUID

from sqlalchemy import bindparam, func, update

from chassis.database import Statement, sql, statement
from chassis.database.rows import column_names, field_names, placeholders
from services.loyalty.commands import CampaignColumn
from services.loyalty.model.tables import Campaign
from services.loyalty.rows import CampaignRow, CouponRow, NewCampaign, NewUsage

_COLUMNS = ", ".join(
    "coalesce(current_usage, 0) AS current_usage" if name == "current_usage" else name
    for name in field_names(CampaignRow)
)
GET_CAMPAIGN = sql(f"SELECT {_COLUMNS} FROM campaigns WHERE id = %(id)s", row=CampaignRow)  # noqa: S608 - columns
LOCK_CAMPAIGN = sql(
    f"SELECT {_COLUMNS} FROM campaigns WHERE id = %(id)s FOR NO KEY UPDATE",  # noqa: S608 - columns
    row=CampaignRow,
)


@cache
def list_campaigns(*, include_all: bool) -> Statement[CampaignRow]:
    """A page of all campaigns, or of the running ones that are listed, ending soonest first."""
    running = "" if include_all else "AND is_active AND is_listed AND start_date <= now() AND end_date > now()"
    return sql(
        f"""
        SELECT {_COLUMNS} FROM campaigns
        WHERE (%(end)s::timestamptz IS NULL OR (end_date, id) > (%(end)s, %(id)s::uuid))
          AND (%(type)s::text IS NULL OR type = %(type)s) {running}
        ORDER BY end_date, id LIMIT %(limit)s
        """,  # noqa: S608 - text of this module
        row=CampaignRow,
    )


# Bonus campaigns without a code, which every delivered order may get.
LIST_BONUS_CAMPAIGNS = sql(
    f"""
    SELECT {_COLUMNS} FROM campaigns
    WHERE type = 'loyalty_bonus' AND code IS NULL AND is_active AND start_date <= %(at)s AND end_date > %(at)s
    LIMIT 100
    """,  # noqa: S608 - columns
    row=CampaignRow,
)
INSERT_CAMPAIGN = sql(
    f"INSERT INTO campaigns ({column_names(NewCampaign)}) VALUES ({placeholders(NewCampaign)}) "  # noqa: S608
    f"RETURNING {_COLUMNS}",
    row=CampaignRow,
)


@cache
def update_campaign(columns: frozenset[CampaignColumn]) -> Statement[None]:
    """Sets these columns of a campaign."""
    return statement(
        update(Campaign).where(Campaign.id == bindparam("campaign")).values(updated_at=func.now()),
        columns=sorted(columns),
    )


# What a code means for a customer. At most one row: campaigns, rewards and referrals have distinct codes.
GET_COUPON = sql(
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
        SELECT id, name, description, type, discount_type, discount_value, min_order_value, max_discount,
               applicable_products, applicable_categories, bonus_points, usage_limit, current_usage, end_date
        FROM campaigns WHERE type = 'referral' AND is_active AND start_date <= now() AND end_date > now()
        ORDER BY start_date DESC, id LIMIT 1
    ) c
    LEFT JOIN campaign_customers u ON u.campaign_id = c.id AND u.customer_id = %(customer_id)s
    WHERE a.referral_code = %(code)s AND a.customer_id <> %(customer_id)s AND a.erased_at IS NULL
    LIMIT 1
    """,
    row=CouponRow,
)
# Locks the campaign's row last and for a short time: every order with the same coupon needs it.
COUNT_USAGE = sql(
    """
    WITH customer AS (
        INSERT INTO campaign_customers (campaign_id, customer_id, uses)
        VALUES (%(campaign_id)s, %(customer_id)s, 1)
        ON CONFLICT (campaign_id, customer_id) DO UPDATE SET uses = campaign_customers.uses + 1
        WHERE campaign_customers.uses < coalesce(%(per_customer)s::int, 2147483647) RETURNING uses
    )
    UPDATE campaigns SET current_usage = coalesce(current_usage, 0) + 1
    WHERE id = %(campaign_id)s AND is_active AND start_date <= %(at)s AND end_date > %(at)s
      AND (usage_limit IS NULL OR coalesce(current_usage, 0) < usage_limit) AND EXISTS (SELECT FROM customer)
    RETURNING id
    """,
    value=UUID,
)
RELEASE_USAGE = sql(
    """
    WITH released AS (
        DELETE FROM campaign_usage WHERE order_id = %(order_id)s AND campaign_id = %(campaign_id)s
    ), customer AS (
        UPDATE campaign_customers SET uses = uses - 1
        WHERE campaign_id = %(campaign_id)s AND customer_id = %(customer_id)s AND uses > 0
    )
    UPDATE campaigns SET current_usage = current_usage - 1 WHERE id = %(campaign_id)s AND current_usage > 0
    """
)
INSERT_USAGE = sql(
    f"INSERT INTO campaign_usage ({column_names(NewUsage)}) VALUES ({placeholders(NewUsage)})"  # noqa: S608
)
