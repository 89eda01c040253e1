"""Errors of the loyalty service that its callers see."""

from __future__ import annotations

from decimal import Decimal

from chassis.errors import AlreadyExists, Conflict, ResourceExhausted
from chassis.money import to_minor_units


class CouponInvalid(Conflict):
    """The code is unknown, expired, or not for this customer or cart; `cause` says which."""

    def __init__(self, message: str, cause: str, **facts: str) -> None:
        super().__init__(message, cause=cause, **facts)

    @classmethod
    def not_usable(cls) -> CouponInvalid:
        """Unknown, expired, not started, inactive, or of another customer: not distinguished."""
        return cls("this coupon cannot be used", "NOT_USABLE")

    @classmethod
    def not_for_customer(cls) -> CouponInvalid:
        """The customer is in none of the campaign's segments."""
        return cls("this coupon is for other customers", "NOT_FOR_CUSTOMER")

    @classmethod
    def order_too_small(cls, needed: Decimal) -> CouponInvalid:
        """The order is below the minimum; `min_order_value` is in minor units."""
        least = str(to_minor_units(needed))
        return cls(f"this coupon needs an order of at least ₹{needed}", "ORDER_TOO_SMALL", min_order_value=least)

    @classmethod
    def no_eligible_item(cls) -> CouponInvalid:
        """No line of the cart qualifies."""
        return cls("nothing in the cart qualifies for this coupon", "NO_ELIGIBLE_ITEM")

    @classmethod
    def no_delivery_fee(cls) -> CouponInvalid:
        """The coupon waives a delivery fee, but the order has none."""
        return cls("there is no delivery fee that this coupon could waive", "NO_DELIVERY_FEE")


class CouponExhausted(Conflict):
    """The usage limit of the coupon is reached, in total or for this customer."""

    def __init__(self) -> None:
        super().__init__("this coupon has reached its usage limit")


class InsufficientPoints(Conflict):
    """The account has fewer available points than requested."""

    def __init__(self, asked: int, available: int) -> None:
        super().__init__("not enough points", asked=str(asked), available=str(available))
        self.asked, self.available = asked, available


class ReservationReleased(Conflict):
    """The benefits of the order were released, possibly before they were reserved."""

    def __init__(self) -> None:
        super().__init__("the order's benefits were released")


class RewardSoldOut(Conflict):
    """The reward is out of stock."""

    def __init__(self) -> None:
        super().__init__("this reward is sold out")


class TierTooLow(Conflict):
    """The reward requires a higher tier."""

    def __init__(self, needed: str) -> None:
        super().__init__(f"this reward requires tier {needed} or above", min_tier=needed.upper())


class UsageLimitBelowUsage(Conflict):
    """The new usage limit is below the present usage."""

    def __init__(self, usage: int) -> None:
        super().__init__(f"{usage} orders use this campaign already", current_usage=str(usage))


class CodeTaken(AlreadyExists):
    """Another campaign has the code."""

    def __init__(self, code: str) -> None:
        super().__init__("another campaign has this code", code=code)


class TooManyGuesses(ResourceExhausted):
    """Too many wrong coupon codes from this account or address."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("too many wrong coupon codes; try again later", retry_after)
