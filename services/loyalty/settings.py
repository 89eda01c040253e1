"""What an operator may change about the programme; tiers are data, changed by an administrator."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from pydantic import Field, PositiveInt

from chassis.process.settings import ServiceSettings


class LoyaltySettings(ServiceSettings):
    """Rates, times and limits of the programme."""

    rupees_per_point: Decimal = Field(Decimal(10), gt=0, description="rupees that earn one point at multiplier 1")
    rupees_of_point: Decimal = Field(Decimal("0.25"), gt=0, description="rupees that one point takes off an order")
    points_valid_days: PositiveInt = Field(365, description="days after which earned points expire")
    returned_points_valid_days: PositiveInt = Field(
        7, description="days that points of a cancelled or refunded order live at least, however old they are"
    )
    lapsed_after_days: PositiveInt = Field(60, description="days without an order that make a customer LAPSED")
    coupon_misses_per_account: PositiveInt = Field(10, description="wrong coupon codes of an account in one window")
    coupon_misses_per_address: PositiveInt = Field(30, description="wrong coupon codes of an IP address in one window")
    coupon_miss_window_minutes: PositiveInt = Field(15, description="minutes of that window")
    reservation_backstop_minutes: PositiveInt = Field(
        60, description="minutes after which loyalty asks order about benefits that are still held"
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
