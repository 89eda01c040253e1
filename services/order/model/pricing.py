"""What a cart costs. One function for quotes and orders; all amounts are whole minor units.

Prices exclude tax. Coupon and points come off before tax and are spread over the lines by their worth. Tax is rounded
half up per line and per kind of tax: CGST and SGST at half of the rate each inside a state, IGST across states.
Whatever is shown sums exactly: lines, discounts, delivery, taxes, total.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from chassis.money import allocate
from services.order.model.refusals import MAX_MINOR, BelowMinOrderValue, OrderTooLarge
from services.order.model.states import DELIVERY

BASIS = 10_000


@dataclass(frozen=True, slots=True)
class Option:
    """An option that was chosen; `price_modifier` is part of the line's unit price."""

    customization: str
    option_id: str
    name: str
    price_modifier: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line as inventory prices it. `unit_price` includes the options; `tax_rate` in basis points."""

    product_id: str
    name: str
    sku: str
    category: str
    unit_price: int
    quantity: int
    tax_rate: int
    preparation_minutes: int = 0
    options: tuple[Option, ...] = ()
    special_instructions: str = ""

    @property
    def subtotal(self) -> int:
        return self.unit_price * self.quantity


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """How the store would serve the order, as store says. Fee and threshold are 0 and None without delivery."""

    fulfilment_type: str
    store_name: str
    store_state: str
    store_gstin: str
    delivery_fee: int
    free_delivery_above: int | None
    min_order_value: int
    travel_minutes: int
    preparation_minutes: int
    ready_from: datetime


@dataclass(frozen=True, slots=True)
class Benefits:
    """What coupon and points take off, as loyalty says; together at most the subtotal."""

    coupon_discount: int = 0
    points_discount: int = 0
    points_used: int = 0
    free_delivery: bool = False
    coupon_code: str = ""


NO_BENEFITS = Benefits()


@dataclass(frozen=True, slots=True)
class Tax:
    """Tax of one line or of the delivery, and what it is taken on."""

    rate: int = 0
    taxable: int = 0
    cgst: int = 0
    sgst: int = 0
    igst: int = 0

    @property
    def amount(self) -> int:
        return self.cgst + self.sgst + self.igst


@dataclass(frozen=True, slots=True)
class PricedLine:
    """A line with its share of the discounts and its tax."""

    line: Line
    discount: int
    tax: Tax


@dataclass(frozen=True, slots=True)
class Price:
    """subtotal - discount - loyalty_discount + delivery_fee + tax = total."""

    lines: tuple[PricedLine, ...]
    subtotal: int
    discount: int
    loyalty_discount: int
    delivery_fee: int
    delivery_tax: Tax
    cgst: int
    sgst: int
    igst: int
    total: int

    @property
    def tax(self) -> int:
        return self.cgst + self.sgst + self.igst


def price(
    lines: Sequence[Line], fulfilment: Fulfilment, benefits: Benefits, place_of_supply: str, delivery_tax_rate: int
) -> Price:
    """Prices a cart. Raises BelowMinOrderValue or OrderTooLarge."""
    subtotal = subtotal_of(lines)
    check_minimum(subtotal, fulfilment)
    discount = min(benefits.coupon_discount, subtotal)
    loyalty_discount = min(benefits.points_discount, subtotal - discount)
    across = is_interstate(fulfilment.store_state, place_of_supply)
    shares = _spread(discount + loyalty_discount, [line.subtotal for line in lines])
    priced = tuple(
        PricedLine(line, share, tax_on(line.subtotal - share, line.tax_rate, across))
        for line, share in zip(lines, shares, strict=True)
    )
    fee = delivery_fee(subtotal, fulfilment, benefits)
    delivery_tax = tax_on(fee, delivery_tax_rate, across) if fee else Tax()
    taxes = [*(item.tax for item in priced), delivery_tax]
    cgst, sgst, igst = sum(t.cgst for t in taxes), sum(t.sgst for t in taxes), sum(t.igst for t in taxes)
    total = subtotal - discount - loyalty_discount + fee + cgst + sgst + igst
    if total > MAX_MINOR:
        raise OrderTooLarge
    return Price(priced, subtotal, discount, loyalty_discount, fee, delivery_tax, cgst, sgst, igst, total)


def subtotal_of(lines: Sequence[Line]) -> int:
    """Sum of the lines. Raises OrderTooLarge beyond what one order may be worth."""
    subtotal = sum(line.subtotal for line in lines)
    if subtotal > MAX_MINOR:
        raise OrderTooLarge
    return subtotal


def check_minimum(subtotal: int, fulfilment: Fulfilment) -> None:
    """Raises BelowMinOrderValue when the lines come to less than the store serves."""
    if subtotal < fulfilment.min_order_value:
        raise BelowMinOrderValue(fulfilment.min_order_value, subtotal)


def delivery_fee(subtotal: int, fulfilment: Fulfilment, benefits: Benefits = NO_BENEFITS) -> int:
    """The fee without tax: nothing without delivery, from the store's threshold on, or with a coupon that waives it."""
    if fulfilment.fulfilment_type != DELIVERY or benefits.free_delivery:
        return 0
    if fulfilment.free_delivery_above is not None and subtotal >= fulfilment.free_delivery_above:
        return 0
    return fulfilment.delivery_fee


def is_interstate(supplier_state: str, place_of_supply: str) -> bool:
    """Whether the supply crosses a state's border. Names are compared without regard to case and spaces."""
    return "".join(supplier_state.split()).casefold() != "".join(place_of_supply.split()).casefold()


def tax_on(taxable: int, rate: int, across: bool) -> Tax:
    """Tax of one line at `rate` basis points: IGST across states, else CGST and SGST of half the rate each."""
    if across:
        return Tax(rate, taxable, igst=_half_up(taxable * rate, BASIS))
    half = _half_up(taxable * rate, 2 * BASIS)
    return Tax(rate, taxable, cgst=half, sgst=half)


def estimate(fulfilment: Fulfilment, lines: Sequence[Line], scheduled: datetime | None) -> datetime:
    """When the order should be there: start of the kitchen + longest preparation + way, never before what was asked."""
    longest = max(line.preparation_minutes or fulfilment.preparation_minutes for line in lines)
    there = fulfilment.ready_from + timedelta(minutes=longest + fulfilment.travel_minutes)
    return max(there, scheduled) if scheduled else there


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)


def _spread(amount: int, weights: Sequence[int]) -> list[int]:
    """The amount in proportion to the weights; no part exceeds its weight while the amount is at most their sum."""
    if amount == 0:
        return [0] * len(weights)
    parts = allocate(Decimal(amount).scaleb(-2), [Decimal(weight) for weight in weights])
    return [int(part.scaleb(2)) for part in parts]
