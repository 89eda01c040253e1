"""Quotes guarantee a price to one customer for one cart, for ten minutes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import InvalidArgument
from services.order.errors import PriceChanged, QuoteExpired
from services.order.model.cart import Cart, CartLine
from services.order.model.pricing import Benefits, Fulfilment, Line, Price, compute_price
from services.order.model.quotes import QuoteSigner

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
NOTHING = Decimal("0.00")
STORE = Fulfilment("pickup", "Bandra", "Maharashtra", "", NOTHING, None, NOTHING, 0, 25, NOW)
CART = Cart(UUID(int=1), UUID(int=2), "pickup", (CartLine("a", 2, ("x", "y")), CartLine("b", 1)))
KEY, OLD_KEY = bytes(range(32)), bytes(32)
SIGNER = QuoteSigner([KEY])


def price(unit_price: str = "120.00") -> Price:
    line = Line("a", "A", "", "drinks", Decimal(unit_price), 2, 500)
    return compute_price([line], STORE, Benefits(), "Maharashtra", 1800)


TOKEN, EXPIRES = SIGNER.sign(CART, price(), NOW)


def test_the_quoted_price_is_accepted() -> None:
    SIGNER.verify(TOKEN, CART, NOW).check(price())


def test_equal_amounts_are_the_same_price_whatever_the_number_of_their_decimals() -> None:
    SIGNER.verify(TOKEN, CART, NOW).check(price("120"))


def test_another_price_is_rejected_with_both_totals() -> None:
    with pytest.raises(PriceChanged) as failed:
        SIGNER.verify(TOKEN, CART, NOW).check(price("120.01"))
    assert failed.value.metadata == {"quoted_total": "25200", "current_total": "25202"}


def test_a_quote_expires_after_ten_minutes() -> None:
    assert NOW + timedelta(minutes=10) == EXPIRES
    SIGNER.verify(TOKEN, CART, EXPIRES - timedelta(seconds=1))
    with pytest.raises(QuoteExpired):
        SIGNER.verify(TOKEN, CART, EXPIRES)


@pytest.mark.parametrize(
    "other",
    [
        replace(CART, customer_id=UUID(int=9)),
        replace(CART, store_id=UUID(int=9)),
        replace(CART, fulfilment_type="dine-in"),
        replace(CART, lines=(CartLine("a", 3, ("x", "y")), CartLine("b", 1))),
        replace(CART, lines=(CartLine("a", 2, ("x",)), CartLine("b", 1))),
        replace(CART, lines=CART.lines[:1]),
        replace(CART, coupon_code="SAVE10"),
        replace(CART, points=1),
        replace(CART, address_id=str(UUID(int=7))),
        replace(CART, scheduled=NOW),
    ],
)
def test_a_quote_for_another_customer_or_cart_is_rejected(other: Cart) -> None:
    with pytest.raises(InvalidArgument):
        SIGNER.verify(TOKEN, other, NOW)


def test_the_order_of_options_and_instructions_do_not_matter() -> None:
    same = replace(CART, lines=(CartLine("a", 2, ("y", "x"), "less ice"), CartLine("b", 1)))
    SIGNER.verify(TOKEN, same, NOW).check(price())


def test_a_quote_signed_with_the_previous_key_is_valid() -> None:
    old_token, _ = QuoteSigner([OLD_KEY]).sign(CART, price(), NOW)
    QuoteSigner([KEY, OLD_KEY]).verify(old_token, CART, NOW).check(price())
    with pytest.raises(InvalidArgument):
        SIGNER.verify(old_token, CART, NOW)


@given(st.integers(0, len(TOKEN) - 1), st.characters(codec="ascii"))
def test_a_modified_token_is_rejected(place: int, character: str) -> None:
    forged = TOKEN[:place] + character + TOKEN[place + 1 :]
    if forged == TOKEN:
        return
    try:
        quote = SIGNER.verify(forged, CART, NOW)
    except InvalidArgument:
        return
    # The last character of base64 has unused bits: the token differs, its content must not.
    assert quote == SIGNER.verify(TOKEN, CART, NOW)


@given(st.text(max_size=200))
def test_an_arbitrary_text_is_rejected(text: str) -> None:
    with pytest.raises(InvalidArgument):
        SIGNER.verify(text, CART, NOW)
