"""Settings of the loyalty programme. Tiers are data, which an administrator changes."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from pydantic import Field, PositiveInt

from chassis.process.settings import ServiceSettings


class LoyaltySettings(ServiceSettings):
    """Rates, validity and limits of the programme."""

    rupees_per_point: Decimal = Field(Decimal(10), gt=0, description="rupees that earn one point at multiplier 1")
    rupees_of_point: Decimal = Field(Decimal("0.25"), gt=0, description="rupees that one point takes off an order")
    points_valid_days: PositiveInt = Field(365, description="days after which earned points expire")
    returned_points_valid_days: PositiveInt = Field(
        7, description="minimum days for which points returned by a cancelled or refunded order are valid"
    )
    lapsed_after_days: PositiveInt = Field(60, description="days without an order after which a customer is LAPSED")
    coupon_misses_per_account: PositiveInt = Field(10, description="wrong coupon codes of an account, per window")
    coupon_misses_per_address: PositiveInt = Field(30, description="wrong coupon codes of an IP address, per window")
    coupon_miss_window_minutes: PositiveInt = Field(15, description="length of that window in minutes")
    reservation_backstop_minutes: PositiveInt = Field(
        60, description="minutes after which loyalty asks the order service about benefits that are still reserved"
    )

    @property
    def points_validity(self) -> timedelta:
        return timedelta(days=self.points_valid_days)

    @property
    def returned_points_validity(self) -> timedelta:
        return timedelta(days=self.returned_points_valid_days)

    @property
    def lapsed_after(self) -> timedelta:
        return timedelta(days=self.lapsed_after_days)
