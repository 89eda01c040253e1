"""Inputs of the use cases, as the servicer reads them from requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class StartPayment:
    """The payment of a new order. Without `expires_at` the default of the settings applies."""

    payment_id: UUID
    order_id: UUID
    customer_id: UUID
    store_id: UUID
    order_number: str
    payment_method: str
    amount: Decimal
    currency: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class InitiatePayment:
    """An attempt to pay an order online. None keeps the payment method that was chosen with the order."""

    order_id: UUID
    payment_method: str | None


@dataclass(frozen=True, slots=True)
class VerifyPayment:
    """What the gateway's checkout returned to the browser."""

    payment_id: UUID
    provider_order_id: str
    transaction_id: str
    signature: str


@dataclass(frozen=True, slots=True)
class ReceiveWebhook:
    """A request to the webhook: the headers and the raw bytes that the gateway signed."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class RefundPayment:
    """A refund by staff. Without an amount, and then without a currency, the whole remainder is refunded."""

    payment_id: UUID
    amount: Decimal | None
    currency: str | None
    reason: str
