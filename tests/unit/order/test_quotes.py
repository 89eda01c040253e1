"""A quote is a promise to one customer for one cart, for ten minutes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import InvalidArgument
from services.order.model.cart import Cart, CartLine
from services.order.model.pricing import Benefits, Fulfilment, Line, Price, price
from services.order.model.quotes import QuoteSigner
from services.order.model.refusals import PriceChanged, QuoteExpired

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
STORE = Fulfilment("pickup", "Bandra", "Maharashtra", "", 0, None, 0, 0, 25, NOW)
CART = Cart(UUID(int=1), UUID(int=2), "pickup", (CartLine("a", 2, ("x", "y")), CartLine("b", 1)))
KEY, OLD_KEY = bytes(range(32)), bytes(32)
SIGNER = QuoteSigner([KEY])


def bill(unit_price: int = 12_000) -> Price:
    return price([Line("a", "A", "", "drinks", unit_price, 2, 500)], STORE, Benefits(), "Maharashtra", 1800)


TOKEN, EXPIRES = SIGNER.sign(CART, bill(), NOW)


def test_the_promised_price_is_accepted() -> None:
    SIGNER.open(TOKEN, CART, NOW).check(bill())


def test_another_price_is_refused_with_both_totals() -> None:
    with pytest.raises(PriceChanged) as refused:
        SIGNER.open(TOKEN, CART, NOW).check(bill(12_001))
    assert refused.value.metadata == {"quoted_total": "25200", "current_total": "25202"}


def test_a_quote_lives_ten_minutes() -> None:
    assert NOW + timedelta(minutes=10) == EXPIRES
    SIGNER.open(TOKEN, CART, EXPIRES - timedelta(seconds=1))
    with pytest.raises(QuoteExpired):
        SIGNER.open(TOKEN, CART, EXPIRES)


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
def test_a_quote_for_another_customer_or_cart_is_refused(other: Cart) -> None:
    with pytest.raises(InvalidArgument):
        SIGNER.open(TOKEN, other, NOW)


def test_the_order_of_options_and_instructions_do_not_matter() -> None:
    same = replace(CART, lines=(CartLine("a", 2, ("y", "x"), "less ice"), CartLine("b", 1)))
    SIGNER.open(TOKEN, same, NOW).check(bill())


def test_a_quote_of_a_key_that_is_being_replaced_still_holds() -> None:
    old_token, _ = QuoteSigner([OLD_KEY]).sign(CART, bill(), NOW)
    QuoteSigner([KEY, OLD_KEY]).open(old_token, CART, NOW).check(bill())
    with pytest.raises(InvalidArgument):
        SIGNER.open(old_token, CART, NOW)


@given(st.integers(0, len(TOKEN) - 1), st.characters(codec="ascii"))
def test_no_changed_token_is_believed(place: int, character: str) -> None:
    forged = TOKEN[:place] + character + TOKEN[place + 1 :]
    if forged == TOKEN:
        return
    try:
        promise = SIGNER.open(forged, CART, NOW)
    except InvalidArgument:
        return
    # The last character of base64 has bits that mean nothing; what it says must be unchanged.
    assert promise == SIGNER.open(TOKEN, CART, NOW)


@given(st.text(max_size=200))
def test_rubbish_is_refused_politely(text: str) -> None:
    with pytest.raises(InvalidArgument):
        SIGNER.open(text, CART, NOW)
