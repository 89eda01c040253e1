"""The tables, as the migrations make them; a test compares the two."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    String,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.database.tables import service_metadata, type_annotations

NOW = text("now()")
Amount = Numeric(10, 2)


class Base(DeclarativeBase):
    """Everything in loyalty_db."""

    metadata = service_metadata()
    type_annotation_map = {**type_annotations, int: Integer, bool: Boolean, Decimal: Amount}  # noqa: RUF012


class Tier(Base):
    """What a tier asks and gives."""

    __tablename__ = "tiers"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    rank: Mapped[int] = mapped_column(unique=True)
    min_spend: Mapped[Decimal]
    multiplier_basis_points: Mapped[int]
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)


class LoyaltyAccount(Base):
    """A customer's points and tier. 0 <= held <= balance is the database's own CHECK."""

    __tablename__ = "loyalty_accounts"
    __table_args__ = (Index("idx_loyalty_accounts_tier", "tier"),)

    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    balance: Mapped[int] = mapped_column(server_default=text("0"))
    held: Mapped[int] = mapped_column(server_default=text("0"))
    owed: Mapped[int] = mapped_column(server_default=text("0"))
    tier: Mapped[str] = mapped_column(String(20), ForeignKey("tiers.name"), server_default=text("'Bronze'"))
    referral_code: Mapped[str | None] = mapped_column(String(20), unique=True)
    last_order_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)
    erased_at: Mapped[datetime | None]


class LoyaltyTransaction(Base):
    """A line of the ledger. A trigger rejects every change except the removal of the description."""

    __tablename__ = "loyalty_transactions"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    customer_id: Mapped[UUID]
    type: Mapped[str] = mapped_column(String(50))
    points: Mapped[int]
    description: Mapped[str | None]
    order_id: Mapped[UUID | None]
    campaign_id: Mapped[UUID | None]
    balance_after: Mapped[int]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime | None] = mapped_column(server_default=NOW)
    seq: Mapped[int] = mapped_column(BigInteger, Identity(always=True))
    actor_id: Mapped[UUID | None]


Index("idx_loyalty_customer_seq", LoyaltyTransaction.customer_id, LoyaltyTransaction.seq.desc())
Index("idx_loyalty_order", LoyaltyTransaction.order_id)
Index("idx_loyalty_created", LoyaltyTransaction.created_at.desc())


class PointLot(Base):
    """Points that came together and expire together; `remaining` of them are neither spent nor held."""

    __tablename__ = "point_lots"
    __table_args__ = (
        Index("idx_point_lots_customer", "customer_id", "expires_at"),
        Index("idx_point_lots_transaction", "transaction_id"),
        Index("idx_point_lots_expiry", "expires_at", postgresql_where=text("remaining > 0")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("loyalty_accounts.customer_id"))
    transaction_id: Mapped[UUID] = mapped_column(ForeignKey("loyalty_transactions.id"))
    points: Mapped[int]
    remaining: Mapped[int]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class Campaign(Base):
    """A promotion. `current_usage <= usage_limit` is the database's own CHECK."""

    __tablename__ = "campaigns"
    __table_args__ = (
        Index("idx_campaigns_active", "is_active", "start_date", "end_date"),
        Index("idx_campaigns_end", "end_date", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    name: Mapped[str] = mapped_column(String(255))
    code: Mapped[str | None] = mapped_column(String(50), unique=True)
    description: Mapped[str | None]
    type: Mapped[str] = mapped_column(String(50))
    discount_type: Mapped[str | None] = mapped_column(String(20))
    discount_value: Mapped[Decimal | None]
    min_order_value: Mapped[Decimal | None]
    max_discount: Mapped[Decimal | None]
    applicable_products: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid()))
    applicable_categories: Mapped[list[str] | None] = mapped_column(ARRAY(String(100)))
    customer_segments: Mapped[list[str] | None] = mapped_column(ARRAY(String(50)))
    usage_limit: Mapped[int | None]
    usage_per_customer: Mapped[int | None] = mapped_column(server_default=text("1"))
    current_usage: Mapped[int | None] = mapped_column(server_default=text("0"))
    start_date: Mapped[datetime]
    end_date: Mapped[datetime]
    is_active: Mapped[bool | None] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime | None] = mapped_column(server_default=NOW)
    updated_at: Mapped[datetime | None] = mapped_column(server_default=NOW)
    bonus_points: Mapped[int | None]
    is_listed: Mapped[bool] = mapped_column(server_default=text("true"))


class CampaignUsage(Base):
    """A confirmed order that used a campaign."""

    __tablename__ = "campaign_usage"
    __table_args__ = (
        UniqueConstraint("order_id", "campaign_id", name="campaign_usage_once_per_order"),
        Index("idx_campaign_usage_campaign", "campaign_id"),
        Index("idx_campaign_usage_customer", "customer_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaigns.id"))
    customer_id: Mapped[UUID]
    order_id: Mapped[UUID]
    discount_applied: Mapped[Decimal]
    created_at: Mapped[datetime | None] = mapped_column(server_default=NOW)


class CampaignCustomer(Base):
    """How many orders of a customer use a campaign, open ones included."""

    __tablename__ = "campaign_customers"

    campaign_id: Mapped[UUID] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"), primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(primary_key=True)
    uses: Mapped[int] = mapped_column(server_default=text("0"))


class Reward(Base):
    """Something that points buy."""

    __tablename__ = "rewards"
    __table_args__ = (Index("idx_rewards_cost", "points_cost", "id"), Index("idx_rewards_min_tier", "min_tier"))

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    name: Mapped[str] = mapped_column(String(255))
    description: Mapped[str | None]
    points_cost: Mapped[int]
    discount_type: Mapped[str] = mapped_column(String(20))
    discount_value: Mapped[Decimal | None]
    min_order_value: Mapped[Decimal | None]
    max_discount: Mapped[Decimal | None]
    applicable_products: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid()))
    min_tier: Mapped[str] = mapped_column(String(20), ForeignKey("tiers.name"), server_default=text("'Bronze'"))
    stock: Mapped[int | None]
    valid_days: Mapped[int] = mapped_column(server_default=text("30"))
    is_active: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)


class Redemption(Base):
    """A reward that was bought, with the terms of that moment."""

    __tablename__ = "redemptions"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("loyalty_accounts.customer_id"))
    reward_id: Mapped[UUID] = mapped_column(ForeignKey("rewards.id"))
    reward_name: Mapped[str] = mapped_column(String(255))
    points: Mapped[int]
    code: Mapped[str] = mapped_column(String(50), unique=True)
    discount_type: Mapped[str] = mapped_column(String(20))
    discount_value: Mapped[Decimal | None]
    min_order_value: Mapped[Decimal | None]
    max_discount: Mapped[Decimal | None]
    applicable_products: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid()))
    status: Mapped[str] = mapped_column(String(20), server_default=text("'issued'"))
    order_id: Mapped[UUID | None]
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


Index("idx_redemptions_customer", Redemption.customer_id, Redemption.id.desc())
Index("idx_redemptions_reward", Redemption.reward_id)


class BenefitReservation(Base):
    """What an order holds or has used: reserved → used → returned, or reserved → released."""

    __tablename__ = "benefit_reservations"
    __table_args__ = (
        Index("idx_benefit_reservations_customer", "customer_id"),
        Index("idx_benefit_reservations_campaign", "campaign_id"),
        Index("idx_benefit_reservations_redemption", "redemption_id"),
        Index("idx_benefit_reservations_referrer", "referrer_id"),
        Index("idx_benefit_reservations_open", "created_at", postgresql_where=text("state = 'reserved'")),
    )

    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(String(20))
    customer_id: Mapped[UUID | None] = mapped_column(ForeignKey("loyalty_accounts.customer_id"))
    store_id: Mapped[UUID | None]
    coupon_code: Mapped[str | None] = mapped_column(String(50))
    campaign_id: Mapped[UUID | None] = mapped_column(ForeignKey("campaigns.id"))
    redemption_id: Mapped[UUID | None] = mapped_column(ForeignKey("redemptions.id"))
    referrer_id: Mapped[UUID | None] = mapped_column(ForeignKey("loyalty_accounts.customer_id"))
    coupon_discount: Mapped[Decimal] = mapped_column(server_default=text("0"))
    free_delivery: Mapped[bool] = mapped_column(server_default=text("false"))
    discount_applied: Mapped[Decimal] = mapped_column(server_default=text("0"))
    points: Mapped[int] = mapped_column(server_default=text("0"))
    points_discount: Mapped[Decimal] = mapped_column(server_default=text("0"))
    points_returned: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=NOW)


class PointHold(Base):
    """From which lots an order's points came, so that they can go back there."""

    __tablename__ = "point_holds"
    __table_args__ = (Index("idx_point_holds_lot", "lot_id"),)

    order_id: Mapped[UUID] = mapped_column(
        ForeignKey("benefit_reservations.order_id", ondelete="CASCADE"), primary_key=True
    )
    lot_id: Mapped[UUID] = mapped_column(ForeignKey("point_lots.id"), primary_key=True)
    points: Mapped[int]
    returned: Mapped[int] = mapped_column(server_default=text("0"))


class OrderPoints(Base):
    """What an order was worth in points and money; the row may begin with a refund that overtook the delivery."""

    __tablename__ = "order_points"
    __table_args__ = (
        Index("idx_order_points_customer", "customer_id", "delivered_at"),
        Index("idx_order_points_referrer", "referrer_id"),
    )

    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("loyalty_accounts.customer_id"))
    order_number: Mapped[str | None] = mapped_column(String(50))
    total: Mapped[Decimal] = mapped_column(server_default=text("0"))
    delivered_at: Mapped[datetime | None]
    captured: Mapped[Decimal] = mapped_column(server_default=text("0"))
    refunded: Mapped[Decimal] = mapped_column(server_default=text("0"))
    earned: Mapped[int] = mapped_column(server_default=text("0"))
    reversed: Mapped[int] = mapped_column(server_default=text("0"))
    referrer_id: Mapped[UUID | None] = mapped_column(ForeignKey("loyalty_accounts.customer_id"))
    referrer_points: Mapped[int] = mapped_column(server_default=text("0"))
    referrer_reversed: Mapped[int] = mapped_column(server_default=text("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=NOW)


class CouponGuess(Base):
    """Wrong codes of an account or an address; the guesser is known by a blind index only."""

    __tablename__ = "coupon_guesses"
    __table_args__ = (Index("idx_coupon_guesses_until", "until"),)

    guesser: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    misses: Mapped[int]
    until: Mapped[datetime]
