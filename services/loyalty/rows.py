"""Row types: what the statements return, and what they insert."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

# --- accounts ---


class LockedAccountRow(NamedTuple):
    """A locked row of `loyalty_accounts`."""

    customer_id: UUID
    balance: int
    held: int
    owed: int
    tier: str
    last_order_at: datetime | None
    version: int
    erased_at: datetime | None


class CustomerRow(NamedTuple):
    """An open account: tier, last delivery and available points."""

    tier: str
    last_order_at: datetime | None
    available: int


class AccountRow(NamedTuple):
    """An account as the customer sees it; the next tier is None in the highest one."""

    customer_id: UUID
    balance: int
    held: int
    owed: int
    tier: str
    referral_code: str | None
    available: int
    expiring: int
    next_expiry: datetime | None
    spend: Decimal
    next_tier: str | None
    next_min_spend: Decimal | None


# --- ledger ---


class MovedRow(NamedTuple):
    """A new ledger line, with the account's balance and version after it."""

    id: UUID
    balance: int
    version: int


class AccountVersionRow(NamedTuple):
    """The balance and the version of an account after a change."""

    balance: int
    version: int


class LotRow(NamedTuple):
    """Points taken from a lot."""

    id: UUID
    points: int


class TransactionRow(NamedTuple):
    """A line of the ledger."""

    id: UUID
    customer_id: UUID
    type: str
    points: int
    balance_after: int
    description: str | None
    order_id: UUID | None
    campaign_id: UUID | None
    expires_at: datetime | None
    created_at: datetime | None
    seq: int


# --- orders and reservations ---


class OrderPointsRow(NamedTuple):
    """A row of `order_points`: what an order earned, and what refunds reversed."""

    order_id: UUID
    customer_id: UUID
    order_number: str | None
    total: Decimal
    delivered_at: datetime | None
    captured: Decimal
    refunded: Decimal
    earned: int
    reversed: int
    referrer_id: UUID | None
    referrer_points: int
    referrer_reversed: int


class ReservationRow(NamedTuple):
    """A row of `benefit_reservations`; without a customer it only records a release."""

    order_id: UUID
    state: str
    customer_id: UUID | None
    coupon_code: str | None
    campaign_id: UUID | None
    redemption_id: UUID | None
    referrer_id: UUID | None
    coupon_discount: Decimal
    free_delivery: bool
    discount_applied: Decimal
    points: int
    points_discount: Decimal
    points_returned: int


@dataclass(frozen=True, slots=True)
class ReservedBenefits:
    """The columns that a reservation sets in `benefit_reservations`."""

    coupon_code: str | None
    campaign_id: UUID | None
    redemption_id: UUID | None
    referrer_id: UUID | None
    coupon_discount: Decimal
    free_delivery: bool
    discount_applied: Decimal
    points: int
    points_discount: Decimal


# --- campaigns and coupons ---


class CampaignRow(NamedTuple):
    """A row of `campaigns`."""

    id: UUID
    name: str
    code: str | None
    description: str | None
    type: str
    discount_type: str | None
    discount_value: Decimal | None
    min_order_value: Decimal | None
    max_discount: Decimal | None
    applicable_products: list[UUID] | None
    applicable_categories: list[str] | None
    customer_segments: list[str] | None
    usage_limit: int | None
    usage_per_customer: int | None
    current_usage: int
    start_date: datetime
    end_date: datetime
    is_active: bool | None
    is_listed: bool
    bonus_points: int | None
    created_at: datetime | None
    updated_at: datetime | None


class CouponRow(NamedTuple):
    """What a code means for a customer: a campaign, a bought reward (`redemption_id`) or a referral (`referrer_id`)."""

    campaign_id: UUID | None
    redemption_id: UUID | None
    referrer_id: UUID | None
    code: str
    name: str
    description: str | None
    type: str
    discount_type: str | None
    discount_value: Decimal | None
    min_order_value: Decimal | None
    max_discount: Decimal | None
    applicable_products: list[UUID] | None
    applicable_categories: list[str] | None
    customer_segments: list[str] | None
    bonus_points: int | None
    usage_limit: int | None
    current_usage: int
    usage_per_customer: int | None
    uses: int
    end_date: datetime


@dataclass(frozen=True, slots=True)
class NewCampaign:
    """A row to insert into `campaigns`."""

    name: str
    code: str | None
    description: str | None
    type: str
    discount_type: str | None
    discount_value: Decimal | None
    min_order_value: Decimal | None
    max_discount: Decimal | None
    applicable_products: list[UUID] | None
    applicable_categories: list[str] | None
    customer_segments: list[str] | None
    usage_limit: int | None
    usage_per_customer: int | None
    start_date: datetime
    end_date: datetime
    is_active: bool
    is_listed: bool
    bonus_points: int | None


@dataclass(frozen=True, slots=True)
class NewUsage:
    """A row to insert into `campaign_usage`."""

    campaign_id: UUID
    customer_id: UUID
    order_id: UUID
    discount_applied: Decimal


# --- rewards ---


class RewardRow(NamedTuple):
    """A row of `rewards`."""

    id: UUID
    name: str
    description: str | None
    points_cost: int
    discount_type: str
    discount_value: Decimal | None
    min_order_value: Decimal | None
    max_discount: Decimal | None
    applicable_products: list[UUID] | None
    min_tier: str
    stock: int | None
    valid_days: int
    is_active: bool
    created_at: datetime
    updated_at: datetime


class RedemptionRow(NamedTuple):
    """A row of `redemptions`: a reward that a customer bought."""

    id: UUID
    customer_id: UUID
    reward_id: UUID
    reward_name: str
    points: int
    code: str
    status: str
    order_id: UUID | None
    expires_at: datetime
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewReward:
    """A row to insert into `rewards`."""

    name: str
    description: str | None
    points_cost: int
    discount_type: str
    discount_value: Decimal | None
    min_order_value: Decimal | None
    max_discount: Decimal | None
    applicable_products: list[UUID] | None
    min_tier: str
    stock: int | None
    valid_days: int
    is_active: bool


@dataclass(frozen=True, slots=True)
class NewRedemption:
    """A row to insert into `redemptions`."""

    customer_id: UUID
    reward_id: UUID
    reward_name: str
    points: int
    code: str
    discount_type: str
    discount_value: Decimal | None
    min_order_value: Decimal | None
    max_discount: Decimal | None
    applicable_products: list[UUID] | None
    expires_at: datetime


# --- tiers ---


class TierRow(NamedTuple):
    """A row of `tiers`."""

    name: str
    rank: int
    min_spend: Decimal
    multiplier_basis_points: int


class TierRanksRow(NamedTuple):
    """The ranks of the customer's tier and of the required tier."""

    actual: int
    required: int


class TierChangeRow(NamedTuple):
    """An account's new and previous tier."""

    tier: str
    previous: str
    version: int
