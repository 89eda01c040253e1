"""Campaigns of administrators, and the coupons that customers see."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from jainshikanji.loyalty.v1 import loyalty_service_pb2 as api
from jainshikanji.loyalty.v1.campaign_pb2 import CampaignType, CustomerSegment, DiscountType
from jainshikanji.loyalty.v1.tier_pb2 import LoyaltyTier
from jainshikanji.type.v1.money_pb2 import Money

from chassis.ids import new_id
from services.loyalty.model.campaigns import new_code
from tests.harness import customer, rpc_error, staff
from tests.integration.loyalty.conftest import Loyalty, delivered, rupees, timestamp


async def test_a_campaign_is_read_as_it_was_created(loyalty: Loyalty) -> None:
    product = str(new_id())
    campaign = await loyalty.create_campaign(
        code="हिन्दी".encode("idna").decode() + "-x1",
        description="निम्बू 🍋 शिकंजी",
        discount_type=DiscountType.FIXED,
        percent_basis_points=0,
        amount=rupees("49.50"),
        min_order_value=rupees(199),
        applicable_products=[product],
        applicable_categories=["Lassi"],
        customer_segments=[CustomerSegment.LAPSED],
        usage_limit=7,
        usage_per_customer=0,
        is_listed=False,
    )
    assert campaign.code == ("हिन्दी".encode("idna").decode() + "-x1").upper()
    assert campaign.description == "निम्बू 🍋 शिकंजी"
    assert (campaign.amount, campaign.min_order_value) == (rupees("49.50"), rupees(199))
    assert list(campaign.applicable_products) == [product]
    assert (campaign.usage_limit, campaign.HasField("usage_per_customer"), campaign.current_usage) == (7, False, 0)
    listed = await everything(loyalty, loyalty.admin, include_all=True)
    assert campaign in listed


async def everything(loyalty: Loyalty, stub: object, **fields: object) -> list[object]:
    found: list[object] = []
    token = ""
    while True:
        page = await stub.ListCampaigns(  # type: ignore[attr-defined]
            api.ListCampaignsRequest(page_size=7, page_token=token, **fields)  # type: ignore[arg-type]
        )
        found += page.campaigns
        token = page.next_page_token
        if not token:
            return found


async def test_the_public_list_has_only_running_listed_campaigns(loyalty: Loyalty) -> None:
    running = await loyalty.create_campaign()
    hidden = [
        await loyalty.create_campaign(is_listed=False),
        await loyalty.create_campaign(is_active=False),
        await loyalty.create_campaign(starts_at=timestamp(hours=-1), ends_at=timestamp(hours=-2)),
        await loyalty.create_campaign(starts_at=timestamp(hours=2), ends_at=timestamp(hours=1)),
    ]
    for stub in (loyalty.anonymous, loyalty.as_customer(new_id()), loyalty.admin):
        seen = await everything(loyalty, stub)
        assert running in seen
        assert not [campaign for campaign in hidden if campaign in seen]
    everywhere = await everything(loyalty, loyalty.admin, include_all=True)
    assert all(campaign in everywhere for campaign in hidden)
    for stub in (loyalty.anonymous, loyalty.as_customer(new_id()), loyalty.stub(staff(new_id(), new_id(), "manager"))):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stub.ListCampaigns(api.ListCampaignsRequest(include_all=True))
        assert error.value.code() == grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"code": None}, "code"),
        ({"code": "a b"}, "code"),
        ({"code": "abc"}, "code"),
        ({"type": CampaignType.REFERRAL, "bonus_points": 5}, "code"),
        ({"discount_type": DiscountType.UNSPECIFIED, "percent_basis_points": 0}, "discountType"),
        ({"discount_type": DiscountType.FREE_DELIVERY, "percent_basis_points": 0}, "discountType"),
        ({"percent_basis_points": 0}, "percentBasisPoints"),
        ({"percent_basis_points": 10001}, "percentBasisPoints"),
        ({"amount": Money(currency_code="INR", minor_units=100)}, "amount"),
        ({"discount_type": DiscountType.FIXED, "percent_basis_points": 0}, "amount"),
        ({"discount_type": DiscountType.FIXED, "percent_basis_points": 0, "amount": rupees(0)}, "amount"),
        (
            {"discount_type": DiscountType.FIXED, "percent_basis_points": 0, "amount": Money(currency_code="USD")},
            "amount.currencyCode",
        ),
        ({"max_discount": Money(currency_code="INR", minor_units=-1)}, "maxDiscount.minorUnits"),
        ({"max_discount": Money(currency_code="INR", minor_units=10**10)}, "maxDiscount.minorUnits"),
        ({"max_discount": rupees(0)}, "maxDiscount"),
        ({"ends_at": timestamp(hours=2)}, "endsAt"),
        ({"starts_at": None}, "startsAt"),
        ({"starts_at": Timestamp(seconds=-(10**13))}, "startsAt"),
        ({"bonus_points": 5}, "bonusPoints"),
        ({"type": CampaignType.LOYALTY_BONUS, "discount_type": 0, "percent_basis_points": 0}, "bonusPoints"),
        ({"usage_limit": 0}, "usageLimit"),
        ({"customer_segments": [99]}, "customerSegments[0]"),
        ({"applicable_products": ["x"]}, "applicableProducts[0]"),
        ({"type": 77}, "type"),
    ],
    ids=str,
)
async def test_an_invalid_campaign_is_rejected_with_its_field(
    loyalty: Loyalty, fields: dict[str, object], field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await loyalty.create_campaign(**fields)
    found = rpc_error(error.value)
    assert found.code == grpc.StatusCode.INVALID_ARGUMENT
    assert field in found.violations


async def test_two_campaigns_cannot_have_one_code(loyalty: Loyalty) -> None:
    code = new_code("T", 10)
    outcomes = await asyncio.gather(
        *(loyalty.create_campaign(code=code.lower() if odd else code) for odd in (0, 1, 0)), return_exceptions=True
    )
    failures = [rpc_error(outcome) for outcome in outcomes if isinstance(outcome, grpc.aio.AioRpcError)]
    assert [(found.code, found.reason) for found in failures] == [(grpc.StatusCode.ALREADY_EXISTS, "CODE_TAKEN")] * 2


async def test_only_administrators_create_and_update_campaigns(loyalty: Loyalty) -> None:
    for identity in (customer(new_id()), staff(new_id(), new_id(), "manager")):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await loyalty.stub(identity).CreateCampaign(
                api.CreateCampaignRequest(
                    name="Mine",
                    code="FREE-FOOD",
                    type=CampaignType.DISCOUNT,
                    discount_type=DiscountType.PERCENTAGE,
                    percent_basis_points=10000,
                    starts_at=timestamp(hours=1),
                    ends_at=timestamp(hours=-1),
                )
            )
        assert error.value.code() == grpc.StatusCode.PERMISSION_DENIED


async def test_an_update_changes_the_present_or_the_named_fields(loyalty: Loyalty) -> None:
    campaign = await loyalty.create_campaign(usage_limit=5, description="old", applicable_categories=["Lassi"])
    changed = await loyalty.admin.UpdateCampaign(
        api.UpdateCampaignRequest(id=campaign.id, name="New", percent_basis_points=500)
    )
    assert (changed.name, changed.percent_basis_points) == ("New", 500)
    assert (changed.usage_limit, changed.description) == (5, "old")
    assert changed.updated_at.ToNanoseconds() > campaign.updated_at.ToNanoseconds()
    cleared = await loyalty.admin.UpdateCampaign(
        api.UpdateCampaignRequest(
            id=campaign.id,
            name="ignored",
            update_mask=FieldMask(paths=["usage_limit", "description", "applicable_categories"]),
        )
    )
    assert not cleared.HasField("usage_limit")
    assert (cleared.description, list(cleared.applicable_categories), cleared.name) == ("", [], "New")
    for paths in (["type"], ["current_usage"], ["name"], ["starts_at"]):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await loyalty.admin.UpdateCampaign(
                api.UpdateCampaignRequest(id=campaign.id, update_mask=FieldMask(paths=paths))
            )
        assert "updateMask" in rpc_error(error.value).violations
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await loyalty.admin.UpdateCampaign(api.UpdateCampaignRequest(id=str(new_id()), name="None"))
    assert error.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_usage_limit_cannot_be_set_below_the_usage(loyalty: Loyalty) -> None:
    campaign = await loyalty.create_campaign(usage_limit=5)
    for _ in range(3):
        await loyalty.reserve(new_id(), campaign.code)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await loyalty.admin.UpdateCampaign(api.UpdateCampaignRequest(id=campaign.id, usage_limit=2))
    found = rpc_error(error.value)
    assert (found.reason, found.metadata) == ("USAGE_LIMIT_BELOW_USAGE", {"current_usage": "3"})
    assert (
        await loyalty.admin.UpdateCampaign(api.UpdateCampaignRequest(id=campaign.id, usage_limit=3))
    ).usage_limit == 3


async def test_a_coupon_shows_its_discount_and_its_remaining_uses(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer()
    campaign = await loyalty.create_campaign(usage_limit=9, usage_per_customer=2, max_discount=rupees(80))
    stub = loyalty.as_customer(customer_id)
    coupon = await stub.GetCoupon(api.GetCouponRequest(code=campaign.code.lower()))
    assert (coupon.code, coupon.percent_basis_points, coupon.max_discount) == (campaign.code, 1000, rupees(80))
    assert coupon.uses_left == 2
    await loyalty.reserve(customer_id, campaign.code)
    assert (await stub.GetCoupon(api.GetCouponRequest(code=campaign.code))).uses_left == 1
    await loyalty.reserve(customer_id, campaign.code)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await stub.GetCoupon(api.GetCouponRequest(code=campaign.code))
    assert error.value.code() == grpc.StatusCode.NOT_FOUND


async def test_an_unusable_coupon_gives_the_error_of_an_unknown_one(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer()
    await loyalty.consume(delivered(new_id(), customer_id))
    over = await loyalty.create_campaign(starts_at=timestamp(hours=2), ends_at=timestamp(hours=1))
    for_new = await loyalty.create_campaign(customer_segments=[CustomerSegment.NEW])
    answers = []
    for code in (over.code, for_new.code, new_code("X", 10)):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await loyalty.as_customer(customer_id).GetCoupon(api.GetCouponRequest(code=code))
        answers.append(rpc_error(error.value))
    assert answers[0] == answers[1] == answers[2]
    assert answers[0].code == grpc.StatusCode.NOT_FOUND


async def test_guesses_of_codes_are_limited_also_when_they_are_concurrent(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer()
    campaign = await loyalty.create_campaign()
    stub = loyalty.as_customer(customer_id)

    async def guess(code: str) -> grpc.StatusCode:
        try:
            await stub.GetCoupon(api.GetCouponRequest(code=code))
        except grpc.aio.AioRpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    for _ in range(30):
        assert await guess(campaign.code) == grpc.StatusCode.OK
    outcomes = await asyncio.gather(*(guess(new_code("X", 8)) for _ in range(40)))
    assert outcomes.count(grpc.StatusCode.NOT_FOUND) == 10
    assert outcomes.count(grpc.StatusCode.RESOURCE_EXHAUSTED) == 30
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await stub.GetCoupon(api.GetCouponRequest(code=campaign.code))
    assert rpc_error(error.value).reason == "TOO_MANY_GUESSES"
    for attempt in (loyalty.quote, loyalty.reserve):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await attempt(customer_id, campaign.code)
        assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await loyalty.as_customer(new_id()).GetCoupon(api.GetCouponRequest(code=campaign.code))).code


async def test_guesses_in_quotes_and_orders_are_counted_too(loyalty: Loyalty) -> None:
    customer_id = await loyalty.register_customer()
    codes = []
    for attempt in [loyalty.quote, loyalty.reserve] * 6:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await attempt(customer_id, new_code("X", 8))
        codes.append(error.value.code())
    assert codes == [grpc.StatusCode.ABORTED] * 10 + [grpc.StatusCode.RESOURCE_EXHAUSTED] * 2


async def test_guesses_of_many_accounts_from_one_address_are_limited_too(loyalty: Loyalty) -> None:
    outcomes = []
    for _ in range(32):
        identity = customer(new_id()).sending(x_forwarded_for="10.9.9.9, 203.0.113.7")
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await loyalty.stub(identity).GetCoupon(api.GetCouponRequest(code=new_code("X", 8)))
        outcomes.append(error.value.code())
    assert outcomes == [grpc.StatusCode.NOT_FOUND] * 30 + [grpc.StatusCode.RESOURCE_EXHAUSTED] * 2


async def test_tiers_are_public_and_sorted_by_spend(loyalty: Loyalty) -> None:
    tiers = (await loyalty.anonymous.ListTiers(api.ListTiersRequest())).tiers
    assert [(tier.tier, tier.multiplier_basis_points) for tier in tiers] == [
        (LoyaltyTier.BRONZE, 10000),
        (LoyaltyTier.SILVER, 12500),
        (LoyaltyTier.GOLD, 15000),
        (LoyaltyTier.PLATINUM, 20000),
    ]
    assert [tier.min_spend for tier in tiers] == [rupees(0), rupees(5000), rupees(20000), rupees(50000)]
    for wrong in (
        api.UpdateTierRequest(tier=LoyaltyTier.BRONZE, min_spend=rupees(1)),
        api.UpdateTierRequest(tier=LoyaltyTier.SILVER, min_spend=rupees(20000)),
        api.UpdateTierRequest(tier=LoyaltyTier.GOLD, multiplier_basis_points=12000),
        api.UpdateTierRequest(tier=LoyaltyTier.GOLD, multiplier_basis_points=9999),
        api.UpdateTierRequest(multiplier_basis_points=12000),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await loyalty.admin.UpdateTier(wrong)
        assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await loyalty.as_customer(new_id()).UpdateTier(api.UpdateTierRequest(tier=LoyaltyTier.GOLD))
    assert error.value.code() == grpc.StatusCode.PERMISSION_DENIED
    changed = await loyalty.admin.UpdateTier(
        api.UpdateTierRequest(tier=LoyaltyTier.PLATINUM, multiplier_basis_points=21000)
    )
    assert (changed.multiplier_basis_points, changed.min_spend) == (21000, rupees(50000))
    await loyalty.admin.UpdateTier(api.UpdateTierRequest(tier=LoyaltyTier.PLATINUM, multiplier_basis_points=20000))
