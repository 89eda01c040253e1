"""Rewards and the codes they were redeemed for."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update

from chassis.database import Statement, sql, statement
from services.loyalty.model.tables import Redemption, Reward

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
def update_reward(columns: tuple[str, ...]) -> Statement[Any]:
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
