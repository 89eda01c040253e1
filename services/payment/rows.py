"""Row types: what the statements return, and what they insert."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TypeAlias
from uuid import UUID

Outcome: TypeAlias = Literal["cancelled", "delivered"]


class PaymentRow(NamedTuple):
    """A row of `payments`. `payment_id` is our reference at the gateway, `transaction_id` the capture there."""

    id: UUID
    payment_id: str
    order_id: UUID
    customer_id: UUID
    store_id: UUID
    order_number: str
    payment_method: str
    provider: str | None
    provider_order_id: str | None
    amount: Decimal
    currency: str
    status: str
    failure_reason: str | None
    transaction_id: str | None
    captured_amount: Decimal
    refunded_amount: Decimal
    expires_at: datetime | None
    initiated_at: datetime
    completed_at: datetime | None
    failed_at: datetime | None
    version: int


class InsertedPaymentRow(NamedTuple):
    """A row that was inserted into `payments`, and the outcome of its order when that is recorded already."""

    id: UUID
    payment_id: str
    order_id: UUID
    customer_id: UUID
    store_id: UUID
    order_number: str
    payment_method: str
    provider: str | None
    provider_order_id: str | None
    amount: Decimal
    currency: str
    status: str
    failure_reason: str | None
    transaction_id: str | None
    captured_amount: Decimal
    refunded_amount: Decimal
    expires_at: datetime | None
    initiated_at: datetime
    completed_at: datetime | None
    failed_at: datetime | None
    version: int
    order_outcome: Outcome | None
    order_actor: UUID | None

    @property
    def payment(self) -> PaymentRow:
        """The row of `payments`."""
        return PaymentRow._make(self[: len(PaymentRow._fields)])


class CompletionRow(NamedTuple):
    """What the completion of a payment changed."""

    version: int
    completed_at: datetime
    payment_method: str


class DueOrderCheckRow(NamedTuple):
    """A payment whose order must be checked."""

    id: UUID
    order_id: UUID
    created_at: datetime


class AttemptRow(NamedTuple):
    """A row of `payment_attempts`: what is known of one attempt at the gateway."""

    id: UUID
    payment_id: UUID
    status: str


class RefundRow(NamedTuple):
    """A row of `refunds`. `kept` and `currency` are those of its attempt; the refund of one not kept is a surplus."""

    id: UUID
    payment_id: UUID
    order_id: UUID
    amount: Decimal
    currency: str
    reason: str | None
    status: str
    cash: bool
    automatic: bool
    kept: bool
    initiated_at: datetime
    completed_at: datetime | None


class AttemptRefundRow(NamedTuple):
    """A refund that a gateway reports about, found by its reference or by the gateway's id."""

    id: UUID
    amount: Decimal
    status: str
    automatic: bool


class ClaimedRefundRow(NamedTuple):
    """A refund that this replica has claimed for execution, with the transaction that it returns."""

    id: UUID
    refund_id: str
    payment_id: UUID
    attempt_id: UUID
    amount: Decimal
    automatic: bool
    tries: int
    provider: str
    transaction_id: str
    currency: str


class SavedMethodRow(NamedTuple):
    """A row of `payment_methods`, without the gateway's token."""

    id: UUID
    customer_id: UUID
    payment_method: str
    provider: str
    network: str | None
    last4: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewPayment:
    """A row to insert into `payments`."""

    id: UUID
    order_id: UUID
    customer_id: UUID
    store_id: UUID
    order_number: str
    payment_method: str
    provider: str | None
    amount: Decimal
    currency: str
    expires_at: datetime | None
    order_check_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewAttempt:
    """A row to insert into `payment_attempts`, or the new state of an attempt that is known already."""

    payment_id: UUID
    provider: str
    transaction_id: str
    payment_method: str
    amount: Decimal
    currency: str
    status: str
    failure_reason: str | None
    kept: bool
    captured_amount: Decimal
    actor: UUID | None


@dataclass(frozen=True, slots=True)
class NewPaymentEvent:
    """A row to insert into `payment_events`."""

    provider: str
    event_id: str
    digest: bytes
    type: str
    payment_id: UUID | None
    transaction_id: str | None
    outcome: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NewRefund:
    """A row to insert into `refunds`. `refund_id` is our reference at the gateway."""

    id: UUID
    refund_id: str
    payment_id: UUID
    order_id: UUID
    attempt_id: UUID
    amount: Decimal
    reason: str
    status: str
    automatic: bool
    cash: bool
    requested_by: UUID | None
    try_at: datetime
    gateway_refund_id: str | None = None
    gateway_response: dict[str, Any] | None = None
    completed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewOrderOutcome:
    """A row to insert into `order_outcomes`: the order was cancelled, or delivered and paid in cash to `actor`."""

    order_id: UUID
    outcome: Outcome
    actor: UUID | None = None


@dataclass(frozen=True, slots=True)
class NewSavedMethod:
    """A row to insert into `payment_methods`. The token is encrypted; its blind indexes make it unique."""

    customer_id: UUID
    payment_method: str
    provider: str
    token: bytes
    token_index: bytes
    token_index_next: bytes
    network: str
    last4: str
