"""Razorpay, through its own SDK. Loaded only where Razorpay is configured."""

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
RECEIPT: Final = "receipt"
PAGE: Final = 100
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})

_ATTEMPTS: Final[Mapping[str, AttemptStatus]] = {
    "authorized": "authorized",
    "captured": "captured",
    "refunded": "captured",
    "failed": "failed",
}
_REFUNDS: Final[Mapping[str, RefundProgress]] = {"pending": "pending", "processed": "processed", "failed": "failed"}
_METHODS: Final = {"upi": "upi", "card": "card", "netbanking": "netbanking", "wallet": "wallet", "emi": "emi"}
# Neither e-mail, phone, VPA, names nor free text.
_PAYMENT_DETAILS: Final = (
    "id", "order_id", "status", "amount", "currency", "method", "captured", "amount_refunded", "refund_status",
    "international", "fee", "tax", "error_code", "error_source", "error_step", "error_reason", "created_at",
)  # fmt: skip
_CARD_DETAILS: Final = ("network", "type", "last4", "issuer", "international")
_ACQUIRER_DETAILS: Final = ("rrn", "arn", "auth_code", "bank_transaction_id")
_REFUND_DETAILS: Final = ("id", "payment_id", "status", "amount", "currency", "speed_processed", "created_at")
# Answers that say nothing about the request itself: keys, limits, the gateway's own trouble.
_NOT_ABOUT_THE_REQUEST: Final = frozenset(
    {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS}
)

# The SDK prints its connection errors; what a service writes is one JSON object a line, and NoAnswer says the same.
razorpay.client.print = lambda *_, **__: None


class _Client(razorpay.Client):  # type: ignore[misc]
    """The SDK's client, which reads its package metadata from disk for every request; once is enough."""

    _version = str(razorpay.Client(auth=("", ""))._get_version())

    def _get_version(self) -> str:
        return self._version


class _ThreadClients(threading.local):
    """A client and its HTTP session for each thread: neither promises to be shared."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self.client = make()
        self.status = 0
        self.client.session.hooks["response"].append(self._note)

    def _note(self, response: requests.Response, *_: object, **__: object) -> None:
        self.status = response.status_code


class RazorpayGateway:
    """One Razorpay account. `webhook_secrets` may hold two while one replaces the other."""

    name: Final = "razorpay"
    signature_header: Final = "x-razorpay-signature"
    smallest_amount: Final = Decimal("1.00")

    def __init__(
        self, key_id: str, key_secret: str, webhook_secrets: Sequence[str], base_url: str, threads: Threads
    ) -> None:
        self.public_key = key_id
        self._key_secret, self._webhook_secrets, self._base_url = key_secret, tuple(webhook_secrets), base_url
        self._threads = threads
        self._clients = _ThreadClients(self._connect)
        self._timeout = (CONNECT_SECONDS, threads.seconds)

    def _connect(self) -> Any:
        session = requests.Session()
        # Proxy variables of the environment hold for the internet, not for a gateway on this machine.
        session.trust_env = urlsplit(self._base_url).hostname not in LOOPBACK
        return _Client(session=session, auth=(self.public_key, self._key_secret), base_url=self._base_url)

    async def _ask(self, request: Callable[[Any], Any]) -> dict[str, Any]:
        """Runs one SDK call in a thread, with the SDK's exceptions in the port's words."""

        def work() -> dict[str, Any]:
            clients = self._clients
            clients.status = 0
            try:
                answer = request(clients.client)
            except BadRequestError as error:
                if clients.status in _NOT_ABOUT_THE_REQUEST:
                    raise NoAnswer(f"status {clients.status}: {error}") from None
                raise Refused(str(error)) from None
            except Exception as error:
                # The SDK lets everything through: connection errors, time-outs, gateways that answer HTML.
                raise NoAnswer(f"status {clients.status}: {type(error).__name__}") from error
            if not isinstance(answer, dict):
                raise NoAnswer("the answer is no object")
            return answer

        return await self._threads.run(work)

    async def open_order(self, reference: str, amount: Decimal, currency: str, order_number: str) -> str:
        body = {
            "amount": reading.minor_units(amount),
            "currency": currency,
            RECEIPT: reference,
            "payment_capture": 1,
            "notes": {"order_number": order_number},
        }
        order = await self._ask(lambda client: client.order.create(body, timeout=self._timeout))
        return reading.answered(lambda: reading.identifier(order.get("id")))

    async def client_secret(self, provider_order_id: str) -> str:
        return ""

    def checkout_is_signed(self, provider_order_id: str, transaction_id: str, signature: str) -> bool:
        return _signed(self._key_secret, f"{provider_order_id}|{transaction_id}".encode(), signature)

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        signature = headers.get(self.signature_header, "")
        if not self._is_signed(body, signature):
            raise ForgedNotice("the signature does not fit the body")
        message = reading.read_object(body)
        kind = message.get("event")
        if not isinstance(kind, str):
            raise UnreadableNotice("the event has no name")
        digest = reading.digest(body)
        event_id = headers.get("x-razorpay-event-id", "")[:255] or digest.hex()
        return Notice(event_id, kind[:100], digest, _report(kind, message.get("payload")))

    def _is_signed(self, body: bytes, signature: str) -> bool:
        # Every secret is tried, so that the time does not tell which one fits.
        fits = [_signed(secret, body, signature) for secret in self._webhook_secrets]
        return any(fits)

    async def attempts(self, provider_order_id: str) -> list[AttemptReport]:
        answer = await self._ask(lambda client: client.order.payments(provider_order_id, timeout=self._timeout))
        return reading.answered(
            lambda: [report for item in _items(answer) if (report := read_payment(item)) is not None]
        )

    async def capture(self, attempt: AttemptReport) -> AttemptReport:
        amount = reading.minor_units(attempt.amount)
        # A body of one's own: the SDK's default argument is shared between calls, and it writes into it.
        body = {"currency": attempt.currency}
        answer = await self._ask(
            lambda client: client.payment.capture(attempt.transaction_id, amount, body, timeout=self._timeout)
        )
        report = reading.answered(lambda: read_payment(answer))
        if report is None:
            raise NoAnswer("the answer to a capture is no payment")
        return report

    async def refund(self, order: RefundOrder) -> RefundReport:
        body = {
            "amount": reading.minor_units(order.amount),
            "speed": "normal",
            RECEIPT: order.reference,
            "notes": {"refund_id": order.reference},
        }
        # The SDK writes its own headers into this dict, so each call gets one.
        answer = await self._ask(
            lambda client: client.payment.refund(
                order.transaction_id, body, timeout=self._timeout, headers={"X-Refund-Idempotency": order.reference}
            )
        )
        return reading.answered(lambda: read_refund(answer))

    async def find_refund(self, order: RefundOrder) -> RefundReport | None:
        query = {"count": PAGE}
        answer = await self._ask(
            lambda client: client.payment.fetch_multiple_refund(order.transaction_id, query, timeout=self._timeout)
        )
        reports = reading.answered(lambda: [read_refund(item) for item in _items(answer)])
        return next((report for report in reports if report.reference == order.reference), None)


def _signed(secret: str, message: bytes, signature: str) -> bool:
    expected = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), signature.encode())


def _items(answer: Mapping[str, Any]) -> list[Any]:
    items = answer.get("items")
    if not isinstance(items, list):
        raise UnreadableNotice("a list is missing")
    return items


def _report(kind: str, payload: object) -> AttemptReport | RefundReport | None:
    subject = kind.partition(".")[0]
    if subject not in {"payment", "order", "refund"}:
        return None
    entities = reading.as_object(payload)
    if subject == "refund":
        return read_refund(_entity(entities, "refund"))
    return read_payment(_entity(entities, "payment"))


def _entity(entities: Mapping[str, Any], name: str) -> Any:
    return reading.as_object(entities.get(name)).get("entity")


def read_payment(entity: object) -> AttemptReport | None:
    """A payment entity; None when it pays no order or nothing has been decided about it yet."""
    payment = reading.as_object(entity)
    status = _ATTEMPTS.get(str(payment.get("status")))
    if status is None or payment.get("order_id") is None:
        return None
    card = payment.get("card") if isinstance(payment.get("card"), dict) else {}
    acquirer = payment.get("acquirer_data") if isinstance(payment.get("acquirer_data"), dict) else {}
    assert isinstance(card, dict)
    assert isinstance(acquirer, dict)
    details = reading.allowed(payment, _PAYMENT_DETAILS)
    details["card"] = reading.allowed(card, _CARD_DETAILS)
    details["acquirer_data"] = reading.allowed(acquirer, _ACQUIRER_DETAILS)
    return AttemptReport(
        provider_order_id=reading.identifier(payment.get("order_id")),
        transaction_id=reading.identifier(payment.get("id")),
        status=status,
        amount=reading.amount(payment.get("amount")),
        currency=reading.currency(payment.get("currency")),
        method=_METHODS.get(str(payment.get("method"))),
        failure_reason=reading.reason(payment.get("error_reason")) if status == "failed" else "",
        saved=_saved(payment, card),
        details=details,
    )


def _saved(payment: Mapping[str, Any], card: Mapping[str, Any]) -> SavedToken | None:
    token, digits = payment.get("token_id"), reading.last4(card.get("last4"))
    if not isinstance(token, str) or not token or digits is None:
        return None
    return SavedToken(token, str(card.get("network", ""))[:50], digits)


def read_refund(entity: object) -> RefundReport:
    refund = reading.as_object(entity)
    status = _REFUNDS.get(str(refund.get("status")))
    if status is None:
        raise UnreadableNotice("a refund has no status")
    notes = refund.get("notes")
    noted = notes.get("refund_id") if isinstance(notes, dict) else None
    return RefundReport(
        gateway_refund_id=reading.identifier(refund.get("id")),
        transaction_id=reading.identifier(refund.get("payment_id")),
        reference=reading.reference(noted) or reading.reference(refund.get(RECEIPT)),
        status=status,
        amount=reading.amount(refund.get("amount")),
        currency=reading.currency(refund.get("currency")),
        details=reading.allowed(refund, _REFUND_DETAILS),
    )
