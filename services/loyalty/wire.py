"""Conversion between messages of the contracts and rows, commands and values of the service."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias, cast
from uuid import UUID

from jainshikanji.loyalty.v1 import account_pb2, campaign_pb2, reward_pb2, tier_pb2
from jainshikanji.loyalty.v1 import loyalty_service_pb2 as pb
from jainshikanji.loyalty.v1.events_pb2 import (
    PointsEarned,
    PointsExpired,
    PointsRedeemed,
    PointsReturned,
    PointsReversed,
    TierChanged,
)
from jainshikanji.order.v1.events_pb2 import OrderDelivered
from jainshikanji.payment.v1.events_pb2 import RefundProcessed
from jainshikanji.type.v1.money_pb2 import Money

from chassis.clock import now
from chassis.enums import EnumMapping
from chassis.errors import InvalidArgument
from chassis.events.bus import EventMeta
from chassis.money import CURRENCY, ZERO, money_from_proto, money_to_proto, round_half_up
from chassis.rpc.idempotency import Claim
from chassis.timestamps import datetime_from_proto, timestamp_to_proto
from services.loyalty.commands import (
    AwardOrder,
    CampaignColumn,
    GivePoints,
    ListCampaigns,
    ListTransactions,
    RedeemReward,
    ReverseOrder,
    RewardColumn,
    UpdateCampaign,
    UpdateReward,
    UpdateTier,
    UseBenefits,
)
from services.loyalty.model.benefits import Cart, GrantedBenefits, Line
from services.loyalty.model.campaigns import IMPLIED_DISCOUNT_TYPE
from services.loyalty.model.points import AccountState
from services.loyalty.rows import (
    AccountRow,
    CampaignRow,
    CouponRow,
    NewCampaign,
    NewReward,
    RedemptionRow,
    RewardRow,
    TierChangeRow,
    TierRow,
    TransactionRow,
)

# The design document spells the tiers with a capital.
TIERS: Final = EnumMapping(tier_pb2.LoyaltyTier, style=str.capitalize)
TRANSACTION_TYPES: Final = EnumMapping(account_pb2.LoyaltyTransactionType)
CAMPAIGN_TYPES: Final = EnumMapping(campaign_pb2.CampaignType)
DISCOUNT_TYPES: Final = EnumMapping(campaign_pb2.DiscountType)
SEGMENTS: Final = EnumMapping(campaign_pb2.CustomerSegment)
REDEMPTION_STATUSES: Final = EnumMapping(reward_pb2.RedemptionStatus)

# The maximum of NUMERIC(10, 2).
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


# Both have the same fields; a quote reserves nothing.
BenefitsRequest: TypeAlias = pb.QuoteBenefitsRequest | pb.ReserveBenefitsRequest


def normalise_code(code: str) -> str:
    """A code as it is stored and compared: trimmed, in upper case."""
    return code.strip().upper()


def _read_amount(field: str, money: Money) -> Decimal:
    """An amount of a request. Raises InvalidArgument for another currency, and outside of 0 to MAX_AMOUNT."""
    if money.currency_code != CURRENCY:
        raise InvalidArgument(f"{field}.currencyCode", f"must be {CURRENCY}")
    value = money_from_proto(money)
    if not 0 <= value <= MAX_AMOUNT:
        raise InvalidArgument(f"{field}.minorUnits", "must be between 0 and 9999999999")
    return value


def use_benefits_from_proto(request: BenefitsRequest) -> UseBenefits:
    return UseBenefits(
        customer_id=UUID(request.customer_id),
        store_id=UUID(request.store_id),
        coupon_code=normalise_code(request.coupon_code),
        points=request.points,
        cart=_cart_from_proto(request),
    )


def _cart_from_proto(request: BenefitsRequest) -> Cart:
    lines = [
        Line(UUID(line.product_id), line.category, _read_amount("lines.subtotal", line.subtotal), line.quantity)
        for line in request.lines
    ]
    fee = _read_amount("deliveryFee", request.delivery_fee) if request.delivery_fee.currency_code else ZERO
    return Cart(lines, _read_amount("subtotal", request.subtotal), fee)


def benefits_to_proto(granted: GrantedBenefits) -> pb.Benefits:
    benefits = granted.benefits
    return pb.Benefits(
        coupon_discount=money_to_proto(benefits.coupon_discount),
        free_delivery=benefits.free_delivery,
        points_used=benefits.points_used,
        points_discount=money_to_proto(benefits.points_discount),
        campaign_id=str(granted.campaign_id or ""),
        coupon_code=granted.coupon_code,
    )


def account_to_proto(row: AccountRow, rupees_of_point: Decimal) -> account_pb2.LoyaltyAccount:
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
    if row.next_tier is not None and row.next_min_spend is not None:
        message.next_tier = TIERS.to_proto(row.next_tier)
        message.spend_to_next_tier.CopyFrom(money_to_proto(max(row.next_min_spend - row.spend, ZERO)))
    return message


def transaction_to_proto(row: TransactionRow) -> account_pb2.LoyaltyTransaction:
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


def tier_to_proto(row: TierRow) -> tier_pb2.Tier:
    return tier_pb2.Tier(
        tier=TIERS.to_proto(row.name),
        min_spend=money_to_proto(row.min_spend),
        multiplier_basis_points=row.multiplier_basis_points,
    )


def campaign_to_proto(row: CampaignRow) -> campaign_pb2.Campaign:
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
        customer_segments=[SEGMENTS.to_proto(segment) for segment in row.customer_segments or ()],
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


def coupon_to_proto(row: CouponRow, uses_left: int | None) -> campaign_pb2.Coupon:
    message = campaign_pb2.Coupon(
        code=row.code,
        name=row.name,
        description=row.description or "",
        type=campaign_pb2.CampaignType.UNSPECIFIED if row.type == "reward" else CAMPAIGN_TYPES.to_proto(row.type),
        # The points of a referral go to the referrer.
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


def reward_to_proto(row: RewardRow) -> reward_pb2.Reward:
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


def redemption_to_proto(row: RedemptionRow) -> reward_pb2.Redemption:
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


def new_campaign_from_proto(request: pb.CreateCampaignRequest) -> NewCampaign:
    kind = CAMPAIGN_TYPES.from_proto(request.type)
    discount_type = DISCOUNT_TYPES.from_proto(request.discount_type) if request.discount_type else None
    discount_type = discount_type or IMPLIED_DISCOUNT_TYPE.get(kind)
    return NewCampaign(
        name=request.name,
        code=normalise_code(request.code) or None,
        description=request.description or None,
        type=kind,
        discount_type=discount_type,
        discount_value=_discount_value(request, discount_type),
        min_order_value=_optional_amount(request, "min_order_value"),
        max_discount=_optional_amount(request, "max_discount"),
        applicable_products=[UUID(product_id) for product_id in request.applicable_products] or None,
        applicable_categories=list(request.applicable_categories) or None,
        customer_segments=[SEGMENTS.from_proto(segment) for segment in request.customer_segments] or None,
        usage_limit=request.usage_limit if request.HasField("usage_limit") else None,
        usage_per_customer=(request.usage_per_customer or None) if request.HasField("usage_per_customer") else 1,
        start_date=datetime_from_proto("startsAt", request.starts_at),
        end_date=datetime_from_proto("endsAt", request.ends_at),
        is_active=request.is_active if request.HasField("is_active") else True,
        is_listed=request.is_listed if request.HasField("is_listed") else True,
        bonus_points=request.bonus_points or None,
    )


def update_campaign_from_proto(request: pb.UpdateCampaignRequest) -> UpdateCampaign:
    changes: dict[CampaignColumn, Any] = {}
    for field in changed_fields(request, NULLABLE_CAMPAIGN_FIELDS):
        column, value = _campaign_change(request, field)
        if column in changes:
            raise InvalidArgument("amount", "percentBasisPoints and amount exclude each other")
        changes[column] = value
    return UpdateCampaign(UUID(request.id), changes)


def new_reward_from_proto(request: pb.CreateRewardRequest) -> NewReward:
    discount_type = DISCOUNT_TYPES.from_proto(request.discount_type)
    return NewReward(
        name=request.name,
        description=request.description or None,
        points_cost=request.points_cost,
        discount_type=discount_type,
        discount_value=_discount_value(request, discount_type),
        min_order_value=_optional_amount(request, "min_order_value"),
        max_discount=_optional_amount(request, "max_discount"),
        applicable_products=[UUID(product_id) for product_id in request.applicable_products] or None,
        min_tier=TIERS.from_proto(request.min_tier or tier_pb2.LoyaltyTier.BRONZE),
        stock=request.stock if request.HasField("stock") else None,
        valid_days=request.valid_days or DEFAULT_VALID_DAYS,
        is_active=request.is_active if request.HasField("is_active") else True,
    )


def update_reward_from_proto(request: pb.UpdateRewardRequest) -> UpdateReward:
    changes: dict[RewardColumn, Any] = {}
    for field in changed_fields(request, NULLABLE_REWARD_FIELDS):
        column = cast(RewardColumn, field)
        if field in {"min_order_value", "max_discount"}:
            changes[column] = _optional_amount(request, field)
        elif not request.HasField(field):  # type: ignore[arg-type]
            changes[column] = None
        elif field == "min_tier":
            changes[column] = TIERS.from_proto(request.min_tier)
        else:
            changes[column] = getattr(request, field)
    return UpdateReward(UUID(request.id), changes)


def redeem_reward_from_proto(request: pb.RedeemRewardRequest, claim: Claim) -> RedeemReward:
    return RedeemReward(UUID(request.reward_id), claim)


def update_tier_from_proto(request: pb.UpdateTierRequest) -> UpdateTier:
    return UpdateTier(
        name=TIERS.from_proto(request.tier),
        min_spend=_read_amount("minSpend", request.min_spend) if request.HasField("min_spend") else None,
        multiplier_basis_points=(
            request.multiplier_basis_points if request.HasField("multiplier_basis_points") else None
        ),
    )


def list_transactions_from_proto(request: pb.ListLoyaltyTransactionsRequest) -> ListTransactions:
    kind = TRANSACTION_TYPES.from_proto(request.type) if request.type else None
    return ListTransactions(UUID(request.customer_id), kind)


def list_campaigns_from_proto(request: pb.ListCampaignsRequest) -> ListCampaigns:
    return ListCampaigns(request.include_all, CAMPAIGN_TYPES.from_proto(request.type) if request.type else None)


def give_points_from_proto(request: pb.EarnPointsRequest, claim: Claim | None) -> GivePoints:
    return GivePoints(UUID(request.customer_id), request.points, request.reason, claim)


# --- events ---


def award_order_from_event(event: OrderDelivered, meta: EventMeta) -> AwardOrder:
    subtotal = money_from_proto(event.subtotal)
    discounts = money_from_proto(event.discount) + money_from_proto(event.loyalty_discount)
    return AwardOrder(
        order_id=UUID(event.order_id),
        order_number=event.order_number,
        customer_id=UUID(event.customer_id),
        total=money_from_proto(event.total),
        subtotal=subtotal,
        paid_for_food=max(subtotal - discounts, ZERO),
        lines=[
            Line(UUID(item.product_id), item.category, money_from_proto(item.subtotal), item.quantity)
            for item in event.items
        ],
        delivered_at=meta.occurred_at,
    )


def reverse_order_from_event(event: RefundProcessed) -> ReverseOrder:
    captured, refunded = money_from_proto(event.captured_amount), money_from_proto(event.refunded_total)
    return ReverseOrder(
        order_id=UUID(event.order_id),
        customer_id=UUID(event.customer_id),
        refunded=max(refunded, captured) if event.fully else refunded,
        captured=captured,
    )


def points_earned_to_proto(
    account: AccountState, points: int, *, order_id: UUID | None, order_points: int, expires_at: datetime
) -> PointsEarned:
    return PointsEarned(
        **_account_facts(account),
        order_id=str(order_id or ""),
        points=points,
        order_points=order_points,
        expires_at=timestamp_to_proto(expires_at),
    )


def points_returned_to_proto(account: AccountState, points: int, order_id: UUID) -> PointsReturned:
    return PointsReturned(**_account_facts(account), order_id=str(order_id), points=points)


def points_reversed_to_proto(
    account: AccountState, points: int, order_id: UUID, *, order_points: int | None
) -> PointsReversed:
    return PointsReversed(
        **_account_facts(account),
        order_id=str(order_id) if order_points is not None else "",
        points=points,
        order_points=order_points or 0,
    )


def points_expired_to_proto(account: AccountState, points: int) -> PointsExpired:
    return PointsExpired(**_account_facts(account), points=points)


def points_redeemed_to_proto(
    account: AccountState, points: int, *, order_id: UUID | None, reward_id: UUID | None
) -> PointsRedeemed:
    return PointsRedeemed(
        **_account_facts(account), order_id=str(order_id or ""), reward_id=str(reward_id or ""), points=points
    )


def tier_changed_to_proto(customer_id: UUID, row: TierChangeRow) -> TierChanged:
    return TierChanged(
        customer_id=str(customer_id),
        tier=TIERS.to_proto(row.tier),
        previous_tier=TIERS.to_proto(row.previous),
        version=row.version,
    )


def _account_facts(account: AccountState) -> dict[str, Any]:
    return {"customer_id": str(account.customer_id), "balance": account.balance, "version": account.version}


# --- fields ---


def changed_fields(request: Any, nullable: set[str]) -> list[str]:
    """The fields in the update mask; without a mask, the fields that are present.

    Raises InvalidArgument for an unknown name, and for an absent field that cannot be cleared.
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


def _campaign_change(request: pb.UpdateCampaignRequest, field: str) -> tuple[CampaignColumn, Any]:
    column = cast(CampaignColumn, _COLUMN_OF.get(field, field))
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
_CAMPAIGN_VALUES: dict[str, Callable[[pb.UpdateCampaignRequest], Any]] = {
    "amount": lambda request: _read_amount("amount", request.amount),
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
    request: pb.CreateCampaignRequest | pb.CreateRewardRequest,
    discount_type: str | None,
) -> Decimal | None:
    """The percentage or the amount of the request; the model checks whether it fits the type."""
    if request.percent_basis_points and request.HasField("amount"):
        raise InvalidArgument("amount", "percentBasisPoints and amount exclude each other")
    if request.HasField("amount"):
        if discount_type == "percentage":
            raise InvalidArgument("amount", "PERCENTAGE takes percentBasisPoints")
        return _read_amount("amount", request.amount)
    if request.percent_basis_points:
        if discount_type == "fixed":
            raise InvalidArgument("percentBasisPoints", "FIXED takes amount")
        return Decimal(request.percent_basis_points).scaleb(-2)
    return None


def _optional_amount(request: Any, field: str) -> Decimal | None:
    if not request.HasField(field):
        return None
    head, *rest = field.split("_")
    return _read_amount(head + "".join(word.capitalize() for word in rest), getattr(request, field))


def _set_discount(
    message: campaign_pb2.Campaign | campaign_pb2.Coupon | reward_pb2.Reward, row: CampaignRow | CouponRow | RewardRow
) -> None:
    if row.discount_type is not None:
        message.discount_type = DISCOUNT_TYPES.to_proto(row.discount_type)
    if row.discount_type == "percentage":
        message.percent_basis_points = int((row.discount_value or ZERO).scaleb(2))
    elif row.discount_type == "fixed":
        message.amount.CopyFrom(money_to_proto(row.discount_value))


def _money(value: Decimal | None) -> Money | None:
    return None if value is None else money_to_proto(value)
