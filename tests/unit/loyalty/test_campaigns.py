"""Which campaigns make sense, what codes look like, and which fields an update means."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from jainshikanji.loyalty.v1 import loyalty_service_pb2 as api
from jainshikanji.loyalty.v1.campaign_pb2 import CampaignType, DiscountType
from jainshikanji.loyalty.v1.tier_pb2 import LoyaltyTier
from jainshikanji.order.v1.order_pb2 import OrderStatus
from jainshikanji.type.v1.money_pb2 import Money

from chassis.errors import InvalidArgument
from services.loyalty import clients, wire
from services.loyalty.model.benefits import Terms
from services.loyalty.model.campaigns import ALPHABET, check_campaign, new_code

CAMPAIGN_ID = "019a0000-0000-7000-8000-000000000001"
START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=1)


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        (Terms("discount", "percentage", Decimal(10)), "SAVE"),
        (Terms("discount", "fixed", Decimal(10)), "SAVE"),
        (Terms("discount", "free_item", None), "SAVE"),
        (Terms("bogo", "free_item", None), "SAVE"),
        (Terms("bogo", "percentage", Decimal(50)), "SAVE"),
        (Terms("free_delivery", "free_delivery", None), "SAVE"),
        (Terms("loyalty_bonus", "percentage", Decimal(200)), None),
        (Terms("loyalty_bonus", None, None, bonus_points=10), "SAVE"),
        (Terms("referral", "fixed", Decimal(50), bonus_points=10), None),
        (Terms("referral", None, None, bonus_points=10), None),
    ],
    ids=str,
)
def test_a_campaign_of_every_type_is_accepted(terms: Terms, code: str | None) -> None:
    check_campaign(terms, code, START, END)


@pytest.mark.parametrize(
    ("terms", "code", "field"),
    [
        (Terms("discount", "percentage", Decimal(10)), None, "code"),
        (Terms("referral", None, None, bonus_points=10), "SAVE", "code"),
        (Terms("bogo", "fixed", Decimal(10)), "SAVE", "discountType"),
        (Terms("loyalty_bonus", "fixed", Decimal(10)), None, "discountType"),
        (Terms("referral", "fixed", Decimal(50)), None, "bonusPoints"),
        (Terms("discount", "fixed", Decimal(50), bonus_points=3), "SAVE", "bonusPoints"),
        (Terms("discount", "percentage", Decimal("100.01")), "SAVE", "percentBasisPoints"),
        (Terms("discount", "free_item", Decimal(5)), "SAVE", "discountType"),
        (Terms("free_delivery", "free_delivery", None, max_discount=Decimal(5)), "SAVE", "maxDiscount"),
    ],
    ids=str,
)
def test_a_campaign_without_effect_is_rejected(terms: Terms, code: str | None, field: str) -> None:
    with pytest.raises(InvalidArgument) as rejected:
        check_campaign(terms, code, START, END)
    assert rejected.value.violations[0][0] == field


def test_a_campaign_ends_after_it_starts() -> None:
    with pytest.raises(InvalidArgument):
        check_campaign(Terms("discount", "percentage", Decimal(10)), "SAVE", START, START)


def test_codes_are_long_random_and_readable() -> None:
    codes = {new_code("V", 12) for _ in range(1000)}
    assert len(codes) == 1000
    assert all(len(code) == 13 and code[0] == "V" and set(code[1:]) <= set(ALPHABET) for code in codes)
    assert not set("IOU01") & set(ALPHABET)


def changes(request: api.UpdateCampaignRequest) -> Mapping[Any, Any]:
    return wire.update_campaign_from_proto(request).changes


def test_codes_are_compared_without_case_and_space() -> None:
    assert wire.normalise_code("  diwali-10 ") == "DIWALI-10"


def test_an_update_without_a_mask_changes_the_present_fields() -> None:
    request = api.UpdateCampaignRequest(id=CAMPAIGN_ID, name="", usage_per_customer=0)
    assert changes(request) == {"name": "", "usage_per_customer": None}


def test_an_update_with_a_mask_changes_the_named_fields() -> None:
    request = api.UpdateCampaignRequest(
        id=CAMPAIGN_ID, name="kept out", update_mask=FieldMask(paths=["usage_limit", "usage_limit", "max_discount"])
    )
    assert changes(request) == {"usage_limit": None, "max_discount": None}


@pytest.mark.parametrize("path", ["id", "update_mask", "type", "current_usage", "nonsense", "is_active"])
def test_a_mask_must_not_name_fields_that_cannot_be_changed_or_cleared(path: str) -> None:
    with pytest.raises(InvalidArgument):
        changes(api.UpdateCampaignRequest(id=CAMPAIGN_ID, update_mask=FieldMask(paths=[path])))


def test_the_discount_value_must_fit_the_discount_type() -> None:
    fixed = api.CreateCampaignRequest(
        type=CampaignType.DISCOUNT, discount_type=DiscountType.FIXED, percent_basis_points=5
    )
    percentage = api.CreateCampaignRequest(
        type=CampaignType.DISCOUNT,
        discount_type=DiscountType.PERCENTAGE,
        amount=Money(currency_code="INR", minor_units=5),
    )
    for request in (fixed, percentage):
        with pytest.raises(InvalidArgument):
            wire.new_campaign_from_proto(request)
    both = api.UpdateCampaignRequest(
        id=CAMPAIGN_ID, percent_basis_points=5, amount=Money(currency_code="INR", minor_units=5)
    )
    with pytest.raises(InvalidArgument):
        changes(both)


@pytest.mark.parametrize(
    ("money", "field"),
    [
        (Money(currency_code="USD", minor_units=1), "minSpend.currencyCode"),
        (Money(minor_units=1), "minSpend.currencyCode"),
        (Money(currency_code="INR", minor_units=-1), "minSpend.minorUnits"),
        (Money(currency_code="INR", minor_units=10**10), "minSpend.minorUnits"),
        (Money(currency_code="INR", minor_units=2**62), "minSpend.minorUnits"),
    ],
)
def test_an_amount_is_in_rupees_and_in_range(money: Money, field: str) -> None:
    with pytest.raises(InvalidArgument) as rejected:
        wire.update_tier_from_proto(api.UpdateTierRequest(tier=LoyaltyTier.GOLD, min_spend=money))
    assert rejected.value.violations[0][0] == field


def test_every_state_of_an_order_has_an_outcome() -> None:
    outcomes = {name: clients.read_outcome(value) for name, value in OrderStatus.Value.items()}
    assert {name for name, found in outcomes.items() if found is clients.Outcome.OPEN} == {"UNSPECIFIED", "PENDING"}
    cancelled = {name for name, found in outcomes.items() if found is clients.Outcome.CANCELLED}
    assert cancelled == {"CANCELLED", "REFUNDED"}
