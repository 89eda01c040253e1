"""The interface of a payment gateway. Adapters convert between it and the API of one gateway.

Amounts are Decimals in major units. Every async method of a gateway raises GatewayUnavailable when the outcome of the
request is unknown, and RequestRejected when the gateway rejected the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from services.payment.model.attempts import AttemptReport
from services.payment.model.refunds import RefundReport


class GatewayError(Exception):
    """A request to a gateway failed."""


class GatewayUnavailable(GatewayError):
    """No response in time, or one that does not say what happened: an outage, wrong keys, a rate limit, bad JSON."""


class RequestRejected(GatewayError):
    """The gateway rejected the request and did nothing. `description` is the gateway's text, for operators."""

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self.description = description


class WebhookSignatureError(Exception):
    """The signature of a webhook is missing or wrong, or too old where the gateway signs the time (Stripe)."""


class MalformedPayload(Exception):
    """A webhook whose signature is valid, or a response, does not have the gateway's format."""


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """A webhook whose signature is valid.

    A webhook is a repetition when either its `event_id` or its `digest`, the SHA-256 of its body, is known. Razorpay's
    event id comes from a header that the signature does not cover; without that header it is the digest.
    """

    event_id: str
    type: str
    digest: bytes
    # None for events that have no effect here.
    report: AttemptReport | RefundReport | None


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """A refund to make at the gateway. `reference` is our id of it, the idempotency key there."""

    reference: str
    transaction_id: str
    amount: Decimal
    currency: str


class Gateway(Protocol):
    """One account at one gateway."""

    @property
    def name(self) -> str:
        """The value of `payments.provider`."""

    @property
    def public_key(self) -> str:
        """The key with which a browser opens the checkout."""

    @property
    def signature_header(self) -> str:
        """The header with the signature of a webhook, in lower case."""

    @property
    def minimum_amount(self) -> Decimal:
        """The smallest amount of a payment and of a refund."""

    async def create_order(self, reference: str, amount: Decimal, currency: str, order_number: str) -> str:
        """Creates an order and returns its id at the gateway.

        Stripe creates one PaymentIntent for each reference; Razorpay creates another order at each call.
        """

    async def get_client_secret(self, provider_order_id: str) -> str:
        """The secret with which a browser can pay this order only (Stripe).

        Empty without a request where the order id suffices (Razorpay).
        """

    def is_checkout_signed(self, provider_order_id: str, transaction_id: str, signature: str) -> bool:
        """Whether the checkout's signature of order and transaction is valid; compared in constant time (Razorpay).

        Always True where the checkout signs nothing (Stripe). The signature does not prove a capture: callers then
        query the gateway.
        """

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookEvent:
        """Verifies the signature of the raw bytes, then parses them.

        Raises WebhookSignatureError, MalformedPayload.
        """

    async def list_attempts(self, provider_order_id: str) -> list[AttemptReport]:
        """The attempts to pay the order, newest first, without undecided ones; from Stripe the newest 100 at most."""

    async def capture_attempt(self, attempt: AttemptReport) -> AttemptReport:
        """Captures the whole amount of an authorised attempt."""

    async def create_refund(self, request: RefundRequest) -> RefundReport:
        """Makes the refund. A repetition with the same reference returns the first refund."""

    async def find_refund(self, request: RefundRequest) -> RefundReport | None:
        """The refund with this reference; None when it is not among the newest 100 refunds of the transaction."""
