"""Tables of payment_db."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Numeric, String, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.database.tables import Encrypted, service_metadata, type_annotations

_NOW = func.now()


class Base(DeclarativeBase):
    """All tables of this service."""

    metadata = service_metadata()
    type_annotation_map = type_annotations


class Payment(Base):
    """The payment of one order. `payment_id` is our reference at the gateway, `transaction_id` its capture there."""

    __tablename__ = "payments"
    __table_args__ = (
        CheckConstraint(
            "status IN ('pending', 'processing', 'completed', 'failed', 'refunded', 'cancelled')",
            name="payments_status_check",
        ),
        CheckConstraint(
            "payment_method IN ('upi', 'card', 'netbanking', 'cod', 'wallet', 'emi')",
            name="payments_payment_method_check",
        ),
        CheckConstraint("amount >= 0", name="payments_amount_not_negative"),
        CheckConstraint("captured_amount IN (0, amount)", name="payments_captured_exactly"),
        CheckConstraint("refunded_amount BETWEEN 0 AND captured_amount", name="payments_refunded_within_captured"),
        Index("idx_payments_order", "order_id", unique=True),
        Index("idx_payments_customer", "customer_id"),
        Index("idx_payments_status", "status"),
        Index("idx_payments_created", text("created_at DESC")),
        Index("payments_provider_order", "provider", "provider_order_id", unique=True),
        Index("payments_due_check", "check_at", postgresql_where=text("check_at IS NOT NULL")),
        Index("payments_due_order_check", "order_check_at", postgresql_where=text("order_check_at IS NOT NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    payment_id: Mapped[str] = mapped_column(String(100), unique=True)
    order_id: Mapped[UUID]
    customer_id: Mapped[UUID]
    payment_method: Mapped[str] = mapped_column(String(50))
    provider: Mapped[str | None] = mapped_column(String(50))
    amount: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    currency: Mapped[str | None] = mapped_column(String(10), server_default="INR")
    status: Mapped[str | None] = mapped_column(String(50), server_default="pending")
    failure_reason: Mapped[str | None]
    gateway_response: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    transaction_id: Mapped[str | None] = mapped_column(String(255))
    initiated_at: Mapped[datetime | None] = mapped_column(server_default=_NOW)
    completed_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    created_at: Mapped[datetime | None] = mapped_column(server_default=_NOW)
    updated_at: Mapped[datetime | None] = mapped_column(server_default=_NOW)
    store_id: Mapped[UUID]
    order_number: Mapped[str] = mapped_column(String(50))
    provider_order_id: Mapped[str | None] = mapped_column(String(255))
    expires_at: Mapped[datetime | None]
    captured_amount: Mapped[Decimal] = mapped_column(Numeric(10, 2), server_default=text("0"))
    refunded_amount: Mapped[Decimal] = mapped_column(Numeric(10, 2), server_default=text("0"))
    version: Mapped[int] = mapped_column(server_default=text("1"))
    # When the gateway is queried next about this payment; NULL when no change is expected.
    check_at: Mapped[datetime | None]
    checks: Mapped[int] = mapped_column(server_default=text("0"))
    # When the order's state is queried next; NULL when the order needs no check.
    order_check_at: Mapped[datetime | None]


class Attempt(Base):
    """One attempt of the customer to pay at the gateway, or the cash of an order. At most one per payment is kept."""

    __tablename__ = "payment_attempts"
    __table_args__ = (
        CheckConstraint(
            "status IN ('authorized', 'failed', 'mismatched', 'captured')", name="payment_attempts_status_check"
        ),
        CheckConstraint(
            "refunded_amount BETWEEN 0 AND captured_amount", name="payment_attempts_refunded_within_captured"
        ),
        CheckConstraint("NOT kept OR status = 'captured'", name="payment_attempts_kept_is_captured"),
        Index("payment_attempts_transaction", "provider", "transaction_id", unique=True),
        Index("payment_attempts_payment", "payment_id"),
        Index("payment_attempts_kept", "payment_id", unique=True, postgresql_where=text("kept")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id"))
    provider: Mapped[str] = mapped_column(String(50))
    transaction_id: Mapped[str] = mapped_column(String(255))
    payment_method: Mapped[str] = mapped_column(String(50))
    amount: Mapped[Decimal] = mapped_column(Numeric(14, 2))
    currency: Mapped[str] = mapped_column(String(10))
    status: Mapped[str] = mapped_column(String(50))
    failure_reason: Mapped[str | None]
    kept: Mapped[bool] = mapped_column(server_default=text("false"))
    captured_amount: Mapped[Decimal] = mapped_column(Numeric(14, 2), server_default=text("0"))
    refunded_amount: Mapped[Decimal] = mapped_column(Numeric(14, 2), server_default=text("0"))
    # The member of staff who received the cash.
    actor: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class PaymentEvent(Base):
    """A message of a gateway. A trigger makes the table append-only; details are selected fields without PII."""

    __tablename__ = "payment_events"
    __table_args__ = (
        Index("payment_events_event", "provider", "event_id", unique=True),
        Index("payment_events_digest", "provider", "digest", unique=True),
        Index("payment_events_payment", "payment_id", "received_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    provider: Mapped[str] = mapped_column(String(50))
    event_id: Mapped[str] = mapped_column(String(255))
    digest: Mapped[bytes] = mapped_column(LargeBinary)
    type: Mapped[str] = mapped_column(String(100))
    payment_id: Mapped[UUID | None] = mapped_column(ForeignKey("payments.id"))
    transaction_id: Mapped[str | None] = mapped_column(String(255))
    outcome: Mapped[str] = mapped_column(String(50))
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)
    received_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class Refund(Base):
    """A refund. `refund_id` is our reference at the gateway, which makes the request idempotent there."""

    __tablename__ = "refunds"
    __table_args__ = (
        CheckConstraint("status IN ('pending', 'processing', 'completed', 'failed')", name="refunds_status_check"),
        CheckConstraint("amount > 0", name="refunds_amount_positive"),
        Index("idx_refunds_payment", "payment_id"),
        Index("idx_refunds_order", "order_id"),
        Index("refunds_attempt", "attempt_id"),
        Index("refunds_gateway_refund", "attempt_id", "gateway_refund_id", unique=True),
        Index("refunds_due", "try_at", postgresql_where=text("status IN ('pending', 'processing')")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    refund_id: Mapped[str] = mapped_column(String(100), unique=True)
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payments.id"))
    order_id: Mapped[UUID]
    amount: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    reason: Mapped[str | None]
    status: Mapped[str | None] = mapped_column(String(50), server_default="pending")
    gateway_refund_id: Mapped[str | None] = mapped_column(String(255))
    gateway_response: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    initiated_at: Mapped[datetime | None] = mapped_column(server_default=_NOW)
    completed_at: Mapped[datetime | None]
    created_at: Mapped[datetime | None] = mapped_column(server_default=_NOW)
    updated_at: Mapped[datetime | None] = mapped_column(server_default=_NOW)
    attempt_id: Mapped[UUID] = mapped_column(ForeignKey("payment_attempts.id"))
    automatic: Mapped[bool] = mapped_column(server_default=text("false"))
    cash: Mapped[bool] = mapped_column(server_default=text("false"))
    requested_by: Mapped[UUID | None]
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    try_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class SavedMethod(Base):
    """A payment method that the gateway has saved for a customer: its encrypted token and the last four digits."""

    __tablename__ = "payment_methods"
    __table_args__ = (
        CheckConstraint("last4 ~ '^[0-9]{4}$'", name="payment_methods_last4_check"),
        Index("payment_methods_token", "provider", "customer_id", "token_index", unique=True),
        Index("payment_methods_token_next", "provider", "customer_id", "token_index_next", unique=True),
        Index("payment_methods_customer", "customer_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=text("uuidv7()"))
    customer_id: Mapped[UUID]
    payment_method: Mapped[str] = mapped_column(String(50))
    provider: Mapped[str] = mapped_column(String(50))
    token: Mapped[Encrypted]
    token_index: Mapped[bytes] = mapped_column(LargeBinary)
    token_index_next: Mapped[bytes] = mapped_column(LargeBinary)
    network: Mapped[str | None] = mapped_column(String(50))
    last4: Mapped[str | None] = mapped_column(String(4))
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class OrderOutcome(Base):
    """The outcome of an order that ended before its payment was started; applied when the payment is inserted."""

    __tablename__ = "order_outcomes"
    __table_args__ = (CheckConstraint("outcome IN ('cancelled', 'delivered')", name="order_outcomes_outcome_check"),)

    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(Text)
    actor: Mapped[UUID | None]
    recorded_at: Mapped[datetime] = mapped_column(server_default=_NOW)
