"""The catalogue of rewards, and buying from it with points."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from google.protobuf.message import Message

from chassis import Call, Caller
from chassis.clock import now
from chassis.database import Row, Transaction
from chassis.errors import NotFound, PermissionDenied
from chassis.rpc import idempotency
from services.loyalty.app import LoyaltyApp
from services.loyalty.model.benefits import Terms
from services.loyalty.model.campaigns import REWARD_LENGTH, check_reward, new_code
from services.loyalty.model.refusals import RewardSoldOut, TierTooLow
from services.loyalty.queries import rewards as q
from services.loyalty.queries import tiers
from services.loyalty.usecases.ledger import lock_account


async def list_rewards(
    app: LoyaltyApp, caller: Caller, *, include_inactive: bool, after: tuple[int, UUID] | None, limit: int
) -> list[Row]:
    """The catalogue, cheapest first; what is switched off is for administrators. Raises PermissionDenied."""
    if include_inactive and not caller.is_admin:
        raise PermissionDenied
    cost, reward_id = after or (None, None)
    return await app.db.all(q.REWARDS, inactive=include_inactive, cost=cost, id=reward_id, limit=limit)


async def create_reward(app: LoyaltyApp, values: dict[str, Any]) -> Row:
    """Writes a reward from its columns. Raises InvalidArgument."""
    check_reward(_terms(SimpleNamespace(**values)))
    reward_id = await app.db.value(q.INSERT_REWARD, **values)
    return await app.db.one(q.REWARD, id=reward_id)


async def update_reward(app: LoyaltyApp, reward_id: UUID, changes: dict[str, Any]) -> Row:
    """Sets the columns in `changes`. Raises NotFound, InvalidArgument."""
    async with app.db.transaction() as tx:
        row = await tx.one(q.LOCK_REWARD, id=reward_id)
        if row is None:
            raise NotFound
        check_reward(_terms(row._replace(**changes)))
        if changes:
            await tx.run(q.update_reward(tuple(sorted(changes))), reward=reward_id, **changes)
        return await tx.one(q.REWARD, id=reward_id)


async def redeem_reward(app: LoyaltyApp, call: Call, request: Message, reward_id: UUID) -> Row:
    """Buys the reward for the caller, once per Idempotency-Key; returns the redemption.

    Raises NotFound, TierTooLow, RewardSoldOut, InsufficientPoints.
    """

    async def redeem(tx: Transaction) -> UUID:
        return await _redeem(app, tx, call.account, reward_id)

    redemption_id = await idempotency.run_once(app.db, idempotency.Claim.of(call), redeem)
    return await app.db.one(q.REDEMPTION, id=redemption_id)


async def _redeem(app: LoyaltyApp, tx: Transaction, customer_id: UUID, reward_id: UUID) -> UUID:
    account = await lock_account(app, tx, customer_id)
    reward = await tx.one(q.REWARD, id=reward_id)
    if reward is None or not reward.is_active:
        raise NotFound
    ranks = await tx.one(tiers.TIER_RANKS, has=account.tier, needs=reward.min_tier)
    assert ranks is not None
    if ranks.has < ranks.needs:
        raise TierTooLow(reward.min_tier)
    await account.spend(reward.points_cost, reward.name, reward.id)
    redemption_id: UUID = await tx.value(
        q.INSERT_REDEMPTION,
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
    if await tx.value(q.TAKE_REWARD, id=reward.id) is None:
        raise RewardSoldOut
    return redemption_id


async def list_redemptions(app: LoyaltyApp, customer_id: UUID, *, before: UUID | None, limit: int) -> list[Row]:
    """What a customer bought, newest first."""
    return await app.db.all(q.REDEMPTIONS, customer_id=customer_id, before=before, limit=limit)


def _terms(row: Any) -> Terms:
    return Terms(
        type="reward",
        discount_type=row.discount_type,
        discount_value=row.discount_value,
        max_discount=row.max_discount,
    )
