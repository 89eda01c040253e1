"""Statements on rewards and redemptions."""

from __future__ import annotations

from functools import cache
from uuid import UUID

from sqlalchemy import bindparam, func, update

from chassis.database import Statement, sql, statement
from chassis.database.rows import column_names, placeholders
from services.loyalty.commands import RewardColumn
from services.loyalty.model.tables import Reward
from services.loyalty.rows import NewRedemption, NewReward, RedemptionRow, RewardRow

GET_REWARD = sql(
    f"SELECT {column_names(RewardRow)} FROM rewards WHERE id = %(id)s",  # noqa: S608 - columns
    row=RewardRow,
)
LOCK_REWARD = sql(
    f"SELECT {column_names(RewardRow)} FROM rewards WHERE id = %(id)s FOR NO KEY UPDATE",  # noqa: S608 - columns
    row=RewardRow,
)
LIST_REWARDS = sql(
    f"""
    SELECT {column_names(RewardRow)} FROM rewards
    WHERE (%(cost)s::int IS NULL OR (points_cost, id) > (%(cost)s, %(id)s::uuid)) AND (is_active OR %(inactive)s)
    ORDER BY points_cost, id LIMIT %(limit)s
    """,  # noqa: S608 - columns
    row=RewardRow,
)
INSERT_REWARD = sql(
    f"INSERT INTO rewards ({column_names(NewReward)}) VALUES ({placeholders(NewReward)}) "  # noqa: S608 - columns
    f"RETURNING {column_names(RewardRow)}",
    row=RewardRow,
)


@cache
def update_reward(columns: frozenset[RewardColumn]) -> Statement[None]:
    """Sets these columns of a reward."""
    return statement(
        update(Reward).where(Reward.id == bindparam("reward")).values(updated_at=func.now()), columns=sorted(columns)
    )


TAKE_FROM_STOCK = sql(
    """
    UPDATE rewards SET stock = stock - 1 WHERE id = %(id)s AND is_active AND (stock IS NULL OR stock > 0) RETURNING id
    """,
    value=UUID,
)
INSERT_REDEMPTION = sql(
    f"INSERT INTO redemptions ({column_names(NewRedemption)}) VALUES ({placeholders(NewRedemption)}) "  # noqa: S608
    "RETURNING id",
    value=UUID,
)
GET_REDEMPTION = sql(
    f"SELECT {column_names(RedemptionRow)} FROM redemptions WHERE id = %(id)s",  # noqa: S608 - columns
    row=RedemptionRow,
)
LIST_REDEMPTIONS = sql(
    f"""
    SELECT {column_names(RedemptionRow)} FROM redemptions
    WHERE customer_id = %(customer_id)s AND (%(before)s::uuid IS NULL OR id < %(before)s)
    ORDER BY id DESC LIMIT %(limit)s
    """,  # noqa: S608 - columns
    row=RedemptionRow,
)
HOLD_REDEMPTION = sql(
    """
    UPDATE redemptions SET status = 'held', order_id = %(order_id)s
    WHERE id = %(id)s AND status = 'issued' AND expires_at > now() RETURNING id
    """,
    value=UUID,
)
USE_REDEMPTION = sql("UPDATE redemptions SET status = 'used' WHERE id = %(id)s AND order_id = %(order_id)s")
RELEASE_REDEMPTION = sql(
    """
    UPDATE redemptions SET status = 'issued', order_id = NULL,
        expires_at = greatest(expires_at, now() + %(at_least)s::interval)
    WHERE id = %(id)s AND order_id = %(order_id)s
    """
)
