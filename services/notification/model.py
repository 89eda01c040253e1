"""What is kept, and the rules of sending: who wants what when, how often it is tried, when it is too late."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.database.tables import Encrypted, service_metadata, type_annotations

DEFAULT_ZONE: Final = "Asia/Kolkata"
DEFAULT_LANGUAGE: Final = "en"
LANGUAGES: Final = ("en", "hi")
CREDENTIALS: Final = "sealed_facts.sealed"


class Channel(StrEnum):
    """How a message reaches a person."""

    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"


class Category(StrEnum):
    """What a message is about; decides which preferences and quiet hours apply."""

    SECURITY = "security"
    ORDER = "order"
    ACCOUNT = "account"
    LOYALTY = "loyalty"
    OPERATIONS = "operations"
    MARKETING = "marketing"


class State(StrEnum):
    """How far a dispatch has come."""

    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why a dispatch was skipped, failed or is unknown."""

    CHANNEL_OFF = "CHANNEL_OFF"
    MARKETING_OFF = "MARKETING_OFF"
    QUIET_HOURS = "QUIET_HOURS"
    PROVIDER_OFF = "PROVIDER_OFF"
    NO_ADDRESS = "NO_ADDRESS"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    ATTEMPTS_EXHAUSTED = "ATTEMPTS_EXHAUSTED"
    INTERRUPTED = "INTERRUPTED"


class Base(DeclarativeBase):
    """Everything in notification_db."""

    metadata = service_metadata()
    type_annotation_map = {**type_annotations, dict[str, Any]: JSONB()}  # noqa: RUF012


class Notification(Base):
    """Something a person was told. `facts` are the event's: amounts in paise, times in RFC 3339, no personal data."""

    __tablename__ = "notifications"
    __table_args__ = (
        # A redelivered event tells nobody twice.
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
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    read_at: Mapped[datetime | None]


class Dispatch(Base):
    """A notification's way through one channel."""

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
    # While somebody holds the claim it lies in the future: a claim that is not used comes free by itself.
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    expires_at: Mapped[datetime]
    claim: Mapped[UUID | None]
    sending_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]


class Delivery(Base):
    """One attempt to hand a message over. The log: never changed, dropped by the month. No address, no reply text."""

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


class SealedFacts(Base):
    """Address, name and code of a mail that carries a secret; only until the mail is out."""

    __tablename__ = "sealed_facts"
    __table_args__ = (Index("idx_sealed_facts_expires_at", "expires_at"),)

    notification_id: Mapped[UUID] = mapped_column(ForeignKey("notifications.id", ondelete="CASCADE"), primary_key=True)
    sealed: Mapped[Encrypted]
    expires_at: Mapped[datetime]


class Preferences(Base):
    """What a person wants to be told, how and when. No row: the defaults."""

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
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Template(Base):
    """A text in place of the one the platform ships with."""

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
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class OrderFacts(Base):
    """What mails say of an order beside the event that they tell: its number, lines and amounts."""

    __tablename__ = "order_facts"
    __table_args__ = (Index("idx_order_facts_created_at", "created_at"),)

    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    facts: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class Employment(Base):
    """Who works where, as store tells it: stock alarms go to a store's managers."""

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


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A daily span without disturbance; it may cross midnight."""

    start: time
    end: time
    zone: str

    def ends(self, moment: datetime) -> datetime | None:
        """When the span that holds the moment ends, in UTC; None when none holds it."""
        local = moment.astimezone(ZoneInfo(self.zone))
        clock = local.time()
        if self.start < self.end:
            quiet, later_day = self.start <= clock < self.end, False
        else:
            quiet, later_day = clock >= self.start or clock < self.end, clock >= self.start
        if not quiet:
            return None
        day = local.date() + timedelta(days=1) if later_day else local.date()
        return datetime.combine(day, self.end, ZoneInfo(self.zone)).astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Wishes:
    """A person's preferences as the rules read them."""

    channels: frozenset[Channel] = frozenset(Channel)
    marketing: bool = False
    quiet: QuietHours | None = None


@dataclass(frozen=True, slots=True)
class Send:
    """Send it now."""


@dataclass(frozen=True, slots=True)
class Leave:
    """Do not send it: SKIPPED where somebody wants it so, FAILED where it is too late."""

    state: State
    reason: Reason


@dataclass(frozen=True, slots=True)
class Wait:
    """Look at it again then."""

    until: datetime


def decide(
    category: Category,
    channel: Channel,
    wishes: Wishes,
    *,
    providers: frozenset[Channel],
    expires_at: datetime,
    now: datetime,
) -> Send | Leave | Wait:
    """Whether a message goes out now.

    Secrets go whatever the preferences say. Messages about an order come by mail even in quiet hours, for a mail makes
    no noise; its SMS and push messages are dropped then, for they are stale afterwards. Everything else waits.
    """
    if now >= expires_at:
        return Leave(State.FAILED, Reason.EXPIRED)
    unwanted = None if category is Category.SECURITY else _unwanted(category, channel, wishes)
    if unwanted or channel not in providers:
        return Leave(State.SKIPPED, unwanted or Reason.PROVIDER_OFF)
    quiet_until = wishes.quiet.ends(now) if wishes.quiet and category is not Category.SECURITY else None
    if quiet_until is None or (category is Category.ORDER and channel is Channel.EMAIL):
        return Send()
    return Leave(State.SKIPPED, Reason.QUIET_HOURS) if category is Category.ORDER else Wait(quiet_until)


def _unwanted(category: Category, channel: Channel, wishes: Wishes) -> Reason | None:
    if channel not in wishes.channels:
        return Reason.CHANNEL_OFF
    return Reason.MARKETING_OFF if category is Category.MARKETING and not wishes.marketing else None


@dataclass(frozen=True, slots=True)
class Retries:
    """How often and how soon an attempt that failed is repeated."""

    first_after: timedelta
    attempts: int
    longest: timedelta = timedelta(hours=6)

    def next_after(self, attempts_made: int) -> timedelta | None:
        """The pause after so many attempts: four times the one before, up to the longest. None: give up."""
        if attempts_made >= self.attempts:
            return None
        factor: int = 4 ** max(attempts_made - 1, 0)
        return min(self.first_after * factor, self.longest)


def choose_language(chosen: str | None, locale: str) -> str:
    """The language the person chose, else that of the account's locale (`hi-IN`), else English."""
    for candidate in (chosen or "", locale.replace("_", "-").partition("-")[0].lower()):
        if candidate in LANGUAGES:
            return candidate
    return DEFAULT_LANGUAGE


def merge_order(facts: Mapping[str, Any], order_facts: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a text may say of the order: what was ordered, overlaid by what the event itself says."""
    nothing = {"number": "", "lines": [], "total": 0, "payment_method": "", "fulfilment": ""}
    return {**nothing, "placed_at": None, "expected_at": None, **(order_facts or {}), **facts.get("order", {})}
