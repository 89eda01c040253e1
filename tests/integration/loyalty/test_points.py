"""Points and tiers: earned when an order is delivered, reversed when it is refunded, expired in time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import grpc
import psycopg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from jainshikanji.loyalty.v1 import loyalty_service_pb2 as api
from jainshikanji.loyalty.v1.account_pb2 import LoyaltyTransactionType
from jainshikanji.loyalty.v1.campaign_pb2 import CampaignType, CustomerSegment, DiscountType
from jainshikanji.loyalty.v1.events_pb2 import PointsEarned, PointsReversed, TierChanged
from jainshikanji.loyalty.v1.tier_pb2 import LoyaltyTier

from chassis.database import sql
from chassis.ids import new_id
from services.loyalty.usecases.accounts import expire_points, update_tiers
from tests.harness import admin, customer, rpc_error
from tests.integration.loyalty.conftest import (
    Loyalty,
    cancelled,
    confirmed,
    delivered,
    erased,
    refunded,
    rupees,
)


class ErasedAccountRow(NamedTuple):
    balance: int
    held: int
    referral_code: str | None
    description: str | None


AGE_LOTS = sql("UPDATE point_lots SET expires_at = expires_at - %(by)s::interval WHERE customer_id = %(id)s")
AGE_ORDERS = sql("UPDATE order_points SET delivered_at = delivered_at - %(by)s::interval WHERE customer_id = %(id)s")


async def test_an_order_earns_a_point_for_ten_rupees_of_food_when_it_is_delivered(loyalty: Loyalty) -> None:
    customer_id, order_id = await loyalty.register_customer(), new_id()
    await loyalty.consume(confirmed(order_id, customer_id))
    assert (await loyalty.get_account(customer_id)).balance == 0
    await loyalty.consume(delivered(order_id, customer_id, 559, discount=50, points_discount=10))
    account = await loyalty.get_account(customer_id)
    assert account.balance == 49
    assert account.available_value == rupees("12.25")
    (earned,) = await loyalty.list_events(customer_id, PointsEarned)
    assert (earned.points, earned.balance, earned.order_points, earned.order_id) == (49, 49, 49, str(order_id))
    expires = earned.expires_at.ToDatetime(UTC)
    assert timedelta(days=364) < expires - datetime.now(UTC) <= timedelta(days=365)


async def test_a_repeated_delivery_event_earns_points_once(loyalty: Loyalty) -> None:
    customer_id, order_id, event_id = await loyalty.register_customer(), new_id(), new_id()
    event = delivered(order_id, customer_id)
    await loyalty.consume(event, event, ids=[event_id, event_id])
    await loyalty.consume(event, ids=[event_id])
    await loyalty.consume(event)
    await asyncio.gather(*(loyalty.consume(event) for _ in range(5)))
    assert (await loyalty.get_account(customer_id)).balance == 50
    assert len(await loyalty.list_events(customer_id, PointsEarned)) == 1


async def test_a_delivery_before_the_confirmation_redeems_the_reservation(loyalty: Loyalty) -> None:
    customer_id, order_id = await loyalty.register_customer(points=100), new_id()
    await loyalty.reserve(customer_id, "", 60, order_id)
    await loyalty.consume(delivered(order_id, customer_id, 500, points_discount=15))
    await loyalty.consume(confirmed(order_id, customer_id))
    account = await loyalty.get_account(customer_id)
    assert (account.balance, account.held) == (100 - 60 + 48, 0)
    await loyalty.assert_ledgers_match()


async def test_an_order_earns_points_before_the_registration_event_arrives(loyalty: Loyalty) -> None:
    customer_id = new_id()
    await loyalty.consume(delivered(new_id(), customer_id))
    assert (await loyalty.get_account(customer_id)).balance == 50


async def test_refunds_reverse_earned_points_in_proportion_and_only_once(loyalty: Loyalty) -> None:
    customer_id, order_id = await loyalty.register_customer(), new_id()
    await loyalty.consume(delivered(order_id, customer_id, 1000))
    await loyalty.consume(refunded(order_id, customer_id, 350, 1050))
    assert (await loyalty.get_account(customer_id)).balance == 67
    for total in (350, 525, 350):
        await loyalty.consume(refunded(order_id, customer_id, total, 1050))
    assert (await loyalty.get_account(customer_id)).balance == 50
    await loyalty.consume(refunded(order_id, customer_id, 1050, 1050))
    account = await loyalty.get_account(customer_id)
    assert (account.balance, account.spend) == (0, rupees(0))
    assert [event.order_points for event in await loyalty.list_events(customer_id, PointsReversed)] == [67, 50, 0]
    await loyalty.assert_ledgers_match()


async def test_a_refund_before_the_delivery_event_is_applied_with_the_delivery(loyalty: Loyalty) -> None:
    customer_id, order_id = await loyalty.register_customer(), new_id()
    await loyalty.consume(refunded(order_id, customer_id, 525, 1050))
    assert (await loyalty.get_account(customer_id)).balance == 0
    await loyalty.consume(delivered(order_id, customer_id, 1000))
    assert (await loyalty.get_account(customer_id)).balance == 50
    await loyalty.assert_ledgers_match()


async def test_points_spent_before_a_refund_become_a_debt_that_later_points_pay(loyalty: Loyalty) -> None:
    customer_id, first, second = await loyalty.register_customer(), new_id(), new_id()
    await loyalty.consume(delivered(first, customer_id, 1000))
    await loyalty.reserve(customer_id, "", 80, second)
    await loyalty.consume(confirmed(second, customer_id))
    await loyalty.consume(refunded(first, customer_id, 1050, 1050))
    account = await loyalty.get_account(customer_id)
    assert (account.balance, account.owed) == (0, 80)
    await loyalty.consume(delivered(new_id(), customer_id, 300))
    account = await loyalty.get_account(customer_id)
    assert (account.balance, account.owed) == (0, 50)
    await loyalty.consume(delivered(new_id(), customer_id, 1000))
    account = await loyalty.get_account(customer_id)
    assert (account.balance, account.owed) == (50, 0)
    await loyalty.assert_ledgers_match()


async def test_points_redeemed_on_a_refunded_order_are_returned_in_proportion(loyalty: Loyalty) -> None:
    customer_id, order_id = await loyalty.register_customer(points=200), new_id()
    await loyalty.reserve(customer_id, "", 200, order_id)
    await loyalty.consume(confirmed(order_id, customer_id), delivered(order_id, customer_id, 450, points_discount=50))
    assert (await loyalty.get_account(customer_id)).balance == 40
    await loyalty.consume(refunded(order_id, customer_id, 210, 420))
    assert (await loyalty.get_account(customer_id)).balance == 20 + 100
    await loyalty.consume(refunded(order_id, customer_id, 420, 420))
    assert (await loyalty.get_account(customer_id)).balance == 200
    await loyalty.consume(cancelled(order_id, customer_id))
    assert (await loyalty.get_account(customer_id)).balance == 200
    await loyalty.assert_ledgers_match()


async def test_a_cancelled_and_refunded_order_returns_its_points_once(loyalty: Loyalty) -> None:
    for arrival in (["cancel", "refund"], ["refund", "cancel"]):
        customer_id, order_id = await loyalty.register_customer(points=100), new_id()
        await loyalty.reserve(customer_id, "", 40, order_id)
        await loyalty.consume(confirmed(order_id, customer_id))
        by_name = {"cancel": cancelled(order_id, customer_id), "refund": refunded(order_id, customer_id, 410, 410)}
        for name in arrival:
            await loyalty.consume(by_name[name])
        account = await loyalty.get_account(customer_id)
        assert (account.balance, account.available, account.owed) == (100, 100, 0)
    await loyalty.assert_ledgers_match()


async def test_the_spend_of_twelve_months_sets_the_tier_and_its_multiplier(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer()
    await loyalty.consume(delivered(new_id(), customer_id, 5000))
    account = await loyalty.get_account(customer_id)
    assert (account.tier, account.balance) == (LoyaltyTier.SILVER, 500)
    assert (account.next_tier, account.spend_to_next_tier) == (LoyaltyTier.GOLD, rupees(20000 - 5250))
    await loyalty.consume(delivered(new_id(), customer_id, 1000))
    assert (await loyalty.get_account(customer_id)).balance == 500 + 125
    await loyalty.consume(delivered(new_id(), customer_id, 50000))
    account = await loyalty.get_account(customer_id)
    assert (account.tier, account.next_tier) == (LoyaltyTier.PLATINUM, LoyaltyTier.UNSPECIFIED)
    assert not account.HasField("spend_to_next_tier")
    await loyalty.consume(delivered(new_id(), customer_id, 100))
    assert (await loyalty.get_account(customer_id)).balance == 625 + 6250 + 20
    changes = [(event.previous_tier, event.tier) for event in await loyalty.list_events(customer_id, TierChanged)]
    assert changes == [(LoyaltyTier.BRONZE, LoyaltyTier.SILVER), (LoyaltyTier.SILVER, LoyaltyTier.PLATINUM)]


async def test_a_refund_lowers_the_tier_again(loyalty: Loyalty) -> None:
    customer_id, order_id = await loyalty.register_customer(), new_id()
    await loyalty.consume(delivered(order_id, customer_id, 6000))
    await loyalty.consume(refunded(order_id, customer_id, 6300, 6300))
    assert (await loyalty.get_account(customer_id)).tier == LoyaltyTier.BRONZE
    assert (await loyalty.list_event_names(customer_id)).count("TierChanged") == 2


async def test_a_tier_ends_when_the_spend_is_older_than_twelve_months(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer()
    await loyalty.consume(delivered(new_id(), customer_id, 6000))
    await loyalty.app.db.run(AGE_ORDERS, id=customer_id, by=timedelta(days=366))
    await update_tiers(loyalty.app)
    await update_tiers(loyalty.app)
    account = await loyalty.get_account(customer_id)
    assert (account.tier, account.spend) == (LoyaltyTier.BRONZE, rupees(0))
    assert (await loyalty.list_event_names(customer_id)).count("TierChanged") == 2


async def test_the_oldest_points_are_spent_first_and_points_expire_after_a_year(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=100)
    await loyalty.app.db.run(AGE_LOTS, id=customer_id, by=timedelta(days=350))
    await loyalty.admin.EarnPoints(
        api.EarnPointsRequest(customer_id=str(customer_id), points=70, reason="a second gift")
    )
    order_id = new_id()
    await loyalty.reserve(customer_id, "", 60, order_id)
    await loyalty.consume(confirmed(order_id, customer_id))
    account = await loyalty.get_account(customer_id)
    assert (account.available, account.expiring_points) == (110, 40)
    await loyalty.app.db.run(AGE_LOTS, id=customer_id, by=timedelta(days=20))
    assert (await loyalty.get_account(customer_id)).available == 70
    await expire_points(loyalty.app)
    await expire_points(loyalty.app)
    account = await loyalty.get_account(customer_id)
    assert (account.balance, account.available) == (70, 70)
    assert [(row.type, row.points) for row in await loyalty.list_ledger(customer_id)][-1] == ("expire", -40)
    assert (await loyalty.list_event_names(customer_id))[-1] == "PointsExpired"
    await loyalty.assert_ledgers_match()


async def test_expired_points_cannot_be_spent_before_the_expiry_job_runs(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=100)
    await loyalty.app.db.run(AGE_LOTS, id=customer_id, by=timedelta(days=366))
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await loyalty.reserve(customer_id, "", 1)
    assert rpc_error(error.value).reason == "INSUFFICIENT_POINTS"


async def test_reserved_points_do_not_expire_and_returned_points_are_valid_for_a_week(loyalty: Loyalty) -> None:
    customer_id, order_id = await loyalty.register_customer(points=100), new_id()
    await loyalty.reserve(customer_id, "", 60, order_id)
    await loyalty.app.db.run(AGE_LOTS, id=customer_id, by=timedelta(days=366))
    await expire_points(loyalty.app)
    account = await loyalty.get_account(customer_id)
    assert (account.balance, account.held, account.available) == (60, 60, 0)
    await loyalty.consume(confirmed(order_id, customer_id), cancelled(order_id, customer_id))
    account = await loyalty.get_account(customer_id)
    assert (account.balance, account.held, account.available, account.expiring_points) == (60, 0, 60, 60)
    await loyalty.assert_ledgers_match()


async def test_the_database_rejects_changes_of_the_ledger(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=100)
    for statement in (
        "UPDATE loyalty_transactions SET points = 1000 WHERE customer_id = %(id)s",
        "UPDATE loyalty_transactions SET description = 'other' WHERE customer_id = %(id)s",
        "DELETE FROM loyalty_transactions WHERE customer_id = %(id)s",
    ):
        with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
            await loyalty.app.db.run(sql(statement), id=customer_id)
    with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        await loyalty.app.db.run(sql("TRUNCATE loyalty_transactions CASCADE"))


async def test_the_database_rejects_a_negative_balance(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=10)
    with pytest.raises(psycopg.errors.CheckViolation):
        await loyalty.app.db.run(
            sql("UPDATE loyalty_accounts SET balance = -1 WHERE customer_id = %(id)s"), id=customer_id
        )


async def test_only_an_administrator_grants_points_and_only_with_a_reason(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer()
    request = api.EarnPointsRequest(customer_id=str(customer_id), points=25, reason="a late delivery")
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await loyalty.as_customer(customer_id).EarnPoints(request)
    assert error.value.code() == grpc.StatusCode.PERMISSION_DENIED
    line = await loyalty.admin.EarnPoints(request)
    assert (line.type, line.points, line.balance_after) == (LoyaltyTransactionType.BONUS, 25, 25)
    assert line.description == "a late delivery"
    for wrong in ({"reason": ""}, {"points": 0}, {"points": -5}, {"customer_id": "me"}):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            bad = {"customer_id": str(customer_id), "points": 25, "reason": "why", **wrong}
            await loyalty.admin.EarnPoints(api.EarnPointsRequest(**bad))  # type: ignore[arg-type]
        assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await loyalty.admin.EarnPoints(api.EarnPointsRequest(customer_id=str(new_id()), points=5, reason="why"))
    assert error.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_customer_sees_only_the_own_account(loyalty: Loyalty) -> None:
    mine, other = await loyalty.register_customer(points=5), await loyalty.register_customer()
    stub = loyalty.as_customer(mine)
    request = api.GetLoyaltyAccountRequest(customer_id=str(other))
    answers = []
    for customer_id in (other, new_id()):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stub.GetLoyaltyAccount(api.GetLoyaltyAccountRequest(customer_id=str(customer_id)))
        answers.append(rpc_error(error.value))
    assert answers[0] == answers[1]
    assert answers[0].code == grpc.StatusCode.NOT_FOUND
    assert (await loyalty.admin.GetLoyaltyAccount(request)).customer_id == str(other)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await loyalty.anonymous.GetLoyaltyAccount(request)
    assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED


async def test_a_new_customer_sees_an_empty_account(loyalty: Loyalty) -> None:
    account = await loyalty.get_account(new_id())
    assert (account.balance, account.tier, account.next_tier) == (0, LoyaltyTier.BRONZE, LoyaltyTier.SILVER)
    assert account.spend_to_next_tier == rupees(5000)


async def test_the_ledger_is_read_in_pages_newest_first(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer()
    for points in range(1, 8):
        await loyalty.admin.EarnPoints(
            api.EarnPointsRequest(customer_id=str(customer_id), points=points, reason="gift")
        )
    stub, token, seen = loyalty.as_customer(customer_id), "", []
    while True:
        page = await stub.ListLoyaltyTransactions(
            api.ListLoyaltyTransactionsRequest(customer_id=str(customer_id), page_size=3, page_token=token)
        )
        seen += [line.points for line in page.transactions]
        token = page.next_page_token
        if not token:
            break
    assert seen == [7, 6, 5, 4, 3, 2, 1]
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await stub.ListLoyaltyTransactions(
            api.ListLoyaltyTransactionsRequest(customer_id=str(customer_id), page_token="forged.token")
        )
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    none = await stub.ListLoyaltyTransactions(
        api.ListLoyaltyTransactionsRequest(customer_id=str(customer_id), type=LoyaltyTransactionType.REDEEM)
    )
    assert not none.transactions


async def test_an_erased_account_has_no_points_and_no_personal_texts(loyalty: Loyalty) -> None:
    customer_id, order_id = await loyalty.register_customer(points=100), new_id()
    await loyalty.reserve(customer_id, "", 30, order_id)
    await loyalty.consume(erased(customer_id), erased(customer_id))
    for stub in (loyalty.as_customer(customer_id), loyalty.admin):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stub.GetLoyaltyAccount(api.GetLoyaltyAccountRequest(customer_id=str(customer_id)))
        assert error.value.code() == grpc.StatusCode.NOT_FOUND
    await loyalty.consume(cancelled(order_id, customer_id), delivered(new_id(), customer_id))
    rows = await loyalty.app.db.all(
        sql(
            """
            SELECT a.balance, a.held, a.referral_code, t.description FROM loyalty_accounts a
            JOIN loyalty_transactions t USING (customer_id) WHERE a.customer_id = %(id)s AND t.actor_id IS NOT NULL
            """,
            row=ErasedAccountRow,
        ),
        id=customer_id,
    )
    assert rows == [ErasedAccountRow(0, 0, None, None)]
    await loyalty.assert_ledgers_match()


async def test_an_erasure_before_the_registration_event_stays(loyalty: Loyalty) -> None:
    customer_id = new_id()
    await loyalty.consume(erased(customer_id))
    await loyalty.consume(delivered(new_id(), customer_id))
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await loyalty.get_account(customer_id)
    assert error.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_bonus_campaign_adds_points_to_delivered_orders_within_its_limits(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer()
    double = await loyalty.create_campaign(
        type=CampaignType.LOYALTY_BONUS,
        code=None,
        percent_basis_points=20000,
        usage_limit=2,
        usage_per_customer=1,
        customer_segments=[CustomerSegment.NEW, CustomerSegment.GOLD],
        min_order_value=rupees(100),
    )
    try:
        order_id = new_id()
        await loyalty.consume(delivered(order_id, customer_id, 500))
        assert [(row.type, row.points) for row in await loyalty.list_ledger(customer_id)] == [
            ("earn", 50),
            ("bonus", 100),
        ]
        assert [event.order_points for event in await loyalty.list_events(customer_id, PointsEarned)] == [50, 150]
        await loyalty.consume(delivered(new_id(), customer_id, 500))
        assert (await loyalty.get_account(customer_id)).balance == 200
        await loyalty.consume(refunded(order_id, customer_id, 525, 525))
        assert (await loyalty.get_account(customer_id)).balance == 50
        newcomers = [await loyalty.register_customer() for _ in range(6)]
        await asyncio.gather(*(loyalty.consume(delivered(new_id(), newcomer, 500)) for newcomer in newcomers))
        balances = sorted([(await loyalty.get_account(newcomer)).balance for newcomer in newcomers])
        assert balances == [50] * 5 + [150]
    finally:
        await loyalty.admin.UpdateCampaign(api.UpdateCampaignRequest(id=double.id, is_active=False))
    await loyalty.assert_ledgers_match()


async def test_a_bonus_with_a_code_counts_for_orders_placed_with_it(loyalty: Loyalty) -> None:
    customer_id, order_id = await loyalty.register_customer(), new_id()
    campaign = await loyalty.create_campaign(
        type=CampaignType.LOYALTY_BONUS,
        discount_type=DiscountType.UNSPECIFIED,
        percent_basis_points=0,
        bonus_points=77,
    )
    granted = await loyalty.reserve(customer_id, campaign.code, 0, order_id)
    assert (granted.coupon_discount, granted.free_delivery) == (rupees(0), False)
    await loyalty.consume(confirmed(order_id, customer_id), delivered(order_id, customer_id, 500))
    assert (await loyalty.get_account(customer_id)).balance == 50 + 77


async def refer(loyalty: Loyalty, referrer: UUID, newcomer: UUID) -> UUID:
    code = (await loyalty.get_account(referrer)).referral_code
    order_id = new_id()
    await loyalty.reserve(newcomer, code, 0, order_id)
    await loyalty.consume(confirmed(order_id, newcomer))
    return order_id


async def test_a_referral_pays_both_once_the_order_is_delivered(loyalty: Loyalty) -> None:
    campaign = await loyalty.create_campaign(
        type=CampaignType.REFERRAL,
        code=None,
        discount_type=DiscountType.FIXED,
        percent_basis_points=0,
        amount=rupees(50),
        bonus_points=200,
    )
    try:
        referrer, newcomer = await loyalty.register_customer(), await loyalty.register_customer()
        code = (await loyalty.get_account(referrer)).referral_code
        assert (await loyalty.quote(newcomer, code.lower())).coupon_discount == rupees(50)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await loyalty.quote(referrer, code)
        assert rpc_error(error.value).reason == "COUPON_INVALID"
        order_id = await refer(loyalty, referrer, newcomer)
        assert (await loyalty.get_account(referrer)).balance == 0
        await loyalty.consume(delivered(order_id, newcomer, 500, discount=50))
        assert (await loyalty.get_account(referrer)).balance == 200
        (event,) = await loyalty.list_events(referrer, PointsEarned)
        assert (event.order_id, event.order_points) == ("", 0)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await loyalty.reserve(newcomer, code)
        assert rpc_error(error.value).metadata["cause"] == "NOT_FOR_CUSTOMER"
        await loyalty.consume(refunded(order_id, newcomer, 200, 472.5))
        assert (await loyalty.get_account(referrer)).balance == 200
        await loyalty.consume(refunded(order_id, newcomer, 472.5, 472.5))
        assert (await loyalty.get_account(referrer)).balance == 0
    finally:
        await loyalty.admin.UpdateCampaign(api.UpdateCampaignRequest(id=campaign.id, is_active=False))
    await loyalty.assert_ledgers_match()


async def test_a_repeated_grant_with_the_same_key_is_made_once(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer()
    stub = loyalty.stub(admin().sending(idempotency_key="gift-1"))
    request = api.EarnPointsRequest(customer_id=str(customer_id), points=10, reason="once")
    lines = await asyncio.gather(*(stub.EarnPoints(request) for _ in range(4)))
    assert len({line.id for line in lines}) == 1
    assert (await loyalty.get_account(customer_id)).balance == 10


async def test_event_times_equal_those_of_the_ledger(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer(points=1)
    page = await loyalty.stub(customer(customer_id)).ListLoyaltyTransactions(
        api.ListLoyaltyTransactionsRequest(customer_id=str(customer_id))
    )
    now = Timestamp()
    now.GetCurrentTime()
    assert abs(page.transactions[0].created_at.seconds - now.seconds) < 60
    assert page.transactions[0].expires_at.seconds - now.seconds > 364 * 86400
