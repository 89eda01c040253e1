"""The demo data satisfies the rules of the platform."""

from __future__ import annotations

import re

from devstack.menu import CATEGORIES, CUSTOMERS, MENU, OUTLETS, STAFF
from devstack.rest import format_money, rupees_to_money

ROOTS = {"onion", "garlic", "potato", "carrot", "radish", "beetroot", "turnip", "ginger", "yam"}


def test_no_product_contains_onion_garlic_or_root_vegetables() -> None:
    for dish in MENU:
        words = {word for text in (*dish.ingredients, *dish.tags) for word in text.split()}
        assert not words & ROOTS, dish.slug


def test_slugs_and_categories_are_known_and_unique() -> None:
    assert len({dish.slug for dish in MENU}) == len(MENU) >= 25
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", dish.slug) for dish in MENU)
    assert {dish.category for dish in MENU} == set(CATEGORIES)


def test_stores_are_in_two_cities_and_delivery_zones_do_not_overlap() -> None:
    assert {outlet.address["city"] for outlet in OUTLETS} == {"Mumbai", "Ahmedabad"}
    for outlet in OUTLETS:
        codes = [code for zone in outlet.zones for code in zone["postalCodes"]]
        assert len(codes) == len(set(codes))
        assert outlet.address["postalCode"] in codes


def test_each_customer_lives_in_a_delivery_zone() -> None:
    codes = {code for outlet in OUTLETS for zone in outlet.zones for code in zone["postalCodes"]}
    assert all(address["postalCode"] in codes for *_, address in CUSTOMERS)


def test_every_job_has_staff() -> None:
    assert {job for job, _ in STAFF} == {"MANAGER", "CHEF", "CASHIER", "DELIVERY", "SUPPORT"}


def test_rupees_become_paise_without_a_float() -> None:
    assert rupees_to_money("249") == {"currencyCode": "INR", "minorUnits": "24900"}
    assert rupees_to_money("0.05")["minorUnits"] == "5"
    assert rupees_to_money("1234.5")["minorUnits"] == "123450"
    assert format_money(rupees_to_money("1249.05")) == "₹1,249.05"
