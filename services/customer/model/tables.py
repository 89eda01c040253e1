"""The tables of the customer service."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, INET
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import Text

from chassis.database.tables import Encrypted, service_metadata, type_annotations

DEFAULT_LOCALE = "en-IN"
DEFAULT_COUNTRY = "India"
DEFAULT_SPICE_LEVEL = "Mild"


class Base(DeclarativeBase):
    """All tables of this service."""

    metadata = service_metadata()
    type_annotation_map = type_annotations


class Customer(Base):
    """An account. The row of an erased account stays without personal data, so that references are valid."""

    __tablename__ = "customers"
    __table_args__ = (
        UniqueConstraint("email_index", name="idx_customers_email"),
        UniqueConstraint("email_index_next"),
        UniqueConstraint("phone_index", name="idx_customers_phone"),
        UniqueConstraint("phone_index_next"),
        CheckConstraint("loyalty_tier IN ('Bronze', 'Silver', 'Gold', 'Platinum')"),
        Index("idx_customers_tier", "loyalty_tier"),
        Index("idx_customers_active", "is_active"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    email: Mapped[Encrypted]
    email_index: Mapped[bytes]
    email_index_next: Mapped[bytes]
    password_hash: Mapped[str | None] = mapped_column(String(255))
    phone: Mapped[Encrypted | None]
    phone_index: Mapped[bytes | None]
    phone_index_next: Mapped[bytes | None]
    first_name: Mapped[str | None] = mapped_column(String(100))
    last_name: Mapped[str | None] = mapped_column(String(100))
    display_name: Mapped[str | None] = mapped_column(String(255))
    date_of_birth: Mapped[Encrypted | None]
    gender: Mapped[str | None] = mapped_column(String(20))
    locale: Mapped[str] = mapped_column(String(12), server_default=DEFAULT_LOCALE)
    is_verified: Mapped[bool | None] = mapped_column(server_default=text("false"))
    is_active: Mapped[bool | None] = mapped_column(server_default=text("true"))
    email_verified: Mapped[bool | None] = mapped_column(server_default=text("false"))
    phone_verified: Mapped[bool | None] = mapped_column(server_default=text("false"))
    google_id: Mapped[str | None] = mapped_column(String(255))
    facebook_id: Mapped[str | None] = mapped_column(String(255))
    loyalty_points: Mapped[int | None] = mapped_column(server_default=text("0"))
    loyalty_points_version: Mapped[int] = mapped_column(server_default=text("0"))
    loyalty_tier: Mapped[str | None] = mapped_column(String(20), server_default="Bronze")
    loyalty_tier_version: Mapped[int] = mapped_column(server_default=text("0"))
    total_orders: Mapped[int | None] = mapped_column(server_default=text("0"))
    total_spent: Mapped[Decimal | None] = mapped_column(Numeric(10, 2), server_default=text("0"))
    version: Mapped[int] = mapped_column(server_default=text("1"))
    last_login: Mapped[datetime | None]
    created_at: Mapped[datetime | None] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime | None] = mapped_column(server_default=func.now())
    erased_at: Mapped[datetime | None]


class Address(Base):
    """An address of a customer; its lines and its position are encrypted."""

    __tablename__ = "customer_addresses"
    __table_args__ = (
        CheckConstraint("type IN ('home', 'work', 'other')"),
        Index("idx_addresses_default", "customer_id", "is_default"),
        Index("idx_addresses_one_default", "customer_id", unique=True, postgresql_where=text("is_default")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    type: Mapped[str] = mapped_column(String(20), server_default="home")
    label: Mapped[str | None] = mapped_column(String(100))
    address_line1: Mapped[Encrypted]
    address_line2: Mapped[Encrypted | None]
    landmark: Mapped[Encrypted | None]
    city: Mapped[str] = mapped_column(String(100))
    state: Mapped[str] = mapped_column(String(100))
    postal_code: Mapped[str] = mapped_column(String(20))
    country: Mapped[str | None] = mapped_column(String(100), server_default=DEFAULT_COUNTRY)
    latitude: Mapped[Encrypted | None]
    longitude: Mapped[Encrypted | None]
    is_default: Mapped[bool | None] = mapped_column(server_default=text("false"))
    version: Mapped[int] = mapped_column(server_default=text("1"))
    created_at: Mapped[datetime | None] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime | None] = mapped_column(server_default=func.now())


class Preferences(Base):
    """Preferences of a customer. The four settings of messages are not read: the notification service owns them."""

    __tablename__ = "customer_preferences"
    __table_args__ = (UniqueConstraint("customer_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    preferred_spice_level: Mapped[str | None] = mapped_column(String(20), server_default=DEFAULT_SPICE_LEVEL)
    dietary_restrictions: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    favorite_categories: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    email_notifications: Mapped[bool | None] = mapped_column(server_default=text("true"))
    sms_notifications: Mapped[bool | None] = mapped_column(server_default=text("true"))
    push_notifications: Mapped[bool | None] = mapped_column(server_default=text("true"))
    marketing_emails: Mapped[bool | None] = mapped_column(server_default=text("true"))
    preferred_payment_method: Mapped[str | None] = mapped_column(String(50))
    preferred_delivery_time: Mapped[str | None] = mapped_column(String(50))
    created_at: Mapped[datetime | None] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime | None] = mapped_column(server_default=func.now())


class Favorite(Base):
    """A product that a customer marked as favorite."""

    __tablename__ = "customer_favorites"
    __table_args__ = (
        UniqueConstraint("customer_id", "product_id"),
        Index("idx_favorites_product", "product_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    product_id: Mapped[UUID]
    created_at: Mapped[datetime | None] = mapped_column(server_default=func.now())


class Session(Base):
    """The refresh tokens that descend from one login. Only their hashes are stored."""

    __tablename__ = "sessions"
    __table_args__ = (
        UniqueConstraint("refresh_token"),
        CheckConstraint("is_active = (ended_at IS NULL)"),
        Index("idx_sessions_customer", "customer_id"),
        Index("idx_sessions_expires", "expires_at"),
        Index("idx_sessions_ended", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("gen_random_uuid()"))
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    refresh_token: Mapped[str] = mapped_column(String(500))
    access_token_hash: Mapped[str | None] = mapped_column(String(255))
    previous_refresh_token: Mapped[str | None] = mapped_column(String(500))
    rotation_salt: Mapped[bytes | None]
    rotated_at: Mapped[datetime | None]
    device_type: Mapped[str | None] = mapped_column(String(50))
    device_id: Mapped[str | None] = mapped_column(String(255))
    ip_address: Mapped[str | None] = mapped_column(INET)
    user_agent: Mapped[str | None]
    expires_at: Mapped[datetime]
    is_active: Mapped[bool | None] = mapped_column(server_default=text("true"))
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None] = mapped_column(String(50))
    created_at: Mapped[datetime | None] = mapped_column(server_default=func.now())
    last_accessed_at: Mapped[datetime | None] = mapped_column(server_default=func.now())


class Code(Base):
    """A code sent by email: keyed hash, attempts and expiry. An account has one code for each kind and store."""

    __tablename__ = "codes"
    __table_args__ = (
        UniqueConstraint("customer_id", "kind", "store_id", postgresql_nulls_not_distinct=True),
        CheckConstraint("kind IN ('email_verification', 'password_reset', 'staff_invitation')"),
        CheckConstraint("(kind = 'staff_invitation') = (store_id IS NOT NULL)"),
        Index("idx_codes_expires", "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(30))
    store_id: Mapped[UUID | None]
    code_hash: Mapped[bytes]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    expires_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class CodeDelivery(Base):
    """An encrypted code that the notification service has not received yet."""

    __tablename__ = "code_deliveries"
    __table_args__ = (Index("idx_code_deliveries_next", "next_attempt_at"),)

    code_id: Mapped[UUID] = mapped_column(ForeignKey("codes.id", ondelete="CASCADE"), primary_key=True)
    code: Mapped[Encrypted]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Administrator(Base):
    """An administrator of the platform. Only the bootstrap command creates one."""

    __tablename__ = "administrators"

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"), primary_key=True)
    granted_at: Mapped[datetime] = mapped_column(server_default=func.now())


class StaffInvitation(Base):
    """The invitation of an account by a store, and when the account accepted it."""

    __tablename__ = "staff_invitations"
    __table_args__ = (CheckConstraint("job IN ('manager', 'chef', 'cashier', 'delivery', 'support')"),)

    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"), primary_key=True)
    store_id: Mapped[UUID] = mapped_column(primary_key=True)
    job: Mapped[str] = mapped_column(String(20))
    invited_at: Mapped[datetime] = mapped_column(server_default=func.now())
    accepted_at: Mapped[datetime | None]


class StaffGrant(Base):
    """The grant of an employment in a store. It is valid once the account has accepted the invitation of that store."""

    __tablename__ = "staff_grants"
    __table_args__ = (
        CheckConstraint("job IN ('manager', 'chef', 'cashier', 'delivery', 'support')"),
        Index("idx_staff_grants_customer", "customer_id"),
    )

    staff_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(Integer)
    customer_id: Mapped[UUID] = mapped_column(ForeignKey("customers.id", ondelete="CASCADE"))
    store_id: Mapped[UUID]
    job: Mapped[str] = mapped_column(String(20))
    is_revoked: Mapped[bool]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SigningKey(Base):
    """An Ed25519 key that signs access tokens from `signs_from` on; the private key is encrypted."""

    __tablename__ = "signing_keys"

    kid: Mapped[str] = mapped_column(primary_key=True)
    private_key: Mapped[Encrypted]
    public_key: Mapped[bytes]
    signs_from: Mapped[datetime]
    verifies_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Throttle(Base):
    """The attempts in the open window of a limit; the key is a blind index."""

    __tablename__ = "throttles"
    __table_args__ = (Index("idx_throttles_window_ends_at", "window_ends_at"),)

    key: Mapped[bytes] = mapped_column(primary_key=True)
    attempts: Mapped[int]
    window_ends_at: Mapped[datetime]
