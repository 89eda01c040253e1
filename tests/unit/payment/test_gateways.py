"""Parsing and signatures of the gateway adapters, without a network."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import DomainError
from services.payment.errors import OnlinePaymentOff
from services.payment.gateways import payloads
from services.payment.gateways.port import GatewayUnavailable, MalformedPayload, WebhookSignatureError
from services.payment.gateways.razorpay import RazorpayGateway
from services.payment.gateways.registry import GatewayRegistry, create_registry
from services.payment.gateways.stripe import StripeGateway
from services.payment.gateways.thread_pool import GatewayThreadPool
from services.payment.model.attempts import AttemptReport
from services.payment.model.refunds import RefundReport
from services.payment.settings import PaymentSettings

SECRET = "whsec_of_the_test"
REFERENCE = "019346b4-0000-7000-8000-000000000001"


@pytest.fixture(scope="module")
def razorpay() -> RazorpayGateway:
    return RazorpayGateway(
        "rzp_key", "key-secret", ["old-secret", SECRET], "http://127.0.0.1:9", GatewayThreadPool(1, 0.5)
    )


@pytest.fixture(scope="module")
def stripe() -> StripeGateway:
    return StripeGateway("sk_test_1", "pk_test_1", [SECRET], "http://127.0.0.1:9", GatewayThreadPool(1, 0.5))


def payment_entity(**changes: Any) -> dict[str, Any]:
    return {
        "id": "pay_ABC123",
        "order_id": "order_ABC123",
        "status": "captured",
        "captured": True,
        "amount": 24900,
        "currency": "INR",
        "method": "card",
        "email": "guest@example.com",
        "contact": "+919812345678",
        "vpa": "guest@bank",
        "description": "to guest@example.com",
        "notes": {"phone": "+919812345678"},
        "card": {"name": "A Guest", "last4": "4242", "network": "Visa", "number": "4242424242424242"},
        "token_id": "token_secret",
        "acquirer_data": {"rrn": "412345678901", "email": "guest@example.com"},
        **changes,
    }


def razorpay_body(kind: str = "payment.captured", **changes: Any) -> bytes:
    payload = {"payment": {"entity": payment_entity(**changes)}}
    return json.dumps({"event": kind, "payload": payload}).encode()


def razorpay_headers(body: bytes, secret: str = SECRET) -> dict[str, str]:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"x-razorpay-signature": signature, "x-razorpay-event-id": "evt_1"}


def stripe_headers(body: bytes, at: float, secret: str = SECRET) -> dict[str, str]:
    signed = f"{int(at)}.".encode() + body
    signature = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={int(at)},v1={signature}"}


def test_a_signed_capture_is_parsed(razorpay: RazorpayGateway) -> None:
    body = razorpay_body()
    event = razorpay.parse_webhook(razorpay_headers(body), body)
    report = event.report
    assert isinstance(report, AttemptReport)
    assert (event.event_id, event.type) == ("evt_1", "payment.captured")
    assert (report.provider_order_id, report.transaction_id) == ("order_ABC123", "pay_ABC123")
    assert (report.status, report.amount, report.currency) == ("captured", Decimal("249.00"), "INR")
    assert report.saved is not None
    assert (report.saved.token, report.saved.last4) == ("token_secret", "4242")


def test_both_webhook_secrets_are_valid_during_a_rotation(razorpay: RazorpayGateway) -> None:
    body = razorpay_body()
    assert razorpay.parse_webhook(razorpay_headers(body, "old-secret"), body).report is not None


def test_the_stored_details_hold_no_personal_data(razorpay: RazorpayGateway) -> None:
    body = razorpay_body()
    report = razorpay.parse_webhook(razorpay_headers(body), body).report
    assert report is not None
    stored = json.dumps(report.details)
    for personal in ("guest", "@", "9812345678", "A Guest", "4242424242424242", "token_secret"):
        assert personal not in stored
    assert report.details["card"] == {"network": "Visa", "last4": "4242"}
    assert report.details["acquirer_data"] == {"rrn": "412345678901"}


@pytest.mark.parametrize("changed", [b" ", b"\xff", b"\0"])
def test_one_changed_byte_breaks_the_signature(razorpay: RazorpayGateway, changed: bytes) -> None:
    body = razorpay_body()
    with pytest.raises(WebhookSignatureError):
        razorpay.parse_webhook(razorpay_headers(body), body + changed)


@pytest.mark.parametrize("signature", ["", "0" * 64, "é" * 64, "sha256=" + "0" * 64])
def test_a_wrong_signature_of_any_form_is_rejected(razorpay: RazorpayGateway, signature: str) -> None:
    with pytest.raises(WebhookSignatureError):
        razorpay.parse_webhook({"x-razorpay-signature": signature}, razorpay_body())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"event": 7}',
        b'{"event": "payment.captured"}',
        b'{"event": "payment.captured", "payload": {"payment": {"entity": null}}}',
        b'{"event": "payment.captured", "payload": {"payment": []}}',
        b'{"event": "x", "n": NaN}',
        b'{"event": "x", "n": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        razorpay_body(amount="24900"),
        razorpay_body(amount=249.0),
        razorpay_body(amount=True),
        razorpay_body(amount=-1),
        razorpay_body(amount=10**10),
        razorpay_body(currency=None),
        razorpay_body(id="pay_1; DROP TABLE payments"),
        razorpay_body(order_id={"a": 1}),
    ],
)
def test_a_signed_malformed_body_raises_malformed_payload(razorpay: RazorpayGateway, body: bytes) -> None:
    with pytest.raises(MalformedPayload):
        razorpay.parse_webhook(razorpay_headers(body), body)


@given(st.binary(max_size=200))
def test_arbitrary_signed_bytes_raise_malformed_payload(body: bytes) -> None:
    gateway = RazorpayGateway("k", "s", [SECRET], "http://127.0.0.1:9", GatewayThreadPool(1, 0.5))
    with pytest.raises(MalformedPayload):
        gateway.parse_webhook(razorpay_headers(body), body)


@pytest.mark.parametrize("kind", ["settlement.processed", "invoice.paid", "anything"])
def test_events_of_other_kinds_have_no_report(razorpay: RazorpayGateway, kind: str) -> None:
    body = razorpay_body(kind)
    assert razorpay.parse_webhook(razorpay_headers(body), body).report is None


def test_a_payment_without_an_order_has_no_report(razorpay: RazorpayGateway) -> None:
    body = razorpay_body(order_id=None)
    assert razorpay.parse_webhook(razorpay_headers(body), body).report is None


def test_a_refund_has_our_reference(razorpay: RazorpayGateway) -> None:
    refund = {
        "id": "rfnd_1",
        "payment_id": "pay_1",
        "amount": 100,
        "currency": "INR",
        "status": "processed",
        "notes": {"refund_id": REFERENCE},
    }
    body = json.dumps({"event": "refund.processed", "payload": {"refund": {"entity": refund}}}).encode()
    report = razorpay.parse_webhook(razorpay_headers(body), body).report
    assert isinstance(report, RefundReport)
    assert (report.reference, report.amount, report.status) == (REFERENCE, Decimal("1.00"), "processed")


def test_a_refund_made_elsewhere_has_no_reference(razorpay: RazorpayGateway) -> None:
    for notes in ([], {}, {"refund_id": "by hand"}, {"refund_id": 7}):
        assert payloads.parse_reference(notes.get("refund_id") if isinstance(notes, dict) else None) == ""


def test_a_free_text_failure_reason_is_not_stored() -> None:
    assert payloads.parse_failure_reason("payment_declined") == "payment_declined"
    assert payloads.parse_failure_reason("Card of A Guest was declined") == "declined"
    assert payloads.parse_failure_reason(None) == "declined"


def test_the_signature_of_the_checkout_covers_order_and_payment(razorpay: RazorpayGateway) -> None:
    signature = hmac.new(b"key-secret", b"order_1|pay_1", hashlib.sha256).hexdigest()
    assert razorpay.is_checkout_signed("order_1", "pay_1", signature)
    assert not razorpay.is_checkout_signed("order_1", "pay_2", signature)
    assert not razorpay.is_checkout_signed("order_2", "pay_1", signature)
    assert not razorpay.is_checkout_signed("order_1", "pay_1", "")


def stripe_body(kind: str = "charge.succeeded", **changes: Any) -> bytes:
    charge = {
        "id": "ch_1",
        "object": "charge",
        "payment_intent": "pi_1",
        "status": "succeeded",
        "captured": True,
        "amount": 24900,
        "amount_captured": 24900,
        "currency": "inr",
        "billing_details": {"email": "guest@example.com", "name": "A Guest"},
        "receipt_email": "guest@example.com",
        "payment_method_details": {"type": "card", "card": {"brand": "visa", "last4": "4242", "fingerprint": "f"}},
        **changes,
    }
    return json.dumps({"id": "evt_1", "type": kind, "data": {"object": charge}}).encode()


def test_a_signed_charge_of_stripe_is_parsed(stripe: StripeGateway) -> None:
    body = stripe_body()
    event = stripe.parse_webhook(stripe_headers(body, time.time()), body)
    report = event.report
    assert isinstance(report, AttemptReport)
    assert (event.event_id, report.provider_order_id, report.transaction_id) == ("evt_1", "pi_1", "ch_1")
    assert (report.status, report.amount, report.currency) == ("captured", Decimal("249.00"), "INR")
    assert "guest" not in json.dumps(report.details)


def test_an_old_webhook_of_stripe_is_rejected(stripe: StripeGateway) -> None:
    body = stripe_body()
    with pytest.raises(WebhookSignatureError):
        stripe.parse_webhook(stripe_headers(body, time.time() - 600), body)


@pytest.mark.parametrize("header", [None, "", "t=1", "t=1,v1=00", "v1=00", "t=x,v1=y"])
def test_a_forged_webhook_of_stripe_is_rejected(stripe: StripeGateway, header: str | None) -> None:
    headers = {} if header is None else {"stripe-signature": header}
    with pytest.raises(WebhookSignatureError):
        stripe.parse_webhook(headers, stripe_body())
    with pytest.raises(WebhookSignatureError):
        stripe.parse_webhook(headers, b"\xff")


def test_the_states_of_stripe_charges_are_parsed(stripe: StripeGateway) -> None:
    for changes, status in (
        ({"captured": False}, "authorized"),
        ({"status": "failed", "failure_code": "card_declined"}, "failed"),
    ):
        body = stripe_body(**changes)
        report = stripe.parse_webhook(stripe_headers(body, time.time()), body).report
        assert isinstance(report, AttemptReport)
        assert report.status == status
    for changes in ({"status": "pending"}, {"payment_intent": None}):
        body = stripe_body(**changes)
        assert stripe.parse_webhook(stripe_headers(body, time.time()), body).report is None


def test_the_signature_header_selects_the_gateway(razorpay: RazorpayGateway, stripe: StripeGateway) -> None:
    registry = GatewayRegistry({"razorpay": razorpay, "stripe": stripe}, "razorpay")
    body = razorpay_body()
    assert registry.parse_webhook(razorpay_headers(body), body)[0] is razorpay
    body = stripe_body()
    assert registry.parse_webhook(stripe_headers(body, time.time()), body)[0] is stripe
    with pytest.raises(WebhookSignatureError):
        registry.parse_webhook({}, body)


KEYS = {
    "database_url": "postgresql://payment@localhost/payment",
    "field_keys": "k:" + "A" * 43 + "=",
    "index_key": "A" * 43 + "=",
    "signing_key": "A" * 43 + "=",
}


def test_without_keys_of_a_gateway_online_payment_is_off() -> None:
    registry = create_registry(PaymentSettings(**KEYS), GatewayThreadPool(1, 1.0))
    with pytest.raises(OnlinePaymentOff) as raised:
        registry.get_default()
    assert isinstance(raised.value, DomainError)
    assert registry.find("razorpay") is None
    assert registry.find(None) is None
    with pytest.raises(GatewayUnavailable, match="no longer configured"):
        registry.get("razorpay")


def test_incomplete_keys_of_a_gateway_are_rejected() -> None:
    with pytest.raises(ValueError, match="razorpay_webhook_secret"):
        PaymentSettings(razorpay_key_id="rzp", razorpay_key_secret="s", **KEYS)
    with pytest.raises(ValueError, match="stripe_webhook_secret"):
        PaymentSettings(stripe_secret_key="sk", **KEYS)
