"""The adapters' reading and signing, without a network: what they accept, what they refuse, what they keep."""

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
from services.payment.gateways import reading
from services.payment.gateways.accounts import Accounts, open_accounts
from services.payment.gateways.port import AttemptReport, ForgedNotice, RefundReport, UnreadableNotice
from services.payment.gateways.razorpay import RazorpayGateway
from services.payment.gateways.stripe import StripeGateway
from services.payment.gateways.threads import Threads
from services.payment.model import OnlinePaymentOff
from services.payment.settings import PaymentSettings

SECRET = "whsec_of_the_test"
REFERENCE = "019346b4-0000-7000-8000-000000000001"


@pytest.fixture(scope="module")
def razorpay() -> RazorpayGateway:
    return RazorpayGateway("rzp_key", "key-secret", ["old-secret", SECRET], "http://127.0.0.1:9", Threads(1, 0.5))


@pytest.fixture(scope="module")
def stripe() -> StripeGateway:
    return StripeGateway("sk_test_1", "pk_test_1", [SECRET], "http://127.0.0.1:9", Threads(1, 0.5))


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


def test_a_signed_capture_is_read(razorpay: RazorpayGateway) -> None:
    body = razorpay_body()
    notice = razorpay.read_notice(razorpay_headers(body), body)
    report = notice.report
    assert isinstance(report, AttemptReport)
    assert (notice.event_id, notice.type) == ("evt_1", "payment.captured")
    assert (report.provider_order_id, report.transaction_id) == ("order_ABC123", "pay_ABC123")
    assert (report.status, report.amount, report.currency) == ("captured", Decimal("249.00"), "INR")
    assert report.saved is not None
    assert (report.saved.token, report.saved.last4) == ("token_secret", "4242")


def test_both_webhook_secrets_hold_while_one_replaces_the_other(razorpay: RazorpayGateway) -> None:
    body = razorpay_body()
    assert razorpay.read_notice(razorpay_headers(body, "old-secret"), body).report is not None


def test_what_is_kept_of_a_gateways_answer_names_nobody(razorpay: RazorpayGateway) -> None:
    body = razorpay_body()
    report = razorpay.read_notice(razorpay_headers(body), body).report
    assert report is not None
    kept = json.dumps(report.details)
    for personal in ("guest", "@", "9812345678", "A Guest", "4242424242424242", "token_secret"):
        assert personal not in kept
    assert report.details["card"] == {"network": "Visa", "last4": "4242"}
    assert report.details["acquirer_data"] == {"rrn": "412345678901"}


@pytest.mark.parametrize("changed", [b" ", b"\xff", b"\0"])
def test_one_changed_byte_breaks_the_signature(razorpay: RazorpayGateway, changed: bytes) -> None:
    body = razorpay_body()
    with pytest.raises(ForgedNotice):
        razorpay.read_notice(razorpay_headers(body), body + changed)


@pytest.mark.parametrize("signature", ["", "0" * 64, "é" * 64, "sha256=" + "0" * 64])
def test_a_wrong_signature_is_refused_whatever_it_looks_like(razorpay: RazorpayGateway, signature: str) -> None:
    with pytest.raises(ForgedNotice):
        razorpay.read_notice({"x-razorpay-signature": signature}, razorpay_body())


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
def test_signed_nonsense_is_unreadable_and_nothing_worse(razorpay: RazorpayGateway, body: bytes) -> None:
    with pytest.raises(UnreadableNotice):
        razorpay.read_notice(razorpay_headers(body), body)


@given(st.binary(max_size=200))
def test_no_signed_bytes_break_the_reader(body: bytes) -> None:
    gateway = RazorpayGateway("k", "s", [SECRET], "http://127.0.0.1:9", Threads(1, 0.5))
    with pytest.raises(UnreadableNotice):
        gateway.read_notice(razorpay_headers(body), body)


@pytest.mark.parametrize("kind", ["settlement.processed", "invoice.paid", "anything"])
def test_messages_without_use_are_read_and_set_aside(razorpay: RazorpayGateway, kind: str) -> None:
    body = razorpay_body(kind)
    assert razorpay.read_notice(razorpay_headers(body), body).report is None


def test_a_payment_that_pays_no_order_of_ours_is_set_aside(razorpay: RazorpayGateway) -> None:
    body = razorpay_body(order_id=None)
    assert razorpay.read_notice(razorpay_headers(body), body).report is None


def test_a_refund_carries_our_reference(razorpay: RazorpayGateway) -> None:
    refund = {
        "id": "rfnd_1",
        "payment_id": "pay_1",
        "amount": 100,
        "currency": "INR",
        "status": "processed",
        "notes": {"refund_id": REFERENCE},
    }
    body = json.dumps({"event": "refund.processed", "payload": {"refund": {"entity": refund}}}).encode()
    report = razorpay.read_notice(razorpay_headers(body), body).report
    assert isinstance(report, RefundReport)
    assert (report.reference, report.amount, report.status) == (REFERENCE, Decimal("1.00"), "processed")


def test_a_refund_of_somebody_elses_making_has_no_reference(razorpay: RazorpayGateway) -> None:
    for notes in ([], {}, {"refund_id": "by hand"}, {"refund_id": 7}):
        assert reading.reference(notes.get("refund_id") if isinstance(notes, dict) else None) == ""


def test_a_free_text_reason_is_not_kept() -> None:
    assert reading.reason("payment_declined") == "payment_declined"
    assert reading.reason("Card of A Guest was declined") == "declined"
    assert reading.reason(None) == "declined"


def test_the_checkouts_signature_binds_order_and_payment(razorpay: RazorpayGateway) -> None:
    signature = hmac.new(b"key-secret", b"order_1|pay_1", hashlib.sha256).hexdigest()
    assert razorpay.checkout_is_signed("order_1", "pay_1", signature)
    assert not razorpay.checkout_is_signed("order_1", "pay_2", signature)
    assert not razorpay.checkout_is_signed("order_2", "pay_1", signature)
    assert not razorpay.checkout_is_signed("order_1", "pay_1", "")


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


def test_a_signed_charge_of_stripe_is_read(stripe: StripeGateway) -> None:
    body = stripe_body()
    notice = stripe.read_notice(stripe_headers(body, time.time()), body)
    report = notice.report
    assert isinstance(report, AttemptReport)
    assert (notice.event_id, report.provider_order_id, report.transaction_id) == ("evt_1", "pi_1", "ch_1")
    assert (report.status, report.amount, report.currency) == ("captured", Decimal("249.00"), "INR")
    assert "guest" not in json.dumps(report.details)


def test_an_old_message_of_stripe_is_refused(stripe: StripeGateway) -> None:
    body = stripe_body()
    with pytest.raises(ForgedNotice):
        stripe.read_notice(stripe_headers(body, time.time() - 600), body)


@pytest.mark.parametrize("header", [None, "", "t=1", "t=1,v1=00", "v1=00", "t=x,v1=y"])
def test_a_forged_message_of_stripe_is_refused(stripe: StripeGateway, header: str | None) -> None:
    headers = {} if header is None else {"stripe-signature": header}
    with pytest.raises(ForgedNotice):
        stripe.read_notice(headers, stripe_body())
    with pytest.raises(ForgedNotice):
        stripe.read_notice(headers, b"\xff")


def test_stripes_states_are_read(stripe: StripeGateway) -> None:
    for changes, status in (
        ({"captured": False}, "authorized"),
        ({"status": "failed", "failure_code": "card_declined"}, "failed"),
    ):
        body = stripe_body(**changes)
        report = stripe.read_notice(stripe_headers(body, time.time()), body).report
        assert isinstance(report, AttemptReport)
        assert report.status == status
    for changes in ({"status": "pending"}, {"payment_intent": None}):
        body = stripe_body(**changes)
        assert stripe.read_notice(stripe_headers(body, time.time()), body).report is None


def test_a_webhook_goes_to_the_gateway_that_signs_like_it(razorpay: RazorpayGateway, stripe: StripeGateway) -> None:
    accounts = Accounts({"razorpay": razorpay, "stripe": stripe}, "razorpay")
    body = razorpay_body()
    assert accounts.read_notice(razorpay_headers(body), body)[0] is razorpay
    body = stripe_body()
    assert accounts.read_notice(stripe_headers(body, time.time()), body)[0] is stripe
    with pytest.raises(ForgedNotice):
        accounts.read_notice({}, body)


KEYS = {
    "database_url": "postgresql://nobody@localhost/none",
    "field_keys": "k:" + "A" * 43 + "=",
    "index_key": "A" * 43 + "=",
    "signing_key": "A" * 43 + "=",
}


def test_without_keys_of_a_gateway_only_cash_is_taken() -> None:
    accounts = open_accounts(PaymentSettings(**KEYS), Threads(1, 1.0))
    with pytest.raises(OnlinePaymentOff) as refused:
        accounts.chosen()
    assert isinstance(refused.value, DomainError)
    assert accounts.named("razorpay") is None
    assert accounts.named(None) is None


def test_half_a_configuration_stops_the_start() -> None:
    with pytest.raises(ValueError, match="razorpay_webhook_secret"):
        PaymentSettings(razorpay_key_id="rzp", razorpay_key_secret="s", **KEYS)
    with pytest.raises(ValueError, match="stripe_webhook_secret"):
        PaymentSettings(stripe_secret_key="sk", **KEYS)
