"""Rewards: bought with points, redeemed as a personal coupon."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from jainshikanji.loyalty.v1 import loyalty_service_pb2 as api
from jainshikanji.loyalty.v1.campaign_pb2 import DiscountType
from jainshikanji.loyalty.v1.reward_pb2 import Redemption, RedemptionStatus, Reward
from jainshikanji.loyalty.v1.tier_pb2 import LoyaltyTier

from chassis.database import sql
from chassis.ids import new_id
from tests.harness import customer, rpc_error
from tests.integration.loyalty.conftest import Loyalty, cancelled, confirmed, delivered, rupees


async def reward(loyalty: Loyalty, **fields: Any) -> Reward:
    """A reward of ₹50 off for 100 points; `fields` replace the defaults."""
    values = {
        "name": "Fifty off",
        "points_cost": 100,
        "discount_type": DiscountType.FIXED,
        "amount": rupees(50),
        **fields,
    }
    created: Reward = await loyalty.admin.CreateReward(api.CreateRewardRequest(**values))
    return created


async def redeem(loyalty: Loyalty, customer_id: UUID, reward_id: str, key: str = "") -> Redemption:
    identity = customer(customer_id).sending(idempotency_key=key or str(new_id()))
    request = api.RedeemRewardRequest(reward_id=reward_id)
    redemption: Redemption = await loyalty.stub(identity).RedeemReward(request)
    return redemption


async def bought(loyalty: Loyalty, customer_id: UUID) -> list[Redemption]:
    page = await loyalty.as_customer(customer_id).ListRedemptions(
        api.ListRedemptionsRequest(customer_id=str(customer_id))
    )
    return list(page.redemptions)


async def test_a_reward_is_redeemed_once_and_restored_when_its_order_is_cancelled(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=150)
    redemption = await redeem(loyalty, customer_id, (await reward(loyalty)).id)
    assert (redemption.points, redemption.status) == (100, RedemptionStatus.ISSUED)
    assert (await loyalty.get_account(customer_id)).balance == 50
    coupon = await loyalty.as_customer(customer_id).GetCoupon(api.GetCouponRequest(code=redemption.code))
    assert (coupon.amount, coupon.uses_left) == (rupees(50), 1)
    first, second = new_id(), new_id()
    granted = await loyalty.reserve(customer_id, redemption.code.lower(), 0, first)
    assert (granted.coupon_discount, granted.campaign_id, granted.coupon_code) == (rupees(50), "", redemption.code)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await loyalty.reserve(customer_id, redemption.code, 0, second)
    assert rpc_error(error.value).reason == "COUPON_EXHAUSTED"
    (shown,) = await bought(loyalty, customer_id)
    assert (shown.status, shown.order_id) == (RedemptionStatus.HELD, str(first))
    await loyalty.consume(confirmed(first, customer_id))
    assert (await bought(loyalty, customer_id))[0].status == RedemptionStatus.USED
    await loyalty.consume(cancelled(first, customer_id))
    (shown,) = await bought(loyalty, customer_id)
    assert (shown.status, shown.order_id) == (RedemptionStatus.ISSUED, "")
    await loyalty.reserve(customer_id, redemption.code)
    await loyalty.assert_ledgers_match()


async def test_the_code_of_a_reward_works_only_for_its_owner(loyalty: Loyalty) -> None:
    customer_id, other = await loyalty.register_customer(points=100), await loyalty.register_customer()
    redemption = await redeem(loyalty, customer_id, (await reward(loyalty)).id)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await loyalty.reserve(other, redemption.code)
    assert rpc_error(error.value).metadata["cause"] == "NOT_USABLE"
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await loyalty.as_customer(other).GetCoupon(api.GetCouponRequest(code=redemption.code))
    assert error.value.code() == grpc.StatusCode.NOT_FOUND


async def test_one_of_many_concurrent_orders_reserves_a_code(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=100)
    redemption = await redeem(loyalty, customer_id, (await reward(loyalty)).id)
    outcomes = await asyncio.gather(
        *(loyalty.reserve(customer_id, redemption.code) for _ in range(10)), return_exceptions=True
    )
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 1


async def test_concurrent_requests_with_one_key_buy_once(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=500)
    reward_id = (await reward(loyalty)).id
    answers = await asyncio.gather(*(redeem(loyalty, customer_id, reward_id, "one") for _ in range(8)))
    assert len({answer.code for answer in answers}) == 1
    assert (await loyalty.get_account(customer_id)).balance == 400
    other_reward = (await reward(loyalty)).id
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await redeem(loyalty, customer_id, other_reward, "one")
    assert rpc_error(error.value).reason == "KEY_REUSED"
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await loyalty.as_customer(customer_id).RedeemReward(api.RedeemRewardRequest(reward_id=reward_id))
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_concurrent_purchases_never_overdraw_a_balance_or_the_stock(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=250)
    reward_id = (await reward(loyalty)).id
    outcomes = await asyncio.gather(
        *(redeem(loyalty, customer_id, reward_id) for _ in range(10)), return_exceptions=True
    )
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 2
    assert (await loyalty.get_account(customer_id)).balance == 50
    rare = (await reward(loyalty, stock=3)).id
    customers = [await loyalty.register_customer(points=100) for _ in range(10)]
    outcomes = await asyncio.gather(*(redeem(loyalty, one, rare) for one in customers), return_exceptions=True)
    reasons = [rpc_error(outcome).reason for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)]
    assert reasons == ["REWARD_SOLD_OUT"] * 7
    balances = sorted([(await loyalty.get_account(one)).balance for one in customers])
    assert balances == [0] * 3 + [100] * 7
    losers = [one for one in customers if (await loyalty.get_account(one)).balance == 100]
    assert [await loyalty.list_event_names(one) for one in losers] == [["PointsEarned"]] * 7
    await loyalty.assert_ledgers_match()


async def test_concurrent_purchases_and_orders_share_one_balance(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=300)
    reward_id = (await reward(loyalty)).id
    await asyncio.gather(
        *(redeem(loyalty, customer_id, reward_id) for _ in range(5)),
        *(loyalty.reserve(customer_id, "", 100) for _ in range(5)),
        return_exceptions=True,
    )
    account = await loyalty.get_account(customer_id)
    assert account.available == 0
    assert account.balance == account.held
    await loyalty.assert_ledgers_match()


async def test_a_reward_of_a_higher_tier_requires_that_tier(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=100)
    reward_id = (await reward(loyalty, min_tier=LoyaltyTier.SILVER)).id
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await redeem(loyalty, customer_id, reward_id)
    assert (rpc_error(error.value).reason, rpc_error(error.value).metadata) == ("TIER_TOO_LOW", {"min_tier": "SILVER"})
    await loyalty.consume(delivered(new_id(), customer_id, 6000))
    await redeem(loyalty, customer_id, reward_id)


async def test_an_inactive_reward_is_not_found_and_an_expired_code_is_not_usable(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=200)
    gone = await reward(loyalty, is_active=False)
    for reward_id in (gone.id, str(new_id())):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await redeem(loyalty, customer_id, reward_id)
        assert error.value.code() == grpc.StatusCode.NOT_FOUND
    redemption = await redeem(loyalty, customer_id, (await reward(loyalty)).id)
    await loyalty.app.db.run(sql("UPDATE redemptions SET expires_at = now() WHERE id = %(id)s"), id=UUID(redemption.id))
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await loyalty.quote(customer_id, redemption.code)
    assert rpc_error(error.value).metadata["cause"] == "NOT_USABLE"
    assert (await bought(loyalty, customer_id))[0].status == RedemptionStatus.EXPIRED


async def test_the_catalogue_is_public_paged_and_cheapest_first(loyalty: Loyalty) -> None:
    made = [await reward(loyalty, points_cost=cost) for cost in (7, 3, 5, 3)]
    hidden = await reward(loyalty, points_cost=4, is_active=False)
    seen: list[Reward] = []
    token = ""
    while True:
        page = await loyalty.anonymous.ListRewards(api.ListRewardsRequest(page_size=2, page_token=token))
        seen += page.rewards
        token = page.next_page_token
        if not token:
            break
    assert [one.points_cost for one in seen] == sorted(one.points_cost for one in seen)
    assert all(one in seen for one in made)
    assert hidden not in seen
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await loyalty.anonymous.ListRewards(api.ListRewardsRequest(include_inactive=True))
    assert error.value.code() == grpc.StatusCode.PERMISSION_DENIED
    everything = await loyalty.admin.ListRewards(api.ListRewardsRequest(include_inactive=True, page_size=100))
    assert hidden in everything.rewards


async def test_a_change_of_a_reward_keeps_the_codes_that_were_bought(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=200)
    made = await reward(loyalty, stock=5, min_order_value=rupees(100))
    redemption = await redeem(loyalty, customer_id, made.id)
    changed = await loyalty.admin.UpdateReward(
        api.UpdateRewardRequest(
            id=made.id,
            points_cost=200,
            min_order_value=rupees(1000),
            update_mask=FieldMask(paths=["points_cost", "min_order_value", "stock"]),
        )
    )
    assert (changed.points_cost, changed.min_order_value) == (200, rupees(1000))
    assert not changed.HasField("stock")
    assert (await loyalty.quote(customer_id, redemption.code)).coupon_discount == rupees(50)
    same = await loyalty.admin.UpdateReward(api.UpdateRewardRequest(id=made.id, is_active=False))
    assert (same.points_cost, same.is_active) == (200, False)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await loyalty.admin.UpdateReward(api.UpdateRewardRequest(id=str(new_id()), name="None"))
    assert error.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"amount": None}, "amount"),
        ({"discount_type": DiscountType.PERCENTAGE, "amount": None}, "percentBasisPoints"),
        ({"discount_type": DiscountType.FREE_ITEM}, "discountType"),
        ({"discount_type": DiscountType.FREE_DELIVERY, "amount": None, "max_discount": rupees(5)}, "maxDiscount"),
        ({"points_cost": 0}, "pointsCost"),
        ({"name": ""}, "name"),
        ({"stock": -1}, "stock"),
        ({"valid_days": 366}, "validDays"),
    ],
    ids=str,
)
async def test_an_invalid_reward_is_rejected_with_its_field(
    loyalty: Loyalty, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await reward(loyalty, **fields)
    assert field in rpc_error(error.value).violations
