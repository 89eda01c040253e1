"""Which campaigns make sense, what codes look like, and which fields an update means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from jainshikanji.loyalty.v1 import loyalty_service_pb2 as api
from jainshikanji.loyalty.v1.campaign_pb2 import CampaignType, DiscountType
from jainshikanji.order.v1.order_pb2 import OrderStatus
from jainshikanji.type.v1.money_pb2 import Money

from chassis.errors import InvalidArgument
from services.loyalty import clients, wire
from services.loyalty.model.benefits import Terms
from services.loyalty.model.campaigns import ALPHABET, check_campaign, new_code
from services.loyalty.servicer import client_address

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
def test_every_type_of_campaign_can_be_made(terms: Terms, code: str | None) -> None:
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
def test_a_campaign_that_could_do_nothing_is_refused(terms: Terms, code: str | None, field: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        check_campaign(terms, code, START, END)
    assert refusal.value.violations[0][0] == field


def test_a_campaign_ends_after_it_starts() -> None:
    with pytest.raises(InvalidArgument):
        check_campaign(Terms("discount", "percentage", Decimal(10)), "SAVE", START, START)


def test_codes_are_long_random_and_readable() -> None:
    codes = {new_code("V", 12) for _ in range(1000)}
    assert len(codes) == 1000
    assert all(len(code) == 13 and code[0] == "V" and set(code[1:]) <= set(ALPHABET) for code in codes)
    assert not set("IOU01") & set(ALPHABET)


def test_codes_are_compared_without_case_and_space() -> None:
    assert wire.normalise_code("  diwali-10 ") == "DIWALI-10"


def test_an_update_without_a_mask_means_what_is_present() -> None:
    request = api.UpdateCampaignRequest(id="x", name="", usage_per_customer=0)
    assert wire.campaign_changes(request) == {"name": "", "usage_per_customer": None}


def test_an_update_with_a_mask_means_what_it_names() -> None:
    request = api.UpdateCampaignRequest(
        id="x", name="kept out", update_mask=FieldMask(paths=["usage_limit", "usage_limit", "max_discount"])
    )
    assert wire.campaign_changes(request) == {"usage_limit": None, "max_discount": None}


@pytest.mark.parametrize("path", ["id", "update_mask", "type", "current_usage", "nonsense", "is_active"])
def test_an_update_cannot_name_what_it_cannot_change_or_clear(path: str) -> None:
    with pytest.raises(InvalidArgument):
        wire.campaign_changes(api.UpdateCampaignRequest(id="x", update_mask=FieldMask(paths=[path])))


def test_a_size_must_fit_its_discount_type() -> None:
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
            wire.campaign_columns(request)
    both = api.UpdateCampaignRequest(percent_basis_points=5, amount=Money(currency_code="INR", minor_units=5))
    with pytest.raises(InvalidArgument):
        wire.campaign_changes(both)


@pytest.mark.parametrize(
    ("money", "field"),
    [
        (Money(currency_code="USD", minor_units=1), "x.currencyCode"),
        (Money(minor_units=1), "x.currencyCode"),
        (Money(currency_code="INR", minor_units=-1), "x.minorUnits"),
        (Money(currency_code="INR", minor_units=10**10), "x.minorUnits"),
        (Money(currency_code="INR", minor_units=2**62), "x.minorUnits"),
    ],
)
def test_an_amount_is_rupees_that_fit(money: Money, field: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        wire.amount("x", money)
    assert refusal.value.violations[0][0] == field


def test_every_state_of_an_order_has_a_fate() -> None:
    fates = {name: clients._fate(OrderStatus.Value.Value(name)) for name in OrderStatus.Value.keys()}  # noqa: SIM118
    assert {name for name, fate in fates.items() if fate is clients.Fate.OPEN} == {"UNSPECIFIED", "PENDING"}
    assert {name for name, fate in fates.items() if fate is clients.Fate.DEAD} == {"CANCELLED", "REFUNDED"}


@pytest.mark.parametrize(
    ("metadata", "address"),
    [
        ({"x-envoy-external-address": "203.0.113.7", "x-forwarded-for": "1.2.3.4"}, "203.0.113.7"),
        ({"x-forwarded-for": "9.9.9.9, 203.0.113.7"}, "203.0.113.7"),
        ({"x-forwarded-for": "203.0.113.7"}, "203.0.113.7"),
        ({}, ""),
    ],
)
def test_the_address_is_what_the_edge_saw_not_what_the_client_says(metadata: dict[str, str], address: str) -> None:
    assert client_address(metadata) == address
