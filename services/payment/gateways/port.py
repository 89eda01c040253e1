"""What this service asks of a payment gateway, in its own words. Adapters translate; nothing else knows a gateway's.

Amounts are Decimals in major units. Every call may raise GatewaySilent (no answer, or one that says nothing about the
request: what happened is not known) or GatewayRefused (the gateway understood and will not).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, Protocol

AttemptStatus = Literal["authorized", "captured", "failed"]
RefundProgress = Literal["pending", "processed", "failed"]


class GatewayFault(Exception):
    """A gateway did not do what was asked."""


class NoAnswer(GatewayFault):
    """No answer in time, or one that leaves open what happened."""


class Refused(GatewayFault):
    """The gateway understood the request and will not do it. `description` is the gateway's, for operators."""

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self.description = description


class ForgedNotice(Exception):
    """The signature is missing, wrong or too old."""


class UnreadableNotice(Exception):
    """Signed bytes that are not a message of that gateway."""


@dataclass(frozen=True, slots=True)
class SavedToken:
    """The gateway's memory of a way to pay; `token` is worth protecting, the rest may be shown."""

    token: str
    network: str
    last4: str


@dataclass(frozen=True, slots=True)
class AttemptReport:
    """What a gateway says of one attempt to pay one of its orders."""

    provider_order_id: str
    transaction_id: str
    status: AttemptStatus
    amount: Decimal
    currency: str
    method: str | None
    """A word of the payments table, or None for one that it does not have."""
    failure_reason: str = ""
    saved: SavedToken | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    """An allow-list of the gateway's answer, without personal data."""


@dataclass(frozen=True, slots=True)
class RefundReport:
    """What a gateway says of one refund. `reference` is ours; empty for refunds that were made elsewhere."""

    gateway_refund_id: str
    transaction_id: str
    reference: str
    status: RefundProgress
    amount: Decimal
    currency: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Notice:
    """A webhook whose signature holds. `digest` tells two messages apart that come under one id, and the reverse."""

    event_id: str
    type: str
    digest: bytes
    report: AttemptReport | RefundReport | None
    """None for messages that this service has no use for."""


@dataclass(frozen=True, slots=True)
class RefundOrder:
    """A refund to carry out. `reference` makes a repeat harmless at the gateway."""

    reference: str
    transaction_id: str
    amount: Decimal
    currency: str


class Gateway(Protocol):
    """One account at one gateway."""

    name: str
    """The word of `payments.provider`."""
    public_key: str
    """What a browser needs to open the checkout."""
    signature_header: str
    """Where a webhook carries its signature, in lower case."""
    smallest_amount: Decimal
    """Less than this the gateway neither takes nor returns."""

    async def open_order(self, reference: str, amount: Decimal, currency: str, order_number: str) -> str:
        """Makes an order at the gateway; returns its id there."""

    async def client_secret(self, provider_order_id: str) -> str:
        """What lets a browser pay this order and no other; empty where the order's id is enough."""

    def checkout_is_signed(self, provider_order_id: str, transaction_id: str, signature: str) -> bool:
        """Whether the gateway's checkout signed this pair; compared in constant time."""

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        """Checks the signature over the raw bytes, then reads. Raises ForgedNotice or UnreadableNotice."""

    async def attempts(self, provider_order_id: str) -> list[AttemptReport]:
        """Every attempt to pay the order."""

    async def capture(self, attempt: AttemptReport) -> AttemptReport:
        """Takes the money of an authorised attempt."""

    async def refund(self, order: RefundOrder) -> RefundReport:
        """Gives money back. The same reference gives it back once, however often it is sent."""

    async def find_refund(self, order: RefundOrder) -> RefundReport | None:
        """What became of a refund that may have been sent before; None when the gateway has never seen it."""
