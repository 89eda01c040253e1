"""Adapter of Razorpay, over Razorpay's SDK. Imported only where Razorpay is configured."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import razorpay
import requests
from razorpay.errors import BadRequestError

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
RECEIPT: Final = "receipt"
PAGE_SIZE: Final = 100
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

_ATTEMPTS: Final[Mapping[str, AttemptStatus]] = {
    "authorized": "authorized",
    "captured": "captured",
    "refunded": "captured",
    "failed": "failed",
}
_REFUNDS: Final[Mapping[str, RefundProgress]] = {"pending": "pending", "processed": "processed", "failed": "failed"}
_METHODS: Final = {"upi": "upi", "card": "card", "netbanking": "netbanking", "wallet": "wallet", "emi": "emi"}
# The fields that are stored: no email address, phone number, VPA, name or free text.
_PAYMENT_DETAILS: Final = (
    "id", "order_id", "status", "amount", "currency", "method", "captured", "amount_refunded", "refund_status",
    "international", "fee", "tax", "error_code", "error_source", "error_step", "error_reason", "created_at",
)  # fmt: skip
_CARD_DETAILS: Final = ("network", "type", "last4", "issuer", "international")
_ACQUIRER_DETAILS: Final = ("rrn", "arn", "auth_code", "bank_transaction_id")
_REFUND_DETAILS: Final = ("id", "payment_id", "status", "amount", "currency", "speed_processed", "created_at")
# Errors that do not reject the request itself: wrong keys, a conflict, a rate limit.
_OUTCOME_UNKNOWN: Final = frozenset(
    {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS}
)

# The SDK prints connection errors to stdout, where each line must be a JSON object. GatewayUnavailable reports them.
razorpay.client.print = lambda *_, **__: None


class _Client(razorpay.Client):  # type: ignore[misc]
    """The SDK's client, which reads its version from disk for every request; this class reads it once."""

    _version = str(razorpay.Client(auth=("", ""))._get_version())

    def _get_version(self) -> str:
        return self._version


class _ThreadClients(threading.local):
    """A client with its HTTP session for each thread, because neither is documented as thread-safe."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.client = make()
        self.status = 0
        self.client.session.hooks["response"].append(self._record_status)

    def _record_status(self, response: requests.Response, *_: object, **__: object) -> None:
        self.status = response.status_code


class RazorpayGateway:
    """One Razorpay account. `webhook_secrets` holds two during a rotation."""

    name: Final = "razorpay"
    signature_header: Final = "x-razorpay-signature"
    minimum_amount: Final = Decimal("1.00")

    def __init__(
        self, key_id: str, key_secret: str, webhook_secrets: Sequence[str], base_url: str, threads: GatewayThreadPool
    ) -> None:
        self.public_key = key_id
        self._key_secret, self._webhook_secrets, self._base_url = key_secret, tuple(webhook_secrets), base_url
        self._threads = threads
        self._clients = _ThreadClients(self._connect)
        self._timeout = (CONNECT_SECONDS, threads.timeout_seconds)

    def _connect(self) -> Any:
        session = requests.Session()
        # The proxy of the environment is for the internet, not for a local gateway.
        session.trust_env = urlsplit(self._base_url).hostname not in LOOPBACK
        return _Client(session=session, auth=(self.public_key, self._key_secret), base_url=self._base_url)

    async def _call(self, call: Callable[[Any], Any]) -> dict[str, Any]:
        """Runs one SDK call in a thread and converts the SDK's exceptions to those of the port."""

        def work() -> dict[str, Any]:
            clients = self._clients
            clients.status = 0
            try:
                response = call(clients.client)
            except BadRequestError as error:
                if clients.status in _OUTCOME_UNKNOWN:
                    raise GatewayUnavailable(f"status {clients.status}: {error}") from None
                raise RequestRejected(str(error)) from None
            except Exception as error:
                # The SDK wraps no other exceptions: connection errors, timeouts, responses that are not JSON.
                raise GatewayUnavailable(f"status {clients.status}: {type(error).__name__}") from error
            if not isinstance(response, dict):
                raise GatewayUnavailable("the response is not an object")
            return response

        return await self._threads.run(work)

    async def create_order(self, reference: str, amount: Decimal, currency: str, order_number: str) -> str:
        body = {
            "amount": to_minor_units(amount),
            "currency": currency,
            RECEIPT: reference,
            "payment_capture": 1,
            "notes": {"order_number": order_number},
        }
        order = await self._call(lambda client: client.order.create(body, timeout=self._timeout))
        return payloads.parse_response(lambda: payloads.parse_id(order.get("id")))

    async def get_client_secret(self, provider_order_id: str) -> str:
        return ""

    def is_checkout_signed(self, provider_order_id: str, transaction_id: str, signature: str) -> bool:
        return _is_valid(self._key_secret, f"{provider_order_id}|{transaction_id}".encode(), signature)

    def parse_webhook(self, headers: Mapping[str, str], body: bytes) -> WebhookEvent:
        signature = headers.get(self.signature_header, "")
        if not self._is_signed(body, signature):
            raise WebhookSignatureError("the signature does not match the body")
        message = payloads.parse_object(body)
        kind = message.get("event")
        if not isinstance(kind, str):
            raise MalformedPayload("the event has no name")
        digest = payloads.compute_digest(body)
        event_id = headers.get("x-razorpay-event-id", "")[:255] or digest.hex()
        return WebhookEvent(event_id, kind[:100], digest, _parse_report(kind, message.get("payload")))

    def _is_signed(self, body: bytes, signature: str) -> bool:
        # Tries every secret, so that the response time does not reveal which one matches.
        matches = [_is_valid(secret, body, signature) for secret in self._webhook_secrets]
        return any(matches)

    async def list_attempts(self, provider_order_id: str) -> list[AttemptReport]:
        response = await self._call(lambda client: client.order.payments(provider_order_id, timeout=self._timeout))
        return payloads.parse_response(
            lambda: [report for item in _get_items(response) if (report := parse_payment(item)) is not None]
        )

    async def capture_attempt(self, attempt: AttemptReport) -> AttemptReport:
        amount = to_minor_units(attempt.amount)
        # Without a body the SDK would write into its default argument, which all calls share.
        body = {"currency": attempt.currency}
        response = await self._call(
            lambda client: client.payment.capture(attempt.transaction_id, amount, body, timeout=self._timeout)
        )
        report = payloads.parse_response(lambda: parse_payment(response))
        if report is None:
            raise GatewayUnavailable("the response to the capture is not a payment of an order")
        return report

    async def create_refund(self, request: RefundRequest) -> RefundReport:
        body = {
            "amount": to_minor_units(request.amount),
            "speed": "normal",
            RECEIPT: request.reference,
            "notes": {"refund_id": request.reference},
        }
        # A new dict for each call, because the SDK adds its own headers to it.
        response = await self._call(
            lambda client: client.payment.refund(
                request.transaction_id, body, timeout=self._timeout, headers={"X-Refund-Idempotency": request.reference}
            )
        )
        return payloads.parse_response(lambda: parse_refund(response))

    async def find_refund(self, request: RefundRequest) -> RefundReport | None:
        query = {"count": PAGE_SIZE}
        response = await self._call(
            lambda client: client.payment.fetch_multiple_refund(request.transaction_id, query, timeout=self._timeout)
        )
        reports = payloads.parse_response(lambda: [parse_refund(item) for item in _get_items(response)])
        return next((report for report in reports if report.reference == request.reference), None)


def _is_valid(secret: str, message: bytes, signature: str) -> bool:
    expected = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode())


def _get_items(response: Mapping[str, Any]) -> list[Any]:
    items = response.get("items")
    if not isinstance(items, list):
        raise MalformedPayload("a list is missing")
    return items


def _parse_report(kind: str, payload: object) -> AttemptReport | RefundReport | None:
    subject = kind.partition(".")[0]
    if subject not in {"payment", "order", "refund"}:
        return None
    entities = payloads.require_object(payload)
    if subject == "refund":
        return parse_refund(_get_entity(entities, "refund"))
    return parse_payment(_get_entity(entities, "payment"))


def _get_entity(entities: Mapping[str, Any], name: str) -> Any:
    return payloads.require_object(entities.get(name)).get("entity")


def parse_payment(entity: object) -> AttemptReport | None:
    """The report in a payment entity; None for a payment without an order, and for an undecided one."""
    payment = payloads.require_object(entity)
    status = _ATTEMPTS.get(str(payment.get("status")))
    if status is None or payment.get("order_id") is None:
        return None
    card = payment.get("card") if isinstance(payment.get("card"), dict) else {}
    acquirer = payment.get("acquirer_data") if isinstance(payment.get("acquirer_data"), dict) else {}
    assert isinstance(card, dict)
    assert isinstance(acquirer, dict)
    details = payloads.select_fields(payment, _PAYMENT_DETAILS)
    details["card"] = payloads.select_fields(card, _CARD_DETAILS)
    details["acquirer_data"] = payloads.select_fields(acquirer, _ACQUIRER_DETAILS)
    return AttemptReport(
        provider_order_id=payloads.parse_id(payment.get("order_id")),
        transaction_id=payloads.parse_id(payment.get("id")),
        status=status,
        amount=payloads.parse_amount(payment.get("amount")),
        currency=payloads.parse_currency(payment.get("currency")),
        method=_METHODS.get(str(payment.get("method"))),
        failure_reason=payloads.parse_failure_reason(payment.get("error_reason")) if status == "failed" else "",
        saved=_find_saved_token(payment, card),
        details=details,
    )


def _find_saved_token(payment: Mapping[str, Any], card: Mapping[str, Any]) -> SavedToken | None:
    token, digits = payment.get("token_id"), payloads.parse_last4(card.get("last4"))
    if not isinstance(token, str) or not token or digits is None:
        return None
    return SavedToken(token, str(card.get("network", ""))[:50], digits)


def parse_refund(entity: object) -> RefundReport:
    """The report in a refund entity."""
    refund = payloads.require_object(entity)
    status = _REFUNDS.get(str(refund.get("status")))
    if status is None:
        raise MalformedPayload("a refund has no known status")
    notes = refund.get("notes")
    reference = notes.get("refund_id") if isinstance(notes, dict) else None
    return RefundReport(
        gateway_refund_id=payloads.parse_id(refund.get("id")),
        transaction_id=payloads.parse_id(refund.get("payment_id")),
        reference=payloads.parse_reference(reference) or payloads.parse_reference(refund.get(RECEIPT)),
        status=status,
        amount=payloads.parse_amount(refund.get("amount")),
        currency=payloads.parse_currency(refund.get("currency")),
        details=payloads.select_fields(refund, _REFUND_DETAILS),
    )
