"""Adapter of Stripe, over Stripe's SDK. Imported only where Stripe is configured.

An order at the gateway is a PaymentIntent, an attempt is a Charge. A PaymentIntent succeeds at most once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import stripe

from chassis.money import to_minor_units
from services.payment.gateways import payloads
from services.payment.gateways.port import (
    GatewayUnavailable,
    MalformedPayload,
    RefundRequest,
    RequestRejected,
    WebhookEvent,
    WebhookSignatureError,
)
from services.payment.gateways.thread_pool import GatewayThreadPool
from services.payment.model.attempts import AttemptReport, AttemptStatus, SavedToken
from services.payment.model.refunds import RefundProgress, RefundReport

CONNECT_SECONDS: Final = 1.0
TOLERANCE_SECONDS: Final = 300
PAGE_SIZE: Final = 100

_REFUNDS: Final[Mapping[str, RefundProgress]] = {
    "pending": "pending",
    "requires_action": "pending",
    "succeeded": "processed",
    "failed": "failed",
    "canceled": "failed",
}
_METHODS: Final = {"card": "card", "upi": "upi", "netbanking": "netbanking", "wallet": "wallet"}
# The fields that are stored: no email address, phone number, name, postal address or free text.
_CHARGE_DETAILS: Final = (
    "id", "payment_intent", "status", "amount", "amount_captured", "amount_refunded", "captured", "currency",
    "failure_code", "refunded", "created",
)  # fmt: skip
_CARD_DETAILS: Final = ("brand", "network", "last4", "funding", "country")
_REFUND_DETAILS: Final = ("id", "charge", "payment_intent", "status", "amount", "currency", "failure_reason", "created")


class StripeGateway:
    """One Stripe account. `webhook_secrets` holds two during a rotation."""

    name: Final = "stripe"
    signature_header: Final = "stripe-signature"
    minimum_amount: Final = Decimal("1.00")

    def __init__(
        self,
        secret_key: str,
        public_key: str,
        webhook_secrets: Sequence[str],
        base_url: str,
        threads: GatewayThreadPool,
    ) -> None:
        self.public_key = public_key
        self._webhook_secrets, self._threads = tuple(webhook_secrets), threads
        self._client = stripe.StripeClient(
            secret_key,
            base_addresses={"api": base_url},
            # The callers of the adapter retry, within their own timeouts.
            max_network_retries=0,
            http_client=stripe.RequestsClient(timeout=(CONNECT_SECONDS, threads.timeout_seconds)),
        )

    async def _call(self, call: Callable[[Any], Any]) -> dict[str, Any]:
        """Runs one SDK call in a thread and converts the SDK's exceptions to those of the port."""

        def work() -> dict[str, Any]:
            try:
                return dict(call(self._client.v1).to_dict())
            except (stripe.InvalidRequestError, stripe.CardError) as error:
                raise RequestRejected(str(error.code or type(error).__name__)) from None
            except stripe.StripeError as error:
                raise GatewayUnavailable(f"status {error.http_status}: {type(error).__name__}") from error

        return await self._threads.run(work)

    async def create_order(self, reference: str, amount: Decimal, currency: str, order_number: str) -> str:
        body = {
            "amount": to_minor_units(amount),
            "currency": currency.lower(),
            "metadata": {"payment_id": reference, "order_number": order_number},
            "automatic_payment_methods": {"enabled": True},
        }
        response = await self._call(lambda v1: v1.payment_intents.create(body, {"idempotency_key": reference}))
        return payloads.parse_response(lambda: payloads.parse_id(response.get("id")))

    async def get_client_secret(self, provider_order_id: str) -> str:
        response = await self._call(lambda v1: v1.payment_intents.retrieve(provider_order_id))
        return str(response.get("client_secret") or "")

    def is_checkout_signed(self, provider_order_id: str, transaction_id: str, signature: str) -> bool:
        """Always True: Stripe's checkout signs nothing. Callers query the gateway for the capture."""
        return True

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookEvent:
        if not any(self._is_signed(headers, body, secret) for secret in self._webhook_secrets):
            raise WebhookSignatureError("the signature does not match the body, or is too old")
        message = payloads.parse_object(body)
        kind = message.get("type")
        if not isinstance(kind, str):
            raise MalformedPayload("the event has no type")
        event_id = payloads.parse_id(message.get("id"))
        return WebhookEvent(
            event_id, kind[:100], payloads.compute_digest(body), _parse_report(kind, message.get("data"))
        )

    def _is_signed(self, headers: Mapping[str, str], body: bytes, secret: str) -> bool:
        try:
            stripe.WebhookSignature.verify_header(
                body, headers.get(self.signature_header), secret, tolerance=TOLERANCE_SECONDS
            )
        except (stripe.SignatureVerificationError, UnicodeDecodeError):
            return False
        return True

    async def list_attempts(self, provider_order_id: str) -> list[AttemptReport]:
        query = {"payment_intent": provider_order_id, "limit": PAGE_SIZE}
        response = await self._call(lambda v1: v1.charges.list(query))
        return payloads.parse_response(
            lambda: [report for item in _get_items(response) if (report := parse_charge(item)) is not None]
        )

    async def capture_attempt(self, attempt: AttemptReport) -> AttemptReport:
        response = await self._call(lambda v1: v1.charges.capture(attempt.transaction_id))
        report = payloads.parse_response(lambda: parse_charge(response))
        if report is None:
            raise GatewayUnavailable("the response to the capture is not a charge of a PaymentIntent")
        return report

    async def create_refund(self, request: RefundRequest) -> RefundReport:
        body = {
            "charge": request.transaction_id,
            "amount": to_minor_units(request.amount),
            "metadata": {"refund_id": request.reference},
        }
        response = await self._call(lambda v1: v1.refunds.create(body, {"idempotency_key": request.reference}))
        return payloads.parse_response(lambda: parse_refund(response))

    async def find_refund(self, request: RefundRequest) -> RefundReport | None:
        query = {"charge": request.transaction_id, "limit": PAGE_SIZE}
        response = await self._call(lambda v1: v1.refunds.list(query))
        reports = payloads.parse_response(lambda: [parse_refund(item) for item in _get_items(response)])
        return next((report for report in reports if report.reference == request.reference), None)


def _get_items(response: Mapping[str, Any]) -> list[Any]:
    items = response.get("data")
    if not isinstance(items, list):
        raise MalformedPayload("a list is missing")
    return items


def _parse_report(kind: str, data: object) -> AttemptReport | RefundReport | None:
    if kind in {"charge.succeeded", "charge.captured", "charge.failed"}:
        return parse_charge(payloads.require_object(data).get("object"))
    if kind in {"refund.created", "refund.updated", "refund.failed", "charge.refund.updated"}:
        return parse_refund(payloads.require_object(data).get("object"))
    return None


def parse_charge(entity: object) -> AttemptReport | None:
    """The report in a charge; None for a charge without a PaymentIntent, and for a pending one."""
    charge = payloads.require_object(entity)
    status = _attempt_status(charge)
    if status is None or charge.get("payment_intent") is None:
        return None
    method = charge.get("payment_method_details")
    method = method if isinstance(method, dict) else {}
    card = method.get("card")
    card = card if isinstance(card, dict) else {}
    details = payloads.select_fields(charge, _CHARGE_DETAILS)
    details["card"] = payloads.select_fields(card, _CARD_DETAILS)
    captured = charge.get("amount_captured") if status == "captured" else charge.get("amount")
    return AttemptReport(
        provider_order_id=payloads.parse_id(charge.get("payment_intent")),
        transaction_id=payloads.parse_id(charge.get("id")),
        status=status,
        amount=payloads.parse_amount(captured),
        currency=payloads.parse_currency(charge.get("currency")),
        method=_METHODS.get(str(method.get("type"))),
        failure_reason=payloads.parse_failure_reason(charge.get("failure_code")) if status == "failed" else "",
        saved=_find_saved_token(charge, card),
        details=details,
    )


def _attempt_status(charge: Mapping[str, Any]) -> AttemptStatus | None:
    if charge.get("status") == "failed":
        return "failed"
    if charge.get("status") != "succeeded":
        return None
    return "captured" if charge.get("captured") is True else "authorized"


def _find_saved_token(charge: Mapping[str, Any], card: Mapping[str, Any]) -> SavedToken | None:
    """The payment method, when it was saved: attached to a customer of the gateway."""
    token, digits = charge.get("payment_method"), payloads.parse_last4(card.get("last4"))
    if charge.get("customer") is None or not isinstance(token, str) or digits is None:
        return None
    return SavedToken(token, str(card.get("brand", ""))[:50], digits)


def parse_refund(entity: object) -> RefundReport:
    """The report in a refund."""
    refund = payloads.require_object(entity)
    status = _REFUNDS.get(str(refund.get("status")))
    if status is None:
        raise MalformedPayload("a refund has no known status")
    metadata = refund.get("metadata")
    reference = metadata.get("refund_id") if isinstance(metadata, dict) else None
    return RefundReport(
        gateway_refund_id=payloads.parse_id(refund.get("id")),
        transaction_id=payloads.parse_id(refund.get("charge")),
        reference=payloads.parse_reference(reference),
        status=status,
        amount=payloads.parse_amount(refund.get("amount")),
        currency=payloads.parse_currency(refund.get("currency")),
        details=payloads.select_fields(refund, _REFUND_DETAILS),
    )
