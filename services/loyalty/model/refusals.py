"""Why loyalty refuses. The class name in UPPER_SNAKE is the reason that callers see and part of the contract."""

from __future__ import annotations

from decimal import Decimal

from chassis.errors import AlreadyExists, Conflict, ResourceExhausted
from chassis.money import money_to_proto


class CouponInvalid(Conflict):
    """The code is unknown, over, or not for this customer or cart; `cause` says which a customer may know."""

    def __init__(self, message: str, cause: str, **facts: str) -> None:
        super().__init__(message, cause=cause, **facts)

    @classmethod
    def not_usable(cls) -> CouponInvalid:
        """Unknown, over, not begun, switched off, somebody else's: not told apart."""
        return cls("this coupon cannot be used", "NOT_USABLE")

    @classmethod
    def not_for_customer(cls) -> CouponInvalid:
        return cls("this coupon is for other customers", "NOT_FOR_CUSTOMER")

    @classmethod
    def order_too_small(cls, needed: Decimal) -> CouponInvalid:
        """Metadata has the amount in minor units."""
        least = str(money_to_proto(needed).minor_units)
        return cls(f"this coupon needs an order of at least ₹{needed}", "ORDER_TOO_SMALL", min_order_value=least)

    @classmethod
    def no_eligible_item(cls) -> CouponInvalid:
        return cls("nothing in the cart qualifies for this coupon", "NO_ELIGIBLE_ITEM")

    @classmethod
    def no_delivery_fee(cls) -> CouponInvalid:
        return cls("there is no delivery fee that this coupon could waive", "NO_DELIVERY_FEE")


class CouponExhausted(Conflict):
    """As many orders as may use the coupon do; for everybody, or for this customer."""

    def __init__(self) -> None:
        super().__init__("this coupon has been used as often as it can be")


class InsufficientPoints(Conflict):
    """More points were asked for than can be spent now."""

    def __init__(self, asked: int, available: int) -> None:
        super().__init__("there are not enough points", asked=str(asked), available=str(available))
        self.asked, self.available = asked, available


class ReservationReleased(Conflict):
    """What the order held was given back, or a release came before the reservation."""

    def __init__(self) -> None:
        super().__init__("the order's benefits were released")


class RewardSoldOut(Conflict):
    """None of it is left."""

    def __init__(self) -> None:
        super().__init__("this reward is sold out")


class TierTooLow(Conflict):
    """The reward is for a higher tier."""

    def __init__(self, needed: str) -> None:
        super().__init__(f"this reward is for tier {needed} and above", min_tier=needed.upper())


class UsageLimitBelowUsage(Conflict):
    """More orders use the campaign than the new limit allows."""

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
