"""Stripe, through its own SDK. Loaded only where Stripe is configured.

An order at the gateway is a PaymentIntent, an attempt is a Charge. Stripe lets an intent succeed once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import stripe

from services.payment.gateways import reading
from services.payment.gateways.port import (
    AttemptReport,
    AttemptStatus,
    ForgedNotice,
    NoAnswer,
    Notice,
    RefundOrder,
    RefundProgress,
    RefundReport,
    Refused,
    SavedToken,
    UnreadableNotice,
)
from services.payment.gateways.threads import Threads

CONNECT_SECONDS: Final = 1.0
TOLERANCE_SECONDS: Final = 300
PAGE: Final = 100

_REFUNDS: Final[Mapping[str, RefundProgress]] = {
    "pending": "pending",
    "requires_action": "pending",
    "succeeded": "processed",
    "failed": "failed",
    "canceled": "failed",
}
_METHODS: Final = {"card": "card", "upi": "upi", "netbanking": "netbanking", "wallet": "wallet"}
# Neither e-mail, phone, names, addresses nor free text.
_CHARGE_DETAILS: Final = (
    "id", "payment_intent", "status", "amount", "amount_captured", "amount_refunded", "captured", "currency",
    "failure_code", "refunded", "created",
)  # fmt: skip
_CARD_DETAILS: Final = ("brand", "network", "last4", "funding", "country")
_REFUND_DETAILS: Final = ("id", "charge", "payment_intent", "status", "amount", "currency", "failure_reason", "created")


class StripeGateway:
    """One Stripe account. `webhook_secrets` may hold two while one replaces the other."""

    name: Final = "stripe"
    signature_header: Final = "stripe-signature"
    smallest_amount: Final = Decimal("1.00")

    def __init__(
        self, secret_key: str, public_key: str, webhook_secrets: Sequence[str], base_url: str, threads: Threads
    ) -> None:
        self.public_key = public_key
        self._webhook_secrets, self._threads = tuple(webhook_secrets), threads
        self._client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": base_url},
            # This service repeats what is worth repeating itself, and knows how long it may take.
            max_network_retries=0,
            http_client=stripe.RequestsClient(timeout=(CONNECT_SECONDS, threads.seconds)),
        )

    async def _ask(self, request: Callable[[Any], Any]) -> dict[str, Any]:
        """Runs one SDK call in a thread, with the SDK's exceptions in the port's words."""

        def work() -> dict[str, Any]:
            try:
                return dict(request(self._client.v1).to_dict())
            except (stripe.InvalidRequestError, stripe.CardError) as error:
                raise Refused(str(error.code or type(error).__name__)) from None
            except stripe.StripeError as error:
                raise NoAnswer(f"status {error.http_status}: {type(error).__name__}") from error

        return await self._threads.run(work)

    async def open_order(self, reference: str, amount: Decimal, currency: str, order_number: str) -> str:
        body = {
            "amount": reading.minor_units(amount),
            "currency": currency.lower(),
            "metadata": {"payment_id": reference, "order_number": order_number},
            "automatic_payment_methods": {"enabled": True},
        }
        answer = await self._ask(lambda v1: v1.payment_intents.create(body, {"idempotency_key": reference}))
        return reading.answered(lambda: reading.identifier(answer.get("id")))

    async def client_secret(self, provider_order_id: str) -> str:
        answer = await self._ask(lambda v1: v1.payment_intents.retrieve(provider_order_id))
        return str(answer.get("client_secret") or "")

    def checkout_is_signed(self, provider_order_id: str, transaction_id: str, signature: str) -> bool:
        """Stripe's checkout signs nothing; what counts is what the gateway answers when it is asked."""
        return True

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        if not any(self._signed(headers, body, secret) for secret in self._webhook_secrets):
            raise ForgedNotice("the signature does not fit the body, or is too old")
        message = reading.read_object(body)
        kind = message.get("type")
        if not isinstance(kind, str):
            raise UnreadableNotice("the event has no type")
        event_id = reading.identifier(message.get("id"))
        return Notice(event_id, kind[:100], reading.digest(body), _report(kind, message.get("data")))

    def _signed(self, headers: Mapping[str, str], body: bytes, secret: str) -> bool:
        try:
            stripe.WebhookSignature.verify_header(
                body, headers.get(self.signature_header), secret, tolerance=TOLERANCE_SECONDS
            )
        except (stripe.SignatureVerificationError, UnicodeDecodeError):
            return False
        return True

    async def attempts(self, provider_order_id: str) -> list[AttemptReport]:
        query = {"payment_intent": provider_order_id, "limit": PAGE}
        answer = await self._ask(lambda v1: v1.charges.list(query))
        return reading.answered(
            lambda: [report for item in _items(answer) if (report := read_charge(item)) is not None]
        )

    async def capture(self, attempt: AttemptReport) -> AttemptReport:
        answer = await self._ask(lambda v1: v1.charges.capture(attempt.transaction_id))
        report = reading.answered(lambda: read_charge(answer))
        if report is None:
            raise NoAnswer("the answer to a capture is no charge of an intent")
        return report

    async def refund(self, order: RefundOrder) -> RefundReport:
        body = {
            "charge": order.transaction_id,
            "amount": reading.minor_units(order.amount),
            "metadata": {"refund_id": order.reference},
        }
        answer = await self._ask(lambda v1: v1.refunds.create(body, {"idempotency_key": order.reference}))
        return reading.answered(lambda: read_refund(answer))

    async def find_refund(self, order: RefundOrder) -> RefundReport | None:
        query = {"charge": order.transaction_id, "limit": PAGE}
        answer = await self._ask(lambda v1: v1.refunds.list(query))
        reports = reading.answered(lambda: [read_refund(item) for item in _items(answer)])
        return next((report for report in reports if report.reference == order.reference), None)


def _items(answer: Mapping[str, Any]) -> list[Any]:
    items = answer.get("data")
    if not isinstance(items, list):
        raise UnreadableNotice("a list is missing")
    return items


def _report(kind: str, data: object) -> AttemptReport | RefundReport | None:
    if kind in {"charge.succeeded", "charge.captured", "charge.failed"}:
        return read_charge(reading.as_object(data).get("object"))
    if kind in {"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"}:
        return read_refund(reading.as_object(data).get("object"))
    return None


def read_charge(entity: object) -> AttemptReport | None:
    """A charge; None when it belongs to no intent or is still pending."""
    charge = reading.as_object(entity)
    status = _status(charge)
    if status is None or charge.get("payment_intent") is None:
        return None
    way = charge.get("payment_method_details")
    way = way if isinstance(way, dict) else {}
    card = way.get("card")
    card = card if isinstance(card, dict) else {}
    details = reading.allowed(charge, _CHARGE_DETAILS)
    details["card"] = reading.allowed(card, _CARD_DETAILS)
    captured = charge.get("amount_captured") if status == "captured" else charge.get("amount")
    return AttemptReport(
        provider_order_id=reading.identifier(charge.get("payment_intent")),
        transaction_id=reading.identifier(charge.get("id")),
        status=status,
        amount=reading.amount(captured),
        currency=reading.currency(charge.get("currency")),
        method=_METHODS.get(str(way.get("type"))),
        failure_reason=reading.reason(charge.get("failure_code")) if status == "failed" else "",
        saved=_saved(charge, card),
        details=details,
    )


def _status(charge: Mapping[str, Any]) -> AttemptStatus | None:
    if charge.get("status") == "failed":
        return "failed"
    if charge.get("status") != "succeeded":
        return None
    return "captured" if charge.get("captured") is True else "authorized"


def _saved(charge: Mapping[str, Any], card: Mapping[str, Any]) -> SavedToken | None:
    """A payment method may be used again only when it was attached to a customer of the gateway."""
    token, digits = charge.get("payment_method"), reading.last4(card.get("last4"))
    if charge.get("customer") is None or not isinstance(token, str) or digits is None:
        return None
    return SavedToken(token, str(card.get("brand", ""))[:50], digits)


def read_refund(entity: object) -> RefundReport:
    refund = reading.as_object(entity)
    status = _REFUNDS.get(str(refund.get("status")))
    if status is None:
        raise UnreadableNotice("a refund has no status")
    metadata = refund.get("metadata")
    noted = metadata.get("refund_id") if isinstance(metadata, dict) else None
    return RefundReport(
        gateway_refund_id=reading.identifier(refund.get("id")),
        transaction_id=reading.identifier(refund.get("charge")),
        reference=reading.reference(noted),
        status=status,
        amount=reading.amount(refund.get("amount")),
        currency=reading.currency(refund.get("currency")),
        details=reading.allowed(refund, _REFUND_DETAILS),
    )
