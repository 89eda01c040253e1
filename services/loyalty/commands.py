"""Inputs of the use cases, as the servicer reads them from requests and the event handlers from events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, TypeAlias
from uuid import UUID

from chassis.rpc.idempotency import Claim
from services.loyalty.model.benefits import Cart, Line

# Columns that a request may change.
CampaignColumn: TypeAlias = Literal[
    "name",
    "code",
    "description",
    "discount_value",
    "min_order_value",
    "max_discount",
    "applicable_products",
    "applicable_categories",
    "customer_segments",
    "usage_limit",
    "usage_per_customer",
    "start_date",
    "end_date",
    "is_active",
    "is_listed",
    "bonus_points",
]
RewardColumn: TypeAlias = Literal[
    "name",
    "description",
    "points_cost",
    "min_order_value",
    "max_discount",
    "min_tier",
    "stock",
    "valid_days",
    "is_active",
]


@dataclass(frozen=True, slots=True)
class ListTransactions:
    """The ledger of a customer; `kind` None means all kinds."""

    customer_id: UUID
    kind: str | None


@dataclass(frozen=True, slots=True)
class GivePoints:
    """A gift of an administrator; without a claim it is not protected against repetition."""

    customer_id: UUID
    points: int
    reason: str
    claim: Claim | None


@dataclass(frozen=True, slots=True)
class UpdateTier:
    """New terms of a tier; None keeps the present value."""

    name: str
    min_spend: Decimal | None
    multiplier_basis_points: int | None


@dataclass(frozen=True, slots=True)
class UseBenefits:
    """The coupon and the points that a customer wants to use on a cart."""

    customer_id: UUID
    store_id: UUID
    coupon_code: str
    points: int
    cart: Cart


@dataclass(frozen=True, slots=True)
class ListCampaigns:
    """Running campaigns that are listed, or all of them; `kind` None means all kinds."""

    include_all: bool
    kind: str | None


@dataclass(frozen=True, slots=True)
class UpdateCampaign:
    """New values of a campaign."""

    campaign_id: UUID
    changes: Mapping[CampaignColumn, Any]


@dataclass(frozen=True, slots=True)
class UpdateReward:
    """New values of a reward."""

    reward_id: UUID
    changes: Mapping[RewardColumn, Any]


@dataclass(frozen=True, slots=True)
class RedeemReward:
    """A reward to buy with points."""

    reward_id: UUID
    claim: Claim


@dataclass(frozen=True, slots=True)
class AwardOrder:
    """A delivered order. `paid_for_food` is the lines without discounts and tax, which earns points."""

    order_id: UUID
    order_number: str
    customer_id: UUID
    total: Decimal
    subtotal: Decimal
    paid_for_food: Decimal
    lines: Sequence[Line]
    delivered_at: datetime


@dataclass(frozen=True, slots=True)
class ReverseOrder:
    """The amounts captured and refunded for an order so far."""

    order_id: UUID
    customer_id: UUID
    refunded: Decimal
    captured: Decimal
