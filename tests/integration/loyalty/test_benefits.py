"""Coupons and points of orders: quoted, reserved, redeemed, returned."""

from __future__ import annotations

import asyncio
from uuid import UUID

import grpc
import pytest
from jainshikanji.loyalty.v1 import loyalty_service_pb2 as api
from jainshikanji.loyalty.v1.campaign_pb2 import CampaignType, CustomerSegment, DiscountType

from chassis.ids import new_id
from services.loyalty.model.campaigns import new_code
from tests.harness import rpc_error
from tests.integration.loyalty.conftest import (
    Loyalty,
    cancelled,
    confirmed,
    delivered,
    line,
    rupees,
    timestamp,
)


async def assert_rejected(call: object, reason: str, cause: str = "") -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call  # type: ignore[misc]
    found = rpc_error(error.value)
    assert (found.code, found.reason) == (grpc.StatusCode.ABORTED, reason)
    assert found.metadata.get("cause", "") == cause


async def reserve_many(loyalty: Loyalty, wishes: list[tuple[UUID, str, int]]) -> list[str]:
    """Makes the reservations concurrently; returns "ok" or the reason of each."""

    async def one(customer_id: UUID, code: str, points: int) -> str:
        try:
            await loyalty.reserve(customer_id, code, points)
        except grpc.aio.AioRpcError as error:
            return rpc_error(error).reason
        return "ok"

    return await asyncio.gather(*(one(*wish) for wish in wishes))


async def test_a_reservation_equals_its_quote(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=500)
    campaign = await loyalty.create_campaign(percent_basis_points=1250, max_discount=rupees(30))
    lines = [line(99.5, 3), line(61, 2)]
    quote = await loyalty.quote(customer_id, campaign.code.lower(), 120, lines=lines)
    order_id = new_id()
    reserved = await loyalty.reserve(customer_id, campaign.code, 120, order_id, lines=lines)
    assert reserved == quote
    assert (quote.coupon_discount, quote.points_discount, quote.points_used) == (rupees(30), rupees(30), 120)
    assert (quote.campaign_id, quote.coupon_code) == (campaign.id, campaign.code)
    assert await loyalty.reserve(customer_id, campaign.code, 120, order_id, lines=lines) == quote
    account = await loyalty.get_account(customer_id)
    assert (account.balance, account.held, account.available) == (500, 120, 380)
    await loyalty.assert_ledgers_match()


async def test_a_quote_reserves_nothing(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=100)
    campaign = await loyalty.create_campaign(usage_limit=1)
    for _ in range(3):
        await loyalty.quote(customer_id, campaign.code, 100)
    assert (await loyalty.get_account(customer_id)).available == 100


async def test_fifty_concurrent_orders_reserve_a_coupon_of_ten_uses_ten_times(loyalty: Loyalty) -> None:
    campaign = await loyalty.create_campaign(usage_limit=10)
    outcomes = await reserve_many(loyalty, [(new_id(), campaign.code, 0) for _ in range(50)])
    assert sorted(outcomes) == ["COUPON_EXHAUSTED"] * 40 + ["ok"] * 10
    await loyalty.assert_ledgers_match()


async def test_concurrent_orders_of_one_customer_reserve_a_coupon_once(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer()
    campaign = await loyalty.create_campaign(usage_limit=100)
    outcomes = await reserve_many(loyalty, [(customer_id, campaign.code, 0)] * 20)
    assert outcomes.count("ok") == 1
    assert set(outcomes) == {"ok", "COUPON_EXHAUSTED"}
    await loyalty.assert_ledgers_match()


async def test_concurrent_orders_spend_one_balance_once(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=100)
    outcomes = await reserve_many(loyalty, [(customer_id, "", 30)] * 20)
    assert sorted(outcomes) == ["INSUFFICIENT_POINTS"] * 17 + ["ok"] * 3
    account = await loyalty.get_account(customer_id)
    assert (account.balance, account.held) == (100, 90)
    await loyalty.assert_ledgers_match()


async def test_concurrent_repetitions_of_a_reservation_reserve_once(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=100)
    campaign = await loyalty.create_campaign()
    order_id = new_id()
    answers = await asyncio.gather(*(loyalty.reserve(customer_id, campaign.code, 40, order_id) for _ in range(10)))
    assert all(answer == answers[0] for answer in answers)
    assert (await loyalty.get_account(customer_id)).held == 40
    await loyalty.assert_ledgers_match()


async def test_concurrent_reservation_and_release_of_one_order_leave_nothing_reserved(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=1000)
    campaign = await loyalty.create_campaign(usage_per_customer=0)
    for _ in range(10):
        order_id = new_id()
        await asyncio.gather(
            loyalty.reserve(customer_id, campaign.code, 40, order_id),
            loyalty.reserve(customer_id, campaign.code, 40, order_id),
            loyalty.release(order_id),
            return_exceptions=True,
        )
        await loyalty.release(order_id)
    account = await loyalty.get_account(customer_id)
    assert (account.balance, account.held, account.available) == (1000, 0, 1000)
    await loyalty.assert_ledgers_match()


async def test_a_reservation_is_all_or_nothing(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=100)
    campaign = await loyalty.create_campaign(usage_limit=1)
    await loyalty.reserve(await loyalty.register_customer(), campaign.code)
    order_id = new_id()
    await assert_rejected(loyalty.reserve(customer_id, campaign.code, 50, order_id), "COUPON_EXHAUSTED")
    assert (await loyalty.get_account(customer_id)).held == 0
    await loyalty.reserve(customer_id, "", 50, order_id)
    await loyalty.assert_ledgers_match()


async def test_a_release_returns_everything_and_rejects_a_late_reservation(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=100)
    campaign = await loyalty.create_campaign(usage_limit=1)
    order_id = new_id()
    await loyalty.reserve(customer_id, campaign.code, 50, order_id)
    await loyalty.release(order_id)
    await loyalty.release(order_id)
    account = await loyalty.get_account(customer_id)
    assert (account.held, account.available) == (0, 100)
    await assert_rejected(loyalty.reserve(customer_id, campaign.code, 50, order_id), "RESERVATION_RELEASED")
    await loyalty.reserve(customer_id, campaign.code, 50)
    never_reserved = new_id()
    await loyalty.release(never_reserved)
    await assert_rejected(loyalty.reserve(customer_id, "", 10, never_reserved), "RESERVATION_RELEASED")
    await loyalty.assert_ledgers_match()


async def test_a_release_does_not_change_what_a_confirmed_order_redeemed(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=100)
    order_id = new_id()
    await loyalty.reserve(customer_id, "", 50, order_id)
    await loyalty.consume(confirmed(order_id, customer_id))
    await loyalty.release(order_id)
    assert (await loyalty.get_account(customer_id)).balance == 50


async def test_a_confirmation_redeems_and_a_cancellation_returns_exactly_once(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=100)
    campaign = await loyalty.create_campaign(usage_limit=1)
    order_id, first, second = new_id(), new_id(), new_id()
    await loyalty.reserve(customer_id, campaign.code, 60, order_id)
    await loyalty.consume(confirmed(order_id, customer_id), confirmed(order_id, customer_id), ids=[first, second])
    await loyalty.consume(confirmed(order_id, customer_id), ids=[first])
    assert [(row.type, row.points) for row in await loyalty.list_ledger(customer_id)] == [
        ("bonus", 100),
        ("redeem", -60),
    ]
    other = await loyalty.register_customer()
    await assert_rejected(loyalty.reserve(other, campaign.code), "COUPON_EXHAUSTED")
    for _ in range(2):
        await loyalty.consume(cancelled(order_id, customer_id))
    account = await loyalty.get_account(customer_id)
    assert (account.balance, account.held, account.available) == (100, 0, 100)
    assert await loyalty.list_event_names(customer_id) == ["PointsEarned", "PointsRedeemed", "PointsReturned"]
    await loyalty.reserve(other, campaign.code)
    await loyalty.assert_ledgers_match()


async def test_a_cancellation_before_the_confirmation_wins(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=100)
    order_id = new_id()
    await loyalty.reserve(customer_id, "", 60, order_id)
    await loyalty.consume(cancelled(order_id, customer_id))
    await loyalty.consume(confirmed(order_id, customer_id))
    account = await loyalty.get_account(customer_id)
    assert (account.balance, account.held) == (100, 0)
    await loyalty.assert_ledgers_match()


async def test_confirmation_and_cancellation_in_one_batch_return_everything(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=100)
    order_id = new_id()
    await loyalty.reserve(customer_id, "", 60, order_id)
    await loyalty.consume(confirmed(order_id, customer_id), cancelled(order_id, customer_id))
    account = await loyalty.get_account(customer_id)
    assert (account.balance, account.held, account.available) == (100, 0, 100)
    await loyalty.assert_ledgers_match()


async def test_points_are_capped_at_the_value_of_the_lines(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=5000)
    quote = await loyalty.quote(customer_id, "", 5000, lines=[line(100.1)])
    assert (quote.points_used, quote.points_discount) == (400, rupees(100))


async def test_a_customer_cannot_redeem_more_points_than_the_balance(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=10)
    await assert_rejected(loyalty.quote(customer_id, "", 11), "INSUFFICIENT_POINTS")
    await assert_rejected(loyalty.quote(new_id(), "", 1), "INSUFFICIENT_POINTS")
    await assert_rejected(loyalty.reserve(new_id(), "", 1), "INSUFFICIENT_POINTS")


async def test_a_rejected_coupon_has_its_cause(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer()
    big = await loyalty.create_campaign(min_order_value=rupees(1000))
    await assert_rejected(loyalty.quote(customer_id, big.code), "COUPON_INVALID", "ORDER_TOO_SMALL")
    lassi = await loyalty.create_campaign(applicable_categories=["Lassi"])
    await assert_rejected(loyalty.quote(customer_id, lassi.code), "COUPON_INVALID", "NO_ELIGIBLE_ITEM")
    free = await loyalty.create_campaign(
        type=CampaignType.FREE_DELIVERY, discount_type=DiscountType.UNSPECIFIED, percent_basis_points=0
    )
    assert (await loyalty.quote(customer_id, free.code)).free_delivery
    await assert_rejected(
        loyalty.quote(customer_id, free.code, delivery_fee=rupees(0)), "COUPON_INVALID", "NO_DELIVERY_FEE"
    )
    over = await loyalty.create_campaign(starts_at=timestamp(days=2), ends_at=timestamp(days=1))
    await assert_rejected(loyalty.quote(customer_id, over.code), "COUPON_INVALID", "NOT_USABLE")
    off = await loyalty.create_campaign(is_active=False)
    await assert_rejected(loyalty.quote(customer_id, off.code), "COUPON_INVALID", "NOT_USABLE")
    await assert_rejected(loyalty.quote(customer_id, new_code("X", 10)), "COUPON_INVALID", "NOT_USABLE")


async def test_a_coupon_for_segments_is_valid_only_in_these_segments(loyalty: Loyalty) -> None:
    newcomer, regular, lapsed = [await loyalty.register_customer() for _ in range(3)]
    await loyalty.consume(delivered(new_id(), regular, 6000))
    await loyalty.consume(delivered(new_id(), lapsed, 100), days=61)
    for_new = await loyalty.create_campaign(customer_segments=[CustomerSegment.NEW])
    for_silver = await loyalty.create_campaign(customer_segments=[CustomerSegment.SILVER])
    for_lapsed = await loyalty.create_campaign(customer_segments=[CustomerSegment.LAPSED, CustomerSegment.GOLD])
    allowed = {for_new.code: newcomer, for_silver.code: regular, for_lapsed.code: lapsed}
    for code, chosen in allowed.items():
        for customer_id in (newcomer, regular, lapsed):
            if customer_id == chosen:
                await loyalty.reserve(customer_id, code)
            else:
                await assert_rejected(loyalty.quote(customer_id, code), "COUPON_INVALID", "NOT_FOR_CUSTOMER")


async def test_buy_one_get_one_makes_the_cheaper_half_free(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer()
    campaign = await loyalty.create_campaign(
        type=CampaignType.BOGO, discount_type=DiscountType.UNSPECIFIED, percent_basis_points=0
    )
    assert campaign.discount_type == DiscountType.FREE_ITEM
    quote = await loyalty.quote(customer_id, campaign.code, lines=[line(100, 2), line(60, 1), line(40, 2)])
    assert quote.coupon_discount == rupees(80)
    await assert_rejected(
        loyalty.quote(customer_id, campaign.code, lines=[line(100)]), "COUPON_INVALID", "NO_ELIGIBLE_ITEM"
    )


async def test_only_order_may_quote_reserve_and_release(loyalty: Loyalty) -> None:
    for stub in (loyalty.admin, loyalty.anonymous, loyalty.as_customer(new_id())):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stub.ReleaseBenefits(api.ReleaseBenefitsRequest(order_id=str(new_id())))
        assert error.value.code() == grpc.StatusCode.PERMISSION_DENIED
