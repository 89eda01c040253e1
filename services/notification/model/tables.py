"""The tables of notification_db."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.database.tables import Encrypted, service_metadata, type_annotations

# The encryption context of `EncryptedFacts.sealed`.
ENCRYPTED_FACTS: Final = "sealed_facts.sealed"

_NOW: Final = text("now()")


class Base(DeclarativeBase):
    """All tables of this service."""

    metadata = service_metadata()
    type_annotation_map = {**type_annotations, dict[str, Any]: JSONB()}  # noqa: RUF012


class Notification(Base):
    """One notification of one account.

    `facts` are those of the event: amounts in paise, timestamps in RFC 3339, no personal data.
    """

    __tablename__ = "notifications"
    __table_args__ = (
        # A redelivered event creates no second notification.
        UniqueConstraint("event_id", "user_id", "template"),
        CheckConstraint("category IN ('security', 'order', 'account', 'loyalty', 'operations', 'marketing')"),
        Index("idx_notifications_user", "user_id", "id", postgresql_where=text("category <> 'security'")),
        Index("idx_notifications_order", "order_id", postgresql_where=text("order_id IS NOT NULL")),
        Index("idx_notifications_created_at", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    event_id: Mapped[UUID]
    user_id: Mapped[UUID]
    template: Mapped[str] = mapped_column(String(50))
    category: Mapped[str] = mapped_column(String(20))
    facts: Mapped[dict[str, Any]]
    order_id: Mapped[UUID | None]
    store_id: Mapped[UUID | None]
    sent_by: Mapped[UUID | None]
    sent_because: Mapped[str | None] = mapped_column(String(500))
    occurred_at: Mapped[datetime]
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    read_at: Mapped[datetime | None]


class Dispatch(Base):
    """The sending of a notification through one channel."""

    __tablename__ = "dispatches"
    __table_args__ = (
        PrimaryKeyConstraint("notification_id", "channel"),
        CheckConstraint("channel IN ('email', 'sms', 'push')"),
        CheckConstraint("state IN ('pending', 'sending', 'sent', 'failed', 'skipped', 'unknown')"),
        Index("idx_dispatches_due", "due_at", postgresql_where=text("state = 'pending'")),
        Index("idx_dispatches_sending", "sending_at", postgresql_where=text("state = 'sending'")),
    )

    notification_id: Mapped[UUID] = mapped_column(ForeignKey("notifications.id", ondelete="CASCADE"))
    channel: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(10), server_default=text("'pending'"))
    reason: Mapped[str | None] = mapped_column(String(30))
    attempts: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    # In the future while the dispatch is claimed: a claim expires by itself when its process dies.
    due_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    expires_at: Mapped[datetime]
    claim: Mapped[UUID | None]
    sending_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]


class Delivery(Base):
    """One attempt to send a message: an append-only log without addresses and reply texts, dropped by month."""

    __tablename__ = "deliveries"
    __table_args__ = (
        PrimaryKeyConstraint("attempted_at", "id"),
        Index("idx_deliveries_notification", "notification_id"),
        {"postgresql_partition_by": "RANGE (attempted_at)"},
    )

    id: Mapped[UUID] = mapped_column(server_default=text("uuidv7()"))
    notification_id: Mapped[UUID]
    channel: Mapped[str] = mapped_column(String(10))
    attempt: Mapped[int] = mapped_column(SmallInteger)
    outcome: Mapped[str] = mapped_column(String(10))
    reason: Mapped[str | None] = mapped_column(String(30))
    reply: Mapped[str | None] = mapped_column(String(20))
    attempted_at: Mapped[datetime]


class EncryptedFacts(Base):
    """Address, name and code of an email with a secret code; deleted as soon as the dispatch has ended."""

    __tablename__ = "sealed_facts"
    __table_args__ = (Index("idx_sealed_facts_expires_at", "expires_at"),)

    notification_id: Mapped[UUID] = mapped_column(ForeignKey("notifications.id", ondelete="CASCADE"), primary_key=True)
    sealed: Mapped[Encrypted]
    expires_at: Mapped[datetime]


class Preferences(Base):
    """Channels, marketing consent, quiet hours and language of an account. Without a row the defaults apply."""

    __tablename__ = "preferences"
    __table_args__ = (
        CheckConstraint("(quiet_start IS NULL) = (quiet_end IS NULL) AND (quiet_start IS NULL) = (quiet_zone IS NULL)"),
    )

    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[bool] = mapped_column(server_default=text("true"))
    sms: Mapped[bool] = mapped_column(server_default=text("true"))
    push: Mapped[bool] = mapped_column(server_default=text("true"))
    marketing: Mapped[bool] = mapped_column(server_default=text("false"))
    quiet_start: Mapped[time | None]
    quiet_end: Mapped[time | None]
    quiet_zone: Mapped[str | None] = mapped_column(String(50))
    language: Mapped[str | None] = mapped_column(String(10))
    version: Mapped[int] = mapped_column(server_default=text("1"))
    updated_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class TemplateOverride(Base):
    """A text of an administrator that overrides the shipped one."""

    __tablename__ = "templates"
    __table_args__ = (
        PrimaryKeyConstraint("name", "channel", "language"),
        CheckConstraint("channel IN ('email', 'sms', 'push')"),
    )

    name: Mapped[str] = mapped_column(String(50))
    channel: Mapped[str] = mapped_column(String(10))
    language: Mapped[str] = mapped_column(String(10))
    subject: Mapped[str]
    text: Mapped[str]
    html: Mapped[str]
    updated_by: Mapped[UUID]
    updated_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class OrderFacts(Base):
    """Number, lines and amounts of an order, for notifications about its later events."""

    __tablename__ = "order_facts"
    __table_args__ = (Index("idx_order_facts_created_at", "created_at"),)

    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    facts: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class Employment(Base):
    """A copy of the grants of staff, which store publishes: stock alarms go to the managers of the store."""

    __tablename__ = "employments"
    __table_args__ = (
        Index("idx_employments_store", "store_id", "job", postgresql_where=text("active")),
        Index("idx_employments_account", "account_id"),
    )

    staff_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID]
    store_id: Mapped[UUID]
    job: Mapped[str] = mapped_column(String(20))
    active: Mapped[bool]
    version: Mapped[int]
