"""Tables of payment_db, the states of a payment and of a refund, and the refusals."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Numeric, String, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from chassis.database.tables import Encrypted, service_metadata, type_annotations
from chassis.errors import AlreadyExists, Conflict, PermissionDenied, Unauthenticated, Unavailable
from chassis.money import money_to_proto

PENDING: Final = "pending"
PROCESSING: Final = "processing"
COMPLETED: Final = "completed"
FAILED: Final = "failed"
REFUNDED: Final = "refunded"
CANCELLED: Final = "cancelled"

COD: Final = "cod"
CASH: Final = "cash"
"""Where an attempt happened when no gateway took part."""

# Money outranks words: a capture is a fact, whatever was decided about the payment before it was known. FAILED returns
# to PROCESSING only when the customer starts another attempt.
_STEPS: Final[Mapping[str, frozenset[str]]] = {
    PENDING: frozenset({PROCESSING, COMPLETED, FAILED, CANCELLED}),
    PROCESSING: frozenset({COMPLETED, FAILED, CANCELLED}),
    FAILED: frozenset({PROCESSING, COMPLETED, CANCELLED}),
    CANCELLED: frozenset({COMPLETED}),
    COMPLETED: frozenset({REFUNDED}),
    REFUNDED: frozenset(),
}
OPEN: Final = frozenset({PENDING, PROCESSING, FAILED})
"""States in which the money is still waited for."""

_REFUND_STEPS: Final[Mapping[str, frozenset[str]]] = {
    PENDING: frozenset({PROCESSING, COMPLETED, FAILED}),
    PROCESSING: frozenset({COMPLETED, FAILED}),
    COMPLETED: frozenset(),
    FAILED: frozenset(),
}


class IllegalStep(Exception):
    """Code asked for a step that the state machine does not have: a bug, never an answer to a caller."""

    def __init__(self, before: str, after: str) -> None:
        super().__init__(f"a payment cannot go from {before} to {after}")
        self.before, self.after = before, after


def may_become(before: str, after: str) -> bool:
    """Whether a payment in state `before` may step to `after`."""
    return after in _STEPS[before]


def step(before: str, after: str) -> str:
    """`after`, when a payment may go there. Raises IllegalStep."""
    if not may_become(before, after):
        raise IllegalStep(before, after)
    return after


def refunds_before(after: str) -> frozenset[str]:
    """The states from which a refund may step to `after`."""
    return frozenset(before for before, steps in _REFUND_STEPS.items() if after in steps)


class OrderHasPayment(AlreadyExists):
    """Another payment was written for this order, or this one with other facts."""

    def __init__(self) -> None:
        super().__init__("this order has another payment")


class InvalidSignature(Unauthenticated):
    """A webhook that its gateway did not sign."""

    def __init__(self) -> None:
        super().__init__("the signature does not hold")


class PaymentClosed(Conflict):
    """Nothing can be paid any more."""

    def __init__(self, status: str) -> None:
        super().__init__("this payment is closed", status=status.upper())


class PaymentExpired(Conflict):
    """The order does not wait for the money any longer."""

    def __init__(self) -> None:
        super().__init__("the time to pay this order is over")


class NotPaidOnline(Conflict):
    """Cash, or nothing to pay: there is no gateway to go to."""

    def __init__(self) -> None:
        super().__init__("this order is not paid online")


class OnlinePaymentOff(Conflict):
    """No gateway is configured."""

    def __init__(self) -> None:
        super().__init__("online payment is not offered")


class GatewayDeclined(Conflict):
    """The gateway will not take this payment as it is: an amount below its minimum, for example."""

    def __init__(self) -> None:
        super().__init__("the payment gateway does not take this payment")


class GatewaySilent(Unavailable):
    """The gateway did not answer in time; what it did is not known."""

    def __init__(self) -> None:
        super().__init__("the payment gateway does not answer; try again")


class PaymentNotCaptured(Conflict):
    """There is no money to give back."""

    def __init__(self) -> None:
        super().__init__("nothing was captured for this payment")


class RefundTooLarge(Conflict):
    """More than what is left of the captured amount; metadata has it in minor units."""

    def __init__(self, refundable: Decimal) -> None:
        left = str(money_to_proto(refundable).minor_units)
        super().__init__("the refund is larger than what is left of this payment", refundable=left)


class RefundOverLimit(Conflict):
    """Beyond what a cashier may give back of one payment; metadata has the limit in minor units."""

    def __init__(self, limit: Decimal) -> None:
        super().__init__("a manager has to make this refund", limit=str(money_to_proto(limit).minor_units))


class CashRefundNeedsManager(PermissionDenied):
    """Cash goes back by the hand of a manager or admin."""

    def __init__(self) -> None:
        super().__init__("cash refunds are a manager's entries")


class Base(DeclarativeBase):
    metadata = service_metadata()
    type_annotation_map = type_annotations


_NOW = func.now()


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
    check_at: Mapped[datetime | None]
    """When the gateway is asked next about a payment that it should have told of; NULL when nothing is expected."""
    checks: Mapped[int] = mapped_column(server_default=text("0"))
    order_check_at: Mapped[datetime | None]
    """When order is asked whether it knows that it was paid; NULL when it is known to know."""


class Attempt(Base):
    """One try of the customer at the gateway, or the cash of an order. At most one per payment is kept."""

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
    actor: Mapped[UUID | None]
    """Who took the cash."""
    created_at: Mapped[datetime] = mapped_column(server_default=_NOW)
    updated_at: Mapped[datetime] = mapped_column(server_default=_NOW)


class PaymentEvent(Base):
    """What a gateway said, once and for ever: a trigger refuses changes. Details are an allow-list without PII."""

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
    """Money that goes back. `refund_id` is our reference at the gateway, which makes repeats harmless."""

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
    """A way to pay that the gateway remembers for a customer: its token, sealed, and the last four digits."""

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
    """An order ended before its payment was written here: what StartPayment must know when it comes late."""

    __tablename__ = "order_outcomes"
    __table_args__ = (CheckConstraint("outcome IN ('cancelled', 'delivered')", name="order_outcomes_outcome_check"),)

    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    outcome: Mapped[str] = mapped_column(Text)
    actor: Mapped[UUID | None]
    recorded_at: Mapped[datetime] = mapped_column(server_default=_NOW)
