"""The discount of a coupon and of points on a cart; quotes and reservations use the same calculation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from uuid import UUID

from chassis.money import ZERO, round_half_up
from services.loyalty.errors import CouponExhausted, CouponInvalid, InsufficientPoints
from services.loyalty.rows import CampaignRow, CouponRow, NewCampaign, NewReward, RewardRow

HUNDRED = Decimal(100)
# BOGO: one of so many eligible units is free.
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
        """The price of one unit, rounded half up."""
        return round_half_up(self.subtotal / self.quantity)


@dataclass(frozen=True, slots=True)
class Cart:
    """A cart before discounts and tax."""

    lines: Sequence[Line]
    subtotal: Decimal
    delivery_fee: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Customer:
    """What decides the segments of a customer. `last_order_at` is the last delivery, None for a new customer."""

    tier: str = "Bronze"
    last_order_at: datetime | None = None

    def segments(self, now: datetime, lapsed_after: timedelta) -> set[str]:
        """The segments of the customer, as stored."""
        found = {self.tier.lower()}
        if self.last_order_at is None:
            found.add("new")
        elif self.last_order_at < now - lapsed_after:
            found.add("lapsed")
        return found


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a campaign, or of a reward that was bought.

    `discount_value` is a percentage or rupees, depending on `discount_type`; None means points without a discount.
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

    @classmethod
    def from_row(cls, row: CampaignRow | CouponRow | NewCampaign) -> Terms:
        """The terms of a campaign or a coupon."""
        return cls(
            type=row.type,
            discount_type=row.discount_type,
            discount_value=row.discount_value,
            min_order_value=row.min_order_value,
            max_discount=row.max_discount,
            products=frozenset(row.applicable_products or ()),
            categories=frozenset(row.applicable_categories or ()),
            segments=frozenset(row.customer_segments or ()),
            bonus_points=row.bonus_points,
        )

    @classmethod
    def from_reward(cls, row: RewardRow | NewReward) -> Terms:
        """The terms of a reward."""
        return cls(
            type="reward",
            discount_type=row.discount_type,
            discount_value=row.discount_value,
            max_discount=row.max_discount,
        )

    def select_eligible(self, lines: Sequence[Line]) -> list[Line]:
        """The lines to which the terms apply: all, unless they name products or categories."""
        if not self.products and not self.categories:
            return list(lines)
        return [line for line in lines if line.product_id in self.products or line.category in self.categories]

    def check_customer(self, segments: set[str]) -> None:
        """Raises CouponInvalid when the customer is in none of the segments."""
        if self.segments and not segments & set(self.segments):
            raise CouponInvalid.not_for_customer()


@dataclass(frozen=True, slots=True)
class Usage:
    """How often a code was used, and may be used."""

    limit: int | None = None
    used: int = 0
    per_customer: int | None = None
    used_by_customer: int = 0

    @classmethod
    def from_coupon(cls, coupon: CouponRow) -> Usage:
        """The limits of a coupon."""
        return cls(coupon.usage_limit, coupon.current_usage, coupon.usage_per_customer, coupon.uses)

    @property
    def left(self) -> int | None:
        """The number of orders for which the customer may still use the code; None without a limit."""
        limits = []
        if self.limit is not None:
            limits.append(self.limit - self.used)
        if self.per_customer is not None:
            limits.append(self.per_customer - self.used_by_customer)
        return max(min(limits), 0) if limits else None

    def check(self) -> None:
        """Raises CouponExhausted. An early check; the guarded statement of the reservation decides."""
        if self.left == 0:
            raise CouponExhausted


@dataclass(frozen=True, slots=True)
class Benefits:
    """The discounts. `coupon_discount + points_discount` never exceeds the subtotal of the cart."""

    coupon_discount: Decimal = ZERO
    free_delivery: bool = False
    points_used: int = 0
    points_discount: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class GrantedBenefits:
    """Discounts, with the code and the campaign that grant them."""

    benefits: Benefits
    coupon_code: str = ""
    campaign_id: UUID | None = None


def calculate_benefits(
    cart: Cart, terms: Terms | None, points: int, available: int, rupees_of_point: Decimal
) -> Benefits:
    """The discounts of `terms` and of up to `points` on the cart.

    The coupon applies first; points pay for the rest of the lines, not for delivery or tax, and only as many are used
    as that takes. Raises CouponInvalid, InsufficientPoints.
    """
    if points > available:
        raise InsufficientPoints(points, available)
    coupon_discount, free_delivery = _apply_coupon(cart, terms) if terms else (ZERO, False)
    payable = cart.subtotal - coupon_discount
    points_used = min(points, int((payable / rupees_of_point).to_integral_value(ROUND_FLOOR)))
    return Benefits(coupon_discount, free_delivery, points_used, round_half_up(points_used * rupees_of_point))


def _apply_coupon(cart: Cart, terms: Terms) -> tuple[Decimal, bool]:
    if terms.min_order_value is not None and cart.subtotal < terms.min_order_value:
        raise CouponInvalid.order_too_small(terms.min_order_value)
    lines = terms.select_eligible(cart.lines)
    if not lines:
        raise CouponInvalid.no_eligible_item()
    if terms.discount_type == "free_delivery":
        if cart.delivery_fee <= 0:
            raise CouponInvalid.no_delivery_fee()
        return ZERO, True
    if terms.type == "loyalty_bonus" or terms.discount_type is None:
        return ZERO, False
    limits = [_discount(lines, terms), sum((line.subtotal for line in lines), ZERO), cart.subtotal]
    if terms.max_discount is not None:
        limits.append(terms.max_discount)
    return min(limits), False


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
    """The price of the cheapest `units`."""
    cost = ZERO
    for line in sorted(lines, key=lambda line: line.unit_price):
        taken = min(units, line.quantity)
        cost += min(line.unit_price * taken, line.subtotal)
        units -= taken
        if units == 0:
            break
    return cost
