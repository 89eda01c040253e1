"""The catalogue of rewards, and their purchase with points."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from chassis import Caller
from chassis.clock import now
from chassis.database import Transaction
from chassis.database.rows import column_values, parameters
from chassis.errors import NotFound, PermissionDenied
from chassis.rpc import idempotency
from chassis.rpc.pagination import Page
from services.loyalty.app import LoyaltyApp
from services.loyalty.commands import RedeemReward, UpdateReward
from services.loyalty.errors import RewardSoldOut, TierTooLow
from services.loyalty.model.benefits import Terms
from services.loyalty.model.campaigns import REWARD_LENGTH, check_reward, new_code
from services.loyalty.queries import rewards as queries
from services.loyalty.queries import tiers
from services.loyalty.rows import NewRedemption, NewReward, RedemptionRow, RewardRow
from services.loyalty.usecases.ledger import lock_account


async def list_rewards(app: LoyaltyApp, caller: Caller, page: Page, *, include_inactive: bool) -> list[RewardRow]:
    """A page of rewards, cheapest first, with one row more than the page shows.

    Raises PermissionDenied when anyone but an admin includes inactive rewards.
    """
    if include_inactive and not caller.is_admin:
        raise PermissionDenied
    cost, reward_id = (int(page.after[0]), UUID(page.after[1])) if page.after else (None, None)
    return await app.db.all(queries.LIST_REWARDS, inactive=include_inactive, cost=cost, id=reward_id, limit=page.limit)


async def create_reward(app: LoyaltyApp, caller: Caller, new: NewReward) -> RewardRow:
    """Creates a reward. Raises InvalidArgument."""
    check_reward(Terms.from_reward(new))
    row = await app.db.one(queries.INSERT_REWARD, **parameters(new))
    assert row is not None
    return row


async def update_reward(app: LoyaltyApp, caller: Caller, command: UpdateReward) -> RewardRow:
    """Changes a reward. Raises NotFound, InvalidArgument."""
    changes = column_values(command.changes)
    async with app.db.transaction() as tx:
        row = await tx.one(queries.LOCK_REWARD, id=command.reward_id)
        if row is None:
            raise NotFound
        check_reward(Terms.from_reward(row._replace(**changes)))
        if changes:
            await tx.run(queries.update_reward(frozenset(command.changes)), reward=row.id, **changes)
        updated = await tx.one(queries.GET_REWARD, id=row.id)
        assert updated is not None
        return updated


async def redeem_reward(app: LoyaltyApp, caller: Caller, command: RedeemReward) -> RedemptionRow:
    """Buys the reward with the caller's points, once per Idempotency-Key.

    Raises NotFound, TierTooLow, RewardSoldOut, InsufficientPoints.
    """

    async def redeem(tx: Transaction) -> UUID:
        return await _redeem(app, tx, caller.account, command.reward_id)

    redemption_id = await idempotency.run_once(app.db, command.claim, redeem)
    row = await app.db.one(queries.GET_REDEMPTION, id=redemption_id)
    assert row is not None
    return row


async def _redeem(app: LoyaltyApp, tx: Transaction, customer_id: UUID, reward_id: UUID) -> UUID:
    account = await lock_account(app, tx, customer_id)
    reward = await tx.one(queries.GET_REWARD, id=reward_id)
    if reward is None or not reward.is_active:
        raise NotFound
    ranks = await tx.one(tiers.GET_RANKS, actual=account.tier, required=reward.min_tier)
    assert ranks is not None
    if ranks.actual < ranks.required:
        raise TierTooLow(reward.min_tier)
    await account.spend_points(reward.points_cost, reward.name, reward.id)
    new = NewRedemption(
        customer_id=customer_id,
        reward_id=reward.id,
        reward_name=reward.name,
        points=reward.points_cost,
        code=new_code("V", REWARD_LENGTH),
        discount_type=reward.discount_type,
        discount_value=reward.discount_value,
        min_order_value=reward.min_order_value,
        max_discount=reward.max_discount,
        applicable_products=reward.applicable_products,
        expires_at=now() + timedelta(days=reward.valid_days),
    )
    redemption_id = await tx.one(queries.INSERT_REDEMPTION, **parameters(new))
    assert redemption_id is not None
    if await tx.one(queries.TAKE_FROM_STOCK, id=reward.id) is None:
        raise RewardSoldOut
    return redemption_id


async def list_redemptions(app: LoyaltyApp, caller: Caller, customer_id: UUID, page: Page) -> list[RedemptionRow]:
    """A page of a customer's redemptions, newest first, with one row more than the page shows."""
    before = UUID(page.after[0]) if page.after else None
    return await app.db.all(queries.LIST_REDEMPTIONS, customer_id=customer_id, before=before, limit=page.limit)
