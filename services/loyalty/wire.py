"""Rows and the contract's messages, both ways."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from jainshikanji.loyalty.v1 import account_pb2, campaign_pb2, loyalty_service_pb2, reward_pb2, tier_pb2
from jainshikanji.type.v1.money_pb2 import Money

from chassis.clock import now
from chassis.database import Row
from chassis.enums import EnumMapping
from chassis.errors import InvalidArgument
from chassis.money import CURRENCY, ZERO, money_from_proto, money_to_proto, round_half_up
from chassis.timestamps import datetime_from_proto, timestamp_to_proto
from services.loyalty.model.benefits import Benefits, Cart, Line
from services.loyalty.model.campaigns import IMPLIED_DISCOUNT_TYPE

# The design document spells the tiers with a capital.
TIERS: Final = EnumMapping(tier_pb2.LoyaltyTier, style=str.capitalize)
TRANSACTION_TYPES: Final = EnumMapping(account_pb2.LoyaltyTransactionType)
CAMPAIGN_TYPES: Final = EnumMapping(campaign_pb2.CampaignType)
DISCOUNT_TYPES: Final = EnumMapping(campaign_pb2.DiscountType)
SEGMENTS: Final = EnumMapping(campaign_pb2.CustomerSegment)
REDEMPTION_STATUSES: Final = EnumMapping(reward_pb2.RedemptionStatus)

# What NUMERIC(10, 2) holds.
MAX_AMOUNT: Final = Decimal("99999999.99")
DEFAULT_VALID_DAYS: Final = 30
NULLABLE_CAMPAIGN_FIELDS: Final = {
    "description",
    "min_order_value",
    "max_discount",
    "applicable_products",
    "applicable_categories",
    "customer_segments",
    "usage_limit",
    "usage_per_customer",
}
NULLABLE_REWARD_FIELDS: Final = {"description", "min_order_value", "max_discount", "stock"}


# Both ask the same; the one holds nothing.
Wishing = loyalty_service_pb2.QuoteBenefitsRequest | loyalty_service_pb2.ReserveBenefitsRequest


def normalise_code(code: str) -> str:
    """How codes are kept and compared: without surrounding space, in upper case."""
    return code.strip().upper()


def amount(field: str, money: Money) -> Decimal:
    """An amount that a request gives. Raises InvalidArgument for another currency, below 0 or above what fits."""
    if money.currency_code != CURRENCY:
        raise InvalidArgument(f"{field}.currencyCode", f"must be {CURRENCY}")
    value = money_from_proto(money)
    if not 0 <= value <= MAX_AMOUNT:
        raise InvalidArgument(f"{field}.minorUnits", "must be between 0 and 9999999999")
    return value


def cart(request: Wishing) -> Cart:
    """The cart of a request of order."""
    lines = [
        Line(UUID(line.product_id), line.category, amount("lines.subtotal", line.subtotal), line.quantity)
        for line in request.lines
    ]
    fee = amount("deliveryFee", request.delivery_fee) if request.delivery_fee.currency_code else ZERO
    return Cart(lines, amount("subtotal", request.subtotal), fee)


def benefits(granted: Benefits, coupon_code: str, campaign_id: UUID | None) -> loyalty_service_pb2.Benefits:
    return loyalty_service_pb2.Benefits(
        coupon_discount=money_to_proto(granted.coupon_discount),
        free_delivery=granted.free_delivery,
        points_used=granted.points_used,
        points_discount=money_to_proto(granted.points_discount),
        campaign_id=str(campaign_id or ""),
        coupon_code=coupon_code,
    )


def account(row: Row, rupees_of_point: Decimal) -> account_pb2.LoyaltyAccount:
    message = account_pb2.LoyaltyAccount(
        customer_id=str(row.customer_id),
        balance=row.balance,
        held=row.held,
        available=row.available,
        owed=row.owed,
        available_value=money_to_proto(round_half_up(row.available * rupees_of_point)),
        tier=TIERS.to_proto(row.tier),
        spend=money_to_proto(row.spend),
        expiring_points=row.expiring,
        next_expiry_at=timestamp_to_proto(row.next_expiry),
        referral_code=row.referral_code or "",
    )
    if row.next_tier is not None:
        message.next_tier = TIERS.to_proto(row.next_tier)
        message.spend_to_next_tier.CopyFrom(money_to_proto(max(row.next_min_spend - row.spend, ZERO)))
    return message


def transaction(row: Row) -> account_pb2.LoyaltyTransaction:
    return account_pb2.LoyaltyTransaction(
        id=str(row.id),
        customer_id=str(row.customer_id),
        type=TRANSACTION_TYPES.to_proto(row.type),
        points=row.points,
        balance_after=row.balance_after,
        description=row.description or "",
        order_id=str(row.order_id or ""),
        campaign_id=str(row.campaign_id or ""),
        expires_at=timestamp_to_proto(row.expires_at),
        created_at=timestamp_to_proto(row.created_at),
    )


def tier(row: Row) -> tier_pb2.Tier:
    return tier_pb2.Tier(
        tier=TIERS.to_proto(row.name),
        min_spend=money_to_proto(row.min_spend),
        multiplier_basis_points=row.multiplier_basis_points,
    )


def campaign(row: Row) -> campaign_pb2.Campaign:
    message = campaign_pb2.Campaign(
        id=str(row.id),
        name=row.name,
        code=row.code or "",
        description=row.description or "",
        type=CAMPAIGN_TYPES.to_proto(row.type),
        bonus_points=row.bonus_points or 0,
        min_order_value=_money(row.min_order_value),
        max_discount=_money(row.max_discount),
        applicable_products=[str(product_id) for product_id in row.applicable_products or ()],
        applicable_categories=row.applicable_categories or (),
        customer_segments=[SEGMENTS.to_proto(word) for word in row.customer_segments or ()],
        usage_limit=row.usage_limit,
        usage_per_customer=row.usage_per_customer,
        current_usage=row.current_usage,
        starts_at=timestamp_to_proto(row.start_date),
        ends_at=timestamp_to_proto(row.end_date),
        is_active=bool(row.is_active),
        is_listed=row.is_listed,
        created_at=timestamp_to_proto(row.created_at),
        updated_at=timestamp_to_proto(row.updated_at),
    )
    _set_discount(message, row)
    return message


def coupon(row: Row, uses_left: int | None) -> campaign_pb2.Coupon:
    message = campaign_pb2.Coupon(
        code=row.code,
        name=row.name,
        description=row.description or "",
        type=campaign_pb2.CampaignType.UNSPECIFIED if row.type == "reward" else CAMPAIGN_TYPES.to_proto(row.type),
        # A referral's points go to the other customer.
        bonus_points=(row.bonus_points or 0) if row.type == "loyalty_bonus" else 0,
        min_order_value=_money(row.min_order_value),
        max_discount=_money(row.max_discount),
        applicable_products=[str(product_id) for product_id in row.applicable_products or ()],
        applicable_categories=row.applicable_categories or (),
        ends_at=timestamp_to_proto(row.end_date),
        uses_left=uses_left,
    )
    _set_discount(message, row)
    return message


def reward(row: Row) -> reward_pb2.Reward:
    message = reward_pb2.Reward(
        id=str(row.id),
        name=row.name,
        description=row.description or "",
        points_cost=row.points_cost,
        min_order_value=_money(row.min_order_value),
        max_discount=_money(row.max_discount),
        applicable_products=[str(product_id) for product_id in row.applicable_products or ()],
        min_tier=TIERS.to_proto(row.min_tier),
        stock=row.stock,
        valid_days=row.valid_days,
        is_active=row.is_active,
        created_at=timestamp_to_proto(row.created_at),
        updated_at=timestamp_to_proto(row.updated_at),
    )
    _set_discount(message, row)
    return message


def redemption(row: Row) -> reward_pb2.Redemption:
    status = REDEMPTION_STATUSES.to_proto(row.status)
    if row.status == "issued" and row.expires_at <= now():
        status = reward_pb2.RedemptionStatus.EXPIRED
    return reward_pb2.Redemption(
        id=str(row.id),
        customer_id=str(row.customer_id),
        reward_id=str(row.reward_id),
        reward_name=row.reward_name,
        points=row.points,
        code=row.code,
        status=status,
        order_id=str(row.order_id or ""),
        expires_at=timestamp_to_proto(row.expires_at),
        created_at=timestamp_to_proto(row.created_at),
    )


def campaign_columns(request: loyalty_service_pb2.CreateCampaignRequest) -> dict[str, Any]:
    """The columns of a new campaign."""
    kind = CAMPAIGN_TYPES.from_proto(request.type)
    discount_type = DISCOUNT_TYPES.from_proto(request.discount_type) if request.discount_type else None
    discount_type = discount_type or IMPLIED_DISCOUNT_TYPE.get(kind)
    return {
        "name": request.name,
        "code": normalise_code(request.code) or None,
        "description": request.description or None,
        "type": kind,
        "discount_type": discount_type,
        "discount_value": _discount_value(request, discount_type),
        "min_order_value": _optional_amount(request, "min_order_value"),
        "max_discount": _optional_amount(request, "max_discount"),
        "applicable_products": [UUID(product_id) for product_id in request.applicable_products] or None,
        "applicable_categories": list(request.applicable_categories) or None,
        "customer_segments": [SEGMENTS.from_proto(segment) for segment in request.customer_segments] or None,
        "usage_limit": request.usage_limit if request.HasField("usage_limit") else None,
        "usage_per_customer": (request.usage_per_customer or None) if request.HasField("usage_per_customer") else 1,
        "start_date": datetime_from_proto("startsAt", request.starts_at),
        "end_date": datetime_from_proto("endsAt", request.ends_at),
        "is_active": request.is_active if request.HasField("is_active") else True,
        "is_listed": request.is_listed if request.HasField("is_listed") else True,
        "bonus_points": request.bonus_points or None,
    }


def campaign_changes(request: loyalty_service_pb2.UpdateCampaignRequest) -> dict[str, Any]:
    """The columns that a request changes."""
    changes: dict[str, Any] = {}
    for field in changed_fields(request, NULLABLE_CAMPAIGN_FIELDS):
        column, value = _campaign_change(request, field)
        if column in changes:
            raise InvalidArgument("amount", "percentBasisPoints and amount exclude each other")
        changes[column] = value
    return changes


def reward_columns(request: loyalty_service_pb2.CreateRewardRequest) -> dict[str, Any]:
    """The columns of a new reward."""
    discount_type = DISCOUNT_TYPES.from_proto(request.discount_type)
    return {
        "name": request.name,
        "description": request.description or None,
        "points_cost": request.points_cost,
        "discount_type": discount_type,
        "discount_value": _discount_value(request, discount_type),
        "min_order_value": _optional_amount(request, "min_order_value"),
        "max_discount": _optional_amount(request, "max_discount"),
        "applicable_products": [UUID(product_id) for product_id in request.applicable_products] or None,
        "min_tier": TIERS.from_proto(request.min_tier or tier_pb2.LoyaltyTier.BRONZE),
        "stock": request.stock if request.HasField("stock") else None,
        "valid_days": request.valid_days or DEFAULT_VALID_DAYS,
        "is_active": request.is_active if request.HasField("is_active") else True,
    }


def reward_changes(request: loyalty_service_pb2.UpdateRewardRequest) -> dict[str, Any]:
    """The columns that a request changes."""
    changes: dict[str, Any] = {}
    for field in changed_fields(request, NULLABLE_REWARD_FIELDS):
        if field in {"min_order_value", "max_discount"}:
            changes[field] = _optional_amount(request, field)
        elif not request.HasField(field):  # type: ignore[arg-type]
            changes[field] = None
        elif field == "min_tier":
            changes[field] = TIERS.from_proto(request.min_tier)
        else:
            changes[field] = getattr(request, field)
    return changes


def tier_changes(request: loyalty_service_pb2.UpdateTierRequest) -> dict[str, object]:
    """The columns that a request changes."""
    changes: dict[str, object] = {}
    if request.HasField("min_spend"):
        changes["min_spend"] = amount("minSpend", request.min_spend)
    if request.HasField("multiplier_basis_points"):
        changes["multiplier_basis_points"] = request.multiplier_basis_points
    return changes


def changed_fields(request: Any, nullable: set[str]) -> list[str]:
    """The fields that an update names in its mask, or those that are present when it has none.

    Raises InvalidArgument for a name that the request does not have, and for one that is absent and cannot be cleared.
    """
    present = [field.name for field, _ in request.ListFields() if field.name not in {"id", "update_mask"}]
    if not request.HasField("update_mask"):
        return present
    known = {field.name for field in request.DESCRIPTOR.fields} - {"id", "update_mask"}
    named = list(dict.fromkeys(request.update_mask.paths))
    for name in named:
        if name not in known:
            raise InvalidArgument("updateMask", f"{name!r} cannot be changed")
        if name not in present and name not in nullable:
            raise InvalidArgument("updateMask", f"{name!r} cannot be cleared")
    return named


def _campaign_change(request: loyalty_service_pb2.UpdateCampaignRequest, field: str) -> tuple[str, Any]:
    column = _COLUMN_OF.get(field, field)
    if field in _CAMPAIGN_VALUES:
        return column, _CAMPAIGN_VALUES[field](request)
    if field in {"min_order_value", "max_discount"}:
        return column, _optional_amount(request, field)
    return column, getattr(request, field) if request.HasField(field) else None  # type: ignore[arg-type]


_COLUMN_OF = {
    "amount": "discount_value",
    "percent_basis_points": "discount_value",
    "starts_at": "start_date",
    "ends_at": "end_date",
}
_CAMPAIGN_VALUES: dict[str, Callable[[loyalty_service_pb2.UpdateCampaignRequest], Any]] = {
    "amount": lambda request: amount("amount", request.amount),
    "percent_basis_points": lambda request: Decimal(request.percent_basis_points).scaleb(-2),
    "starts_at": lambda request: datetime_from_proto("startsAt", request.starts_at),
    "ends_at": lambda request: datetime_from_proto("endsAt", request.ends_at),
    "applicable_products": lambda request: [UUID(product_id) for product_id in request.applicable_products] or None,
    "applicable_categories": lambda request: list(request.applicable_categories) or None,
    "customer_segments": lambda request: (
        [SEGMENTS.from_proto(segment) for segment in request.customer_segments] or None
    ),
    "usage_per_customer": lambda request: request.usage_per_customer or None,
}


def _discount_value(
    request: loyalty_service_pb2.CreateCampaignRequest | loyalty_service_pb2.CreateRewardRequest,
    discount_type: str | None,
) -> Decimal | None:
    """The one size that the request gives; whether it fits the type is the model's rule."""
    if request.percent_basis_points and request.HasField("amount"):
        raise InvalidArgument("amount", "percentBasisPoints and amount exclude each other")
    if request.HasField("amount"):
        if discount_type == "percentage":
            raise InvalidArgument("amount", "PERCENTAGE takes percentBasisPoints")
        return amount("amount", request.amount)
    if request.percent_basis_points:
        if discount_type == "fixed":
            raise InvalidArgument("percentBasisPoints", "FIXED takes amount")
        return Decimal(request.percent_basis_points).scaleb(-2)
    return None


def _optional_amount(request: Any, field: str) -> Decimal | None:
    if not request.HasField(field):
        return None
    head, *rest = field.split("_")
    return amount(head + "".join(word.capitalize() for word in rest), getattr(request, field))


def _set_discount(message: campaign_pb2.Campaign | campaign_pb2.Coupon | reward_pb2.Reward, row: Row) -> None:
    if row.discount_type is not None:
        message.discount_type = DISCOUNT_TYPES.to_proto(row.discount_type)
    if row.discount_type == "percentage":
        message.percent_basis_points = int(row.discount_value.scaleb(2))
    elif row.discount_type == "fixed":
        message.amount.CopyFrom(money_to_proto(row.discount_value))


def _money(value: Decimal | None) -> Money | None:
    return None if value is None else money_to_proto(value)
