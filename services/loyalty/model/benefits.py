"""What a coupon and points take off a cart. One computation, for quotes and for reservations."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from uuid import UUID

from chassis.money import ZERO, round_half_up
from services.loyalty.model.refusals import CouponExhausted, CouponInvalid, InsufficientPoints

HUNDRED = Decimal(100)
# Of how many eligible units BOGO gives one.
BOGO_GROUP = 2


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the cart; `subtotal` is the unit price times the quantity."""

    product_id: UUID
    category: str
    subtotal: Decimal
    quantity: int

    @property
    def unit_price(self) -> Decimal:
        return round_half_up(self.subtotal / self.quantity)


@dataclass(frozen=True, slots=True)
class Cart:
    """What is ordered, before discounts and tax."""

    lines: Sequence[Line]
    subtotal: Decimal
    delivery_fee: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Customer:
    """What decides whom a campaign is for. `last_order_at` is the last delivery; None for a new customer."""

    tier: str = "Bronze"
    last_order_at: datetime | None = None

    def segments(self, now: datetime, lapsed_after: timedelta) -> set[str]:
        """The segments' words in the database."""
        found = {self.tier.lower()}
        if self.last_order_at is None:
            found.add("new")
        elif self.last_order_at < now - lapsed_after:
            found.add("lapsed")
        return found


@dataclass(frozen=True, slots=True)
class Terms:
    """What a code gives and asks: a campaign's, or those of a reward that was bought.

    `discount_value` is a percentage or rupees, by `discount_type`; None gives no discount (only points).
    """

    type: str
    discount_type: str | None
    discount_value: Decimal | None
    min_order_value: Decimal | None = None
    max_discount: Decimal | None = None
    products: Collection[UUID] = ()
    categories: Collection[str] = ()
    segments: Collection[str] = ()
    bonus_points: int | None = None

    def eligible(self, lines: Sequence[Line]) -> list[Line]:
        """The lines that it applies to: all, unless products or categories are named."""
        if not self.products and not self.categories:
            return list(lines)
        return [line for line in lines if line.product_id in self.products or line.category in self.categories]

    def check_customer(self, segments: set[str]) -> None:
        """Raises CouponInvalid when the customer is in none of the segments."""
        if self.segments and not segments & set(self.segments):
            raise CouponInvalid.not_for_customer()


@dataclass(frozen=True, slots=True)
class Usage:
    """How often a code may be used and is."""

    limit: int | None = None
    used: int = 0
    per_customer: int | None = None
    used_by_customer: int = 0

    @property
    def left(self) -> int | None:
        """Orders for which the customer may still use it; None without a limit."""
        bounds = []
        if self.limit is not None:
            bounds.append(self.limit - self.used)
        if self.per_customer is not None:
            bounds.append(self.per_customer - self.used_by_customer)
        return max(min(bounds), 0) if bounds else None

    def check(self) -> None:
        """Raises CouponExhausted. Only a first look: the guarded statement of the reservation decides."""
        if self.left == 0:
            raise CouponExhausted


@dataclass(frozen=True, slots=True)
class Benefits:
    """What comes off. `coupon_discount + points_discount` never exceeds the cart's subtotal."""

    coupon_discount: Decimal = ZERO
    free_delivery: bool = False
    points_used: int = 0
    points_discount: Decimal = ZERO


def price_benefits(cart: Cart, terms: Terms | None, points: int, available: int, rupees_of_point: Decimal) -> Benefits:
    """What `terms` and up to `points` take off the cart.

    The coupon comes first; points pay for what is left of the lines, never for delivery or tax, and no more of them
    are used than that. Raises CouponInvalid and InsufficientPoints.
    """
    if points > available:
        raise InsufficientPoints(points, available)
    coupon_discount, free_delivery = _coupon(cart, terms) if terms else (ZERO, False)
    payable = cart.subtotal - coupon_discount
    points_used = min(points, int((payable / rupees_of_point).to_integral_value(ROUND_FLOOR)))
    return Benefits(coupon_discount, free_delivery, points_used, round_half_up(points_used * rupees_of_point))


def _coupon(cart: Cart, terms: Terms) -> tuple[Decimal, bool]:
    if terms.min_order_value is not None and cart.subtotal < terms.min_order_value:
        raise CouponInvalid.order_too_small(terms.min_order_value)
    lines = terms.eligible(cart.lines)
    if not lines:
        raise CouponInvalid.no_eligible_item()
    if terms.discount_type == "free_delivery":
        if cart.delivery_fee <= 0:
            raise CouponInvalid.no_delivery_fee()
        return ZERO, True
    if terms.type == "loyalty_bonus" or terms.discount_type is None:
        return ZERO, False
    bounds = [_discount(lines, terms), sum((line.subtotal for line in lines), ZERO), cart.subtotal]
    if terms.max_discount is not None:
        bounds.append(terms.max_discount)
    return min(bounds), False


def _discount(lines: Sequence[Line], terms: Terms) -> Decimal:
    value = terms.discount_value or ZERO
    if terms.type == "bogo":
        given = _cheapest(lines, sum(line.quantity for line in lines) // BOGO_GROUP)
        if given == 0:
            raise CouponInvalid.no_eligible_item()
        return round_half_up(given * value / HUNDRED) if terms.discount_type == "percentage" else given
    if terms.discount_type == "percentage":
        return round_half_up(sum((line.subtotal for line in lines), ZERO) * value / HUNDRED)
    if terms.discount_type == "free_item":
        return _cheapest(lines, 1)
    return value


def _cheapest(lines: Sequence[Line], units: int) -> Decimal:
    """What that many of the cheapest units cost."""
    cost = ZERO
    for line in sorted(lines, key=lambda line: line.unit_price):
        taken = min(units, line.quantity)
        cost += min(line.unit_price * taken, line.subtotal)
        units -= taken
        if units == 0:
            break
    return cost
