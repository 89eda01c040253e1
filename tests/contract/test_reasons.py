"""Reasons of errors are part of the API: the contracts declare them, and error classes and the edge raise them."""

from __future__ import annotations

import importlib
import re
from collections import Counter
from functools import cache

import grpc
import pytest

from tests.contract.contracts import ROOT, SERVICES
from tools import reasons
from tools.image import Image, Rpc, load

NAME = re.compile(r"\b[A-Z]+(?:_[A-Z]+)+\b")
CODES = {code.name for code in grpc.StatusCode}
# Reasons that clients may depend on. Add new ones; never remove or rename one.
PUBLISHED = """
    ACCOUNT_ALREADY_EXISTS ACCOUNT_INACTIVE ALREADY_EXISTS ALREADY_REVIEWED ALREADY_STAFF BELOW_MIN_ORDER_VALUE
    BODY_TOO_LARGE CASH_REFUND_NEEDS_MANAGER CATEGORY_TAKEN CODE_TAKEN CONFLICT COUPON_EXHAUSTED COUPON_INVALID
    CSRF_TOKEN_REQUIRED DEADLINE_EXCEEDED EDGE_ERROR GATEWAY_DECLINED GATEWAY_SILENT HEADERS_TOO_LARGE
    INSUFFICIENT_POINTS INSUFFICIENT_STOCK INTERNAL INVALID_ARGUMENT INVALID_CODE INVALID_CREDENTIALS
    INVALID_REFRESH_TOKEN INVALID_SIGNATURE INVITATION_REFUSED ITEM_NOT_DELIVERED KEY_REUSED MAX_STOCK_EXCEEDED
    NOT_FOUND NOT_PAID_ONLINE ONLINE_PAYMENT_OFF ORDER_CLOSED ORDER_HAS_PAYMENT ORDER_NOT_CANCELLABLE
    ORDER_NOT_INVOICED ORDER_NOT_UNDER_WAY ORDER_TOO_LARGE ORDER_TRANSITION_REFUSED ORIGIN_REFUSED
    OUT_OF_DELIVERY_AREA OUT_OF_STOCK PAYMENT_CLOSED PAYMENT_EXPIRED PAYMENT_NOT_CAPTURED PERMISSION_DENIED
    PHONE_ALREADY_REGISTERED POSTAL_CODE_TAKEN PRICE_CHANGED PRODUCT_UNAVAILABLE PURCHASE_ORDER_STATE QUOTE_EXPIRED
    RATE_LIMITED RECEIPT_EXCEEDS_ORDER REFUND_OVER_LIMIT REFUND_TOO_LARGE REPLAY_FAILED REQUEST_TIMEOUT
    RESERVATION_COMMITTED RESERVATION_MISMATCH RESERVATION_RELEASED RESOURCE_EXHAUSTED REVIEW_NOT_EDITABLE
    REWARD_SOLD_OUT ROUTE_NOT_FOUND SKU_TAKEN SLUG_TAKEN STAFF_NOT_ASSIGNABLE STALE_ETAG STALE_ORDER STOCK_CHANGED
    STORE_CLOSED STORE_NOT_ACCEPTING_ORDERS SUPPLIER_INACTIVE TEMPLATE_NOT_RENDERED TIER_TOO_LOW TOO_MANY_ADDRESSES
    TOO_MANY_ATTEMPTS TOO_MANY_EXCEPTIONS TOO_MANY_FAVORITES TOO_MANY_GUESSES TOO_MANY_ZONES UNAUTHENTICATED
    UNAVAILABLE UNKNOWN_TEMPLATE UNSUPPORTED_MEDIA_TYPE USAGE_LIMIT_BELOW_USAGE WEAK_PASSWORD WRONG_PASSWORD
"""


@cache
def image() -> Image:
    return load()


@cache
def declared() -> list[reasons.Reason]:
    return reasons.declared(image())


@cache
def sources() -> list[reasons.Source]:
    for name in SERVICES:
        importlib.import_module(f"services.{name}.__main__")
    return [*reasons.of_services(), *reasons.of_edge(image().files)]


@cache
def packages() -> dict[str, str]:
    """The package whose enum has the reason."""
    return {reason.name: reason.package for reason in declared()}


@cache
def owners(reason: str) -> set[str]:
    return {source.owner for source in sources() if source.reason == reason}


def error_classes() -> list[reasons.Source]:
    return [source for source in sources() if source.error_class]


@pytest.mark.parametrize("rpc", image().rpcs, ids=lambda rpc: f"{rpc.service}.{rpc.method.name}")
def test_a_reason_that_a_contract_names_exists(rpc: Rpc) -> None:
    values = {value.name for enum in image().enums.values() for value in enum.value}
    assert not set(NAME.findall(rpc.comment)) - CODES - values


@pytest.mark.parametrize("source", error_classes(), ids=lambda source: source.error_class)
def test_the_reason_of_an_error_class_is_declared(source: reasons.Source) -> None:
    problem = f"{source.error_class}: {source.reason} is not in ErrorReason of {source.package} nor of {reasons.SHARED}"
    assert packages().get(source.reason) in {source.package, reasons.SHARED}, problem


def test_the_reason_of_a_reply_of_the_edge_is_a_shared_one() -> None:
    assert {source.reason for source in sources() if source.owner == reasons.EDGE} <= {
        reason.name for reason in declared() if reason.package == reasons.SHARED
    }


def test_every_declared_reason_has_an_error_class() -> None:
    assert [f"{reason.package}: {reason.name}" for reason in declared() if not owners(reason.name)] == []


def test_a_reason_is_declared_once() -> None:
    assert [name for name, count in Counter(reason.name for reason in declared()).items() if count > 1] == []


def test_a_reason_of_one_service_is_declared_by_that_service() -> None:
    """The shared enum has the reasons of the chassis, of the edge, and of two services or more."""
    everywhere = {reasons.EVERY_SERVICE, reasons.EDGE}
    misplaced = [
        reason.name
        for reason in declared()
        if reason.package == reasons.SHARED and len(owners(reason.name)) == 1 and not owners(reason.name) & everywhere
    ]
    assert misplaced == []


def test_a_reason_has_one_code_and_one_http_status() -> None:
    found: dict[str, set[tuple[str, int]]] = {}
    for source in sources():
        found.setdefault(source.reason, set()).add((source.code, source.status))
    assert {name: pairs for name, pairs in found.items() if len(pairs) > 1} == {}


def test_the_comment_of_a_reason_is_made_of_sentences() -> None:
    assert [reason.name for reason in declared() if not reason.comment.endswith(".")] == []


def test_no_published_reason_is_missing() -> None:
    assert set(PUBLISHED.split()) == set(packages()), "add a new reason to PUBLISHED; remove none"


def test_every_reply_of_the_edge_is_listed() -> None:
    template = (ROOT / "envoy/edge.yaml.j2").read_text()
    replies = set(re.findall(r'(?:reply|error_body)\([^{}]*?\d+, "(\w+)"', template))
    assert replies == {source.reason for source in sources() if source.owner == reasons.EDGE}
