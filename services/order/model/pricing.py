"""The price of a cart, for quotes and orders alike. Amounts are Decimal in major units with two decimals.

Prices exclude tax. Coupon and points are deducted before tax and allocated to the lines in proportion to their
subtotals. Tax is rounded half up per line and kind of tax: CGST and SGST at half of the rate each inside a state, IGST
across states. The parts sum to the total exactly: lines, discounts, delivery, taxes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from chassis.money import ZERO, allocate, round_half_up
from services.order.errors import MAX_TOTAL, BelowMinOrderValue, OrderTooLarge
from services.order.model.states import DELIVERY

BASIS_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class Option:
    """A chosen option; `price_modifier` is included in the line's unit price."""

    customization: str
    option_id: str
    name: str
    price_modifier: Decimal


@dataclass(frozen=True, slots=True)
class Line:
    """A line priced by inventory. `unit_price` includes the options; `tax_rate` is in basis points."""

    product_id: str
    name: str
    sku: str
    category: str
    unit_price: Decimal
    quantity: int
    tax_rate: int
    preparation_minutes: int = 0
    options: tuple[Option, ...] = ()
    special_instructions: str = ""
    is_in_stock: bool = True

    @property
    def subtotal(self) -> Decimal:
        return self.unit_price * self.quantity


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """The store's terms for the order. Without delivery the fee is 0 and the threshold None."""

    fulfilment_type: str
    store_name: str
    store_state: str
    store_gstin: str
    delivery_fee: Decimal
    free_delivery_above: Decimal | None
    min_order_value: Decimal
    travel_minutes: int
    preparation_minutes: int
    ready_from: datetime


@dataclass(frozen=True, slots=True)
class Benefits:
    """The discounts that loyalty grants for coupon and points; together at most the subtotal."""

    coupon_discount: Decimal = ZERO
    points_discount: Decimal = ZERO
    points_used: int = 0
    free_delivery: bool = False
    coupon_code: str = ""


NO_BENEFITS = Benefits()


@dataclass(frozen=True, slots=True)
class Tax:
    """The tax on one line or on the delivery, and the amount that it is computed from."""

    rate: int = 0
    taxable: Decimal = ZERO
    cgst: Decimal = ZERO
    sgst: Decimal = ZERO
    igst: Decimal = ZERO

    @property
    def amount(self) -> Decimal:
        return self.cgst + self.sgst + self.igst


@dataclass(frozen=True, slots=True)
class PricedLine:
    """A line with its share of the discounts and its tax."""

    line: Line
    discount: Decimal
    tax: Tax


@dataclass(frozen=True, slots=True)
class Price:
    """subtotal - discount - loyalty_discount + delivery_fee + tax = total."""

    lines: tuple[PricedLine, ...]
    subtotal: Decimal
    discount: Decimal
    loyalty_discount: Decimal
    delivery_fee: Decimal
    delivery_tax: Tax
    cgst: Decimal
    sgst: Decimal
    igst: Decimal
    total: Decimal

    @property
    def tax(self) -> Decimal:
        return self.cgst + self.sgst + self.igst


def compute_price(
    lines: Sequence[Line], fulfilment: Fulfilment, benefits: Benefits, place_of_supply: str, delivery_tax_rate: int
) -> Price:
    """Prices a cart. Raises BelowMinOrderValue or OrderTooLarge."""
    subtotal = sum_lines(lines)
    check_minimum(subtotal, fulfilment)
    discount = min(benefits.coupon_discount, subtotal)
    loyalty_discount = min(benefits.points_discount, subtotal - discount)
    interstate = is_interstate(fulfilment.store_state, place_of_supply)
    shares = _allocate_discounts(discount + loyalty_discount, [line.subtotal for line in lines])
    priced = tuple(
        PricedLine(line, share, compute_tax(line.subtotal - share, line.tax_rate, interstate))
        for line, share in zip(lines, shares, strict=True)
    )
    fee = compute_delivery_fee(subtotal, fulfilment, benefits)
    delivery_tax = compute_tax(fee, delivery_tax_rate, interstate) if fee else Tax()
    taxes = [*(item.tax for item in priced), delivery_tax]
    cgst, sgst, igst = _sum(t.cgst for t in taxes), _sum(t.sgst for t in taxes), _sum(t.igst for t in taxes)
    total = subtotal - discount - loyalty_discount + fee + cgst + sgst + igst
    if total > MAX_TOTAL:
        raise OrderTooLarge
    return Price(priced, subtotal, discount, loyalty_discount, fee, delivery_tax, cgst, sgst, igst, total)


def sum_lines(lines: Iterable[Line]) -> Decimal:
    """The subtotal. Raises OrderTooLarge beyond the maximum of one order."""
    subtotal = _sum(line.subtotal for line in lines)
    if subtotal > MAX_TOTAL:
        raise OrderTooLarge
    return subtotal


def check_minimum(subtotal: Decimal, fulfilment: Fulfilment) -> None:
    """Raises BelowMinOrderValue when the subtotal is below the store's minimum."""
    if subtotal < fulfilment.min_order_value:
        raise BelowMinOrderValue(fulfilment.min_order_value, subtotal)


def compute_delivery_fee(subtotal: Decimal, fulfilment: Fulfilment, benefits: Benefits = NO_BENEFITS) -> Decimal:
    """The fee without tax: 0 without delivery, from the store's threshold on, or with a coupon for free delivery."""
    if fulfilment.fulfilment_type != DELIVERY or benefits.free_delivery:
        return ZERO
    if fulfilment.free_delivery_above is not None and subtotal >= fulfilment.free_delivery_above:
        return ZERO
    return fulfilment.delivery_fee


def is_interstate(supplier_state: str, place_of_supply: str) -> bool:
    """Whether supplier and place of supply are in different states. Case and spaces are ignored."""
    return "".join(supplier_state.split()).casefold() != "".join(place_of_supply.split()).casefold()


def compute_tax(taxable: Decimal, rate: int, interstate: bool) -> Tax:
    """The tax at `rate` basis points: IGST across states, else CGST and SGST at half of the rate each."""
    if interstate:
        return Tax(rate, taxable, igst=round_half_up(taxable * rate / BASIS_POINTS))
    half = round_half_up(taxable * rate / (2 * BASIS_POINTS))
    return Tax(rate, taxable, cgst=half, sgst=half)


def estimate_delivery(fulfilment: Fulfilment, lines: Sequence[Line], scheduled: datetime | None) -> datetime:
    """Start of the kitchen + longest preparation + travel, but not before the scheduled time."""
    longest = max(line.preparation_minutes or fulfilment.preparation_minutes for line in lines)
    earliest = fulfilment.ready_from + timedelta(minutes=longest + fulfilment.travel_minutes)
    return max(earliest, scheduled) if scheduled else earliest


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)


def _allocate_discounts(amount: Decimal, subtotals: Sequence[Decimal]) -> list[Decimal]:
    """Splits the amount in proportion to the subtotals. A share never exceeds its subtotal."""
    return allocate(amount, subtotals) if amount else [ZERO] * len(subtotals)
