"""Dates of sale, slugs, and the choice of options."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.inventory.model.menu import (
    Customization,
    InvalidChoice,
    Option,
    check_customizations,
    choose_options,
    compute_unit_price,
    is_on_sale,
    local_date,
    make_slug,
)


def option(modifier: str = "0.00", *, default: bool = False) -> Option:
    return Option(uuid4(), f"option {modifier}", Decimal(modifier), default)


def customization(type_: str, *options: Option, required: bool = False) -> Customization:
    return Customization(uuid4(), "Size", type_, required, options)


def test_the_date_is_that_of_india() -> None:
    assert local_date(datetime(2025, 11, 29, 18, 29, tzinfo=UTC)) == date(2025, 11, 29)
    assert local_date(datetime(2025, 11, 29, 18, 30, tzinfo=UTC)) == date(2025, 11, 30)


@pytest.mark.parametrize(
    ("schedule", "on_sale"),
    [
        (None, True),
        ({}, True),
        ({"startDate": "2025-11-29"}, True),
        ({"startDate": "2025-11-30"}, False),
        ({"endDate": "2025-11-29"}, True),
        ({"endDate": "2025-11-28"}, False),
        ({"startDate": "2025-11-01", "endDate": "2025-11-29"}, True),
        ({"startDate": "", "endDate": ""}, True),
    ],
)
def test_both_dates_of_a_schedule_are_on_sale(schedule: dict[str, str] | None, on_sale: bool) -> None:
    assert is_on_sale(schedule, date(2025, 11, 29)) is on_sale


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Mango Lassi (Large)", "mango-lassi-large"),
        ("  Crème  brûlée!! ", "creme-brulee"),
        ("शिकंजी", ""),
        ("--", ""),
        ("a" * 300, "a" * 200),
        ("a" * 199 + " b", "a" * 199),
    ],
)
def test_a_slug_consists_of_the_letters_of_the_name(name: str, slug: str) -> None:
    assert make_slug(name, 200) == slug


def test_one_option_of_a_radio_may_be_chosen() -> None:
    small, large = option(), option("20.00")
    radio = customization("radio", small, large)
    assert [choice.option for choice in choose_options([radio], [large.id])] == [large]
    with pytest.raises(InvalidChoice, match="only one"):
        choose_options([radio], [small.id, large.id])


def test_options_of_a_checkbox_are_in_display_order() -> None:
    mint, salt, honey = option("1.00"), option("2.00"), option("3.00")
    chosen = choose_options([customization("checkbox", mint, salt, honey)], [honey.id, mint.id])
    assert [choice.option for choice in chosen] == [mint, honey]


def test_an_optional_customization_needs_no_choice() -> None:
    assert choose_options([customization("select", option(default=True))], []) == []


def test_a_required_customization_gets_its_default() -> None:
    plain, regular = option(), option(default=True)
    assert [
        choice.option for choice in choose_options([customization("select", plain, regular, required=True)], [])
    ] == [regular]
    with pytest.raises(InvalidChoice, match="must be chosen"):
        choose_options([customization("select", plain, required=True)], [])


def test_an_option_of_another_product_is_rejected() -> None:
    with pytest.raises(InvalidChoice, match="does not belong to this product"):
        choose_options([customization("radio", option())], [UUID(int=7)])


def test_a_unit_price_is_never_below_zero() -> None:
    half = option("-50.00")
    chosen = choose_options([customization("radio", half)], [half.id])
    assert compute_unit_price(Decimal("60.00"), chosen) == Decimal("10.00")
    assert compute_unit_price(Decimal("40.00"), chosen) == Decimal("0.00")


def test_only_checkboxes_have_two_defaults() -> None:
    defaults = option(default=True), option(default=True)
    assert check_customizations(Decimal(1), [customization("radio", *defaults)]) is not None
    assert check_customizations(Decimal(1), [customization("checkbox", *defaults)]) is None


modifiers = st.integers(-2000, 2000).map(lambda minor: Decimal(minor).scaleb(-2))
customizations = st.lists(
    st.builds(
        lambda kind, required, values: customization(
            kind, *(option(str(value)) for value in values), required=required
        ),
        st.sampled_from(["radio", "checkbox", "select"]),
        st.booleans(),
        st.lists(modifiers, min_size=1, max_size=4),
    ),
    max_size=3,
)


@given(items=customizations, data=st.data())
def test_valid_customizations_have_no_negative_price(items: list[Customization], data: st.DataObject) -> None:
    price = Decimal("30.00")
    wanted = [
        chosen.id
        for item in items
        for chosen in data.draw(
            st.lists(
                st.sampled_from(item.options),
                unique=True,
                min_size=int(item.is_required),
                max_size=None if item.accepts_many else 1,
            )
        )
    ]
    total = price + sum(choice.option.price_modifier for choice in choose_options(items, wanted))
    if check_customizations(price, items) is None:
        assert total >= 0
    assert total >= price + sum((item.minimum for item in items), Decimal(0))
