"""The tables of `store_management_db`. Columns of the design document keep its names, nullability and defaults."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    String,
    Text,
    Time,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.database.tables import Encrypted, service_metadata, type_annotations

_RANDOM_ID = text("gen_random_uuid()")
_NOW = text("now()")


class Base(DeclarativeBase):
    """All tables of this service."""

    metadata = service_metadata()
    type_annotation_map = type_annotations


class Store(Base):
    """A restaurant with its fees. `version` counts changes of the store, its hours and its zones."""

    __tablename__ = "stores"
    __table_args__ = (
        CheckConstraint("name != ''", name="stores_name_not_empty"),
        Index("idx_stores_city", "city"),
        Index("idx_stores_active", "is_active", "is_accepting_orders"),
        Index("idx_stores_location", "latitude", "longitude"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=_RANDOM_ID)
    name: Mapped[str] = mapped_column(String(255))
    slug: Mapped[str] = mapped_column(String(255), unique=True)
    description: Mapped[str | None] = mapped_column(Text)
    email: Mapped[str] = mapped_column(String(255))
    phone: Mapped[str] = mapped_column(String(20))
    address_line1: Mapped[str] = mapped_column(String(255))
    address_line2: Mapped[str | None] = mapped_column(String(255))
    landmark: Mapped[str | None] = mapped_column(String(255))
    city: Mapped[str] = mapped_column(String(100))
    state: Mapped[str] = mapped_column(String(100))
    postal_code: Mapped[str] = mapped_column(String(20))
    country: Mapped[str | None] = mapped_column(String(100), server_default=text("'India'"))
    latitude: Mapped[Decimal | None] = mapped_column(Numeric(10, 8))
    longitude: Mapped[Decimal | None] = mapped_column(Numeric(11, 8))
    delivery_radius_km: Mapped[Decimal | None] = mapped_column(Numeric(5, 2), server_default=text("10.00"))
    time_zone: Mapped[str] = mapped_column(String(64), server_default=text("'Asia/Kolkata'"))
    gstin: Mapped[str | None] = mapped_column(String(15))
    is_active: Mapped[bool | None] = mapped_column(server_default=text("true"))
    is_accepting_orders: Mapped[bool | None] = mapped_column(server_default=text("true"))
    min_order_value: Mapped[Decimal | None] = mapped_column(Numeric(10, 2), server_default=text("0"))
    delivery_fee: Mapped[Decimal | None] = mapped_column(Numeric(10, 2), server_default=text("0"))
    free_delivery_above: Mapped[Decimal | None] = mapped_column(Numeric(10, 2))
    estimated_prep_time_minutes: Mapped[int | None] = mapped_column(Integer, server_default=text("30"))
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    created_at: Mapped[dt.datetime | None] = mapped_column(server_default=_NOW)
    updated_at: Mapped[dt.datetime | None] = mapped_column(server_default=_NOW)


class OperatingHours(Base):
    """One stretch of opening that begins on a day of the week; a day may have several, or none."""

    __tablename__ = "store_operating_hours"
    __table_args__ = (
        CheckConstraint("day_of_week >= 0 AND day_of_week <= 6", name="store_operating_hours_day_of_week_check"),
        UniqueConstraint("store_id", "day_of_week", "open_time"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=_RANDOM_ID)
    store_id: Mapped[UUID] = mapped_column(ForeignKey("stores.id", ondelete="CASCADE"))
    day_of_week: Mapped[int] = mapped_column(Integer)
    open_time: Mapped[dt.time] = mapped_column(Time)
    close_time: Mapped[dt.time] = mapped_column(Time)
    is_open: Mapped[bool | None] = mapped_column(server_default=text("true"))
    created_at: Mapped[dt.datetime | None] = mapped_column(server_default=_NOW)
    updated_at: Mapped[dt.datetime | None] = mapped_column(server_default=_NOW)


class HoursException(Base):
    """What one date has instead of its day of the week: stretches as two parallel arrays, empty for closed."""

    __tablename__ = "store_hours_exceptions"
    __table_args__ = (
        CheckConstraint("cardinality(open_times) = cardinality(close_times)", name="store_hours_exceptions_check"),
        UniqueConstraint("store_id", "date"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    store_id: Mapped[UUID] = mapped_column(ForeignKey("stores.id", ondelete="CASCADE"))
    date: Mapped[dt.date] = mapped_column(Date)
    open_times: Mapped[list[dt.time]] = mapped_column(ARRAY(Time))
    close_times: Mapped[list[dt.time]] = mapped_column(ARRAY(Time))
    reason: Mapped[str] = mapped_column(String(255), server_default=text("''"))
    created_at: Mapped[dt.datetime] = mapped_column(server_default=_NOW)
    updated_at: Mapped[dt.datetime] = mapped_column(server_default=_NOW)


class Zone(Base):
    """Postal codes that are delivered to at one fee."""

    __tablename__ = "delivery_zones"
    __table_args__ = (
        Index("idx_delivery_zones_store", "store_id"),
        Index("idx_delivery_zones_postal_codes", "postal_codes", postgresql_using="gin"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=_RANDOM_ID)
    store_id: Mapped[UUID] = mapped_column(ForeignKey("stores.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(255))
    postal_codes: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    delivery_fee: Mapped[Decimal] = mapped_column(Numeric(10, 2), server_default=text("0"))
    estimated_time_minutes: Mapped[int] = mapped_column(Integer, server_default=text("30"))
    is_active: Mapped[bool | None] = mapped_column(server_default=text("true"))
    created_at: Mapped[dt.datetime | None] = mapped_column(server_default=_NOW)
    updated_at: Mapped[dt.datetime | None] = mapped_column(server_default=_NOW)


class Staff(Base):
    """An employment. Email and phone are sealed; `email_index` is blind and keeps one record a person.

    `invitation` is how far the hand-over to the account service has come; `account_id` is known once it is sent.
    """

    __tablename__ = "staff"
    __table_args__ = (
        CheckConstraint("role IN ('manager', 'chef', 'cashier', 'delivery', 'support')", name="staff_role_check"),
        CheckConstraint("invitation IN ('pending', 'sent', 'refused')", name="staff_invitation_check"),
        # The design document's name, on the column that its UNIQUE and its index moved to.
        UniqueConstraint("email_index", name="idx_staff_email"),
        UniqueConstraint("email_index_next"),
        Index("idx_staff_store", "store_id"),
        Index("idx_staff_active", "is_active"),
        Index("idx_staff_account", "account_id", postgresql_where=text("account_id IS NOT NULL")),
        Index("idx_staff_invitation_pending", "updated_at", postgresql_where=text("invitation = 'pending'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=_RANDOM_ID)
    store_id: Mapped[UUID] = mapped_column(ForeignKey("stores.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(255))
    email: Mapped[Encrypted]
    email_index: Mapped[bytes] = mapped_column(LargeBinary)
    email_index_next: Mapped[bytes] = mapped_column(LargeBinary)
    phone: Mapped[Encrypted | None]
    role: Mapped[str] = mapped_column(String(50))
    is_active: Mapped[bool | None] = mapped_column(server_default=text("true"))
    hire_date: Mapped[dt.date | None] = mapped_column(Date)
    termination_date: Mapped[dt.date | None] = mapped_column(Date)
    permissions: Mapped[Any | None] = mapped_column(JSONB, server_default=text("'[]'"))
    last_login: Mapped[dt.datetime | None] = mapped_column()
    account_id: Mapped[UUID | None] = mapped_column()
    invitation: Mapped[str] = mapped_column(String(20), server_default=text("'pending'"))
    version: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    created_at: Mapped[dt.datetime | None] = mapped_column(server_default=_NOW)
    updated_at: Mapped[dt.datetime | None] = mapped_column(server_default=_NOW)
