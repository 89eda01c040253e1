"""The demo's data keeps the rules that the platform will hold it to."""

from __future__ import annotations

import re

from devstack.menu import CATEGORIES, CUSTOMERS, MENU, OUTLETS, STAFF
from devstack.rest import rupees, shown

ROOTS = {"onion", "garlic", "potato", "carrot", "radish", "beetroot", "turnip", "ginger", "yam"}


def test_nothing_on_the_menu_has_onion_garlic_or_a_root() -> None:
    for dish in MENU:
        words = {word for text in (*dish.ingredients, *dish.tags) for word in text.split()}
        assert not words & ROOTS, dish.slug


def test_slugs_and_categories_are_known_and_unique() -> None:
    assert len({dish.slug for dish in MENU}) == len(MENU) >= 25
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", dish.slug) for dish in MENU)
    assert {dish.category for dish in MENU} == set(CATEGORIES)


def test_stores_stand_in_two_cities_and_their_zones_do_not_overlap() -> None:
    assert {outlet.address["city"] for outlet in OUTLETS} == {"Mumbai", "Ahmedabad"}
    for outlet in OUTLETS:
        codes = [code for zone in outlet.zones for code in zone["postalCodes"]]
        assert len(codes) == len(set(codes))
        assert outlet.address["postalCode"] in codes


def test_each_customer_lives_where_a_store_delivers() -> None:
    codes = {code for outlet in OUTLETS for zone in outlet.zones for code in zone["postalCodes"]}
    assert all(address["postalCode"] in codes for *_, address in CUSTOMERS)


def test_every_job_has_somebody() -> None:
    assert {job for job, _ in STAFF} == {"MANAGER", "CHEF", "CASHIER", "DELIVERY", "SUPPORT"}


def test_rupees_become_paise_without_a_float() -> None:
    assert rupees("249") == {"currencyCode": "INR", "minorUnits": "24900"}
    assert rupees("0.05")["minorUnits"] == "5"
    assert rupees("1234.5")["minorUnits"] == "123450"
    assert shown(rupees("1249.05")) == "₹1,249.05"
