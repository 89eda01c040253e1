"""Days of sale, slugs, and how options are chosen."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.inventory.model.menu import (
    ChoiceRefused,
    Customization,
    Option,
    check_customizations,
    choose,
    on_schedule,
    slugify,
    today,
    unit_price,
)


def option(modifier: str = "0.00", *, default: bool = False) -> Option:
    return Option(uuid4(), f"option {modifier}", Decimal(modifier), default)


def customization(type_: str, *options: Option, required: bool = False) -> Customization:
    return Customization(uuid4(), "Size", type_, required, options)


def test_the_day_is_that_of_india() -> None:
    assert today(datetime(2025, 11, 29, 18, 29, tzinfo=UTC)) == date(2025, 11, 29)
    assert today(datetime(2025, 11, 29, 18, 30, tzinfo=UTC)) == date(2025, 11, 30)


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
def test_both_days_of_a_schedule_are_on_sale(schedule: dict[str, str] | None, on_sale: bool) -> None:
    assert on_schedule(schedule, date(2025, 11, 29)) is on_sale


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
def test_a_slug_is_made_of_the_name(name: str, slug: str) -> None:
    assert slugify(name, 200) == slug


def test_one_option_of_a_radio_may_be_chosen() -> None:
    small, large = option(), option("20.00")
    radio = customization("radio", small, large)
    assert [choice.option for choice in choose([radio], [large.id])] == [large]
    with pytest.raises(ChoiceRefused, match="only one"):
        choose([radio], [small.id, large.id])


def test_many_options_of_a_checkbox_come_in_display_order() -> None:
    mint, salt, honey = option("1.00"), option("2.00"), option("3.00")
    chosen = choose([customization("checkbox", mint, salt, honey)], [honey.id, mint.id])
    assert [choice.option for choice in chosen] == [mint, honey]


def test_nothing_need_be_chosen_where_nothing_is_required() -> None:
    assert choose([customization("select", option(default=True))], []) == []


def test_a_required_customization_takes_its_default() -> None:
    plain, regular = option(), option(default=True)
    assert [choice.option for choice in choose([customization("select", plain, regular, required=True)], [])] == [
        regular
    ]
    with pytest.raises(ChoiceRefused, match="must be chosen"):
        choose([customization("select", plain, required=True)], [])


def test_an_option_of_something_else_is_refused() -> None:
    with pytest.raises(ChoiceRefused, match="not one of this product"):
        choose([customization("radio", option())], [UUID(int=7)])


def test_a_unit_price_is_never_below_zero() -> None:
    half = option("-50.00")
    chosen = choose([customization("radio", half)], [half.id])
    assert unit_price(Decimal("60.00"), chosen) == Decimal("10.00")
    assert unit_price(Decimal("40.00"), chosen) == Decimal("0.00")


def test_two_defaults_are_only_for_checkboxes() -> None:
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
def test_where_the_check_passes_no_choice_costs_less_than_nothing(
    items: list[Customization], data: st.DataObject
) -> None:
    price = Decimal("30.00")
    wanted = [
        chosen.id
        for item in items
        for chosen in data.draw(
            st.lists(
                st.sampled_from(item.options),
                unique=True,
                min_size=int(item.is_required),
                max_size=None if item.takes_many else 1,
            )
        )
    ]
    total = price + sum(choice.option.price_modifier for choice in choose(items, wanted))
    if check_customizations(price, items) is None:
        assert total >= 0
    assert total >= price + sum((item.least for item in items), Decimal(0))
