"""Invalid requests: each gets a 4xx in the error format of the API, and writes nothing."""

from __future__ import annotations

import json
import unicodedata
from typing import Any
from uuid import uuid4

import httpx
import pytest

from devstack.rest import Json, Session
from tests.e2e.platform import Platform


@pytest.fixture(scope="module")
def customer(running: Platform) -> Session:
    return running.new_customer()


@pytest.fixture(scope="module")
def dish(running: Platform) -> str:
    return running.new_product(stock=100)


def send(platform: Platform, method: str, path: str, who: Session | None = None, **more: Any) -> httpx.Response:
    headers = {"idempotency-key": str(uuid4()), **more.pop("headers", {})}
    if who:
        headers["authorization"] = f"Bearer {who.token}"
    return platform.http.request(method, path, headers=headers, **more)


def assert_rejected(answer: httpx.Response, *codes: int) -> Json:
    """Returns the body of an error with one of the status codes, in the error format of the API."""
    assert answer.status_code in codes, f"{answer.status_code}: {answer.text}"
    body: Json = answer.json()
    assert set(body) == {"code", "message", "details"}, body
    assert isinstance(body["code"], int)
    assert body["message"]
    assert "Traceback" not in answer.text
    return body


@pytest.mark.parametrize("quantity", [0, -1, 1.5, 2**31, "many", None, [], True, 1e400])
def test_an_invalid_quantity_is_rejected(platform: Platform, customer: Session, dish: str, quantity: Any) -> None:
    body = json.dumps(platform.cart(dish) | {"lines": [{"productId": dish, "quantity": quantity}]})
    answer = send(platform, "POST", "/api/orders", customer, content=body, headers={"content-type": "application/json"})
    assert_rejected(answer, 400)
    assert platform.stock(dish) == 100


@pytest.mark.parametrize("given", ["x", "../../etc/passwd", "' OR 1=1 --", "%00", "1" * 300, "%FF%FE", "null", "{id}"])
@pytest.mark.parametrize("path", ["/api/orders/{}", "/api/products/{}", "/api/stores/{}", "/api/payments/{}"])
def test_a_malformed_id_is_rejected(platform: Platform, customer: Session, path: str, given: str) -> None:
    answer = send(platform, "GET", path.format(given), customer)
    assert answer.status_code in {400, 404}, answer.text
    assert answer.json()["code"] in {3, 5}


@pytest.mark.parametrize(
    "query",
    ["unknown=1", "pageSize=-1", "pageSize=101", "pageSize=x", "pageToken=forged", "sort=nonsense", "spiceLevel=HELL"],
)
def test_an_invalid_query_parameter_is_rejected(platform: Platform, query: str) -> None:
    assert_rejected(send(platform, "GET", f"/api/products?{query}"), 400)


@pytest.mark.parametrize("missing", ["storeId", "lines", "fulfilmentType", "paymentMethod"])
def test_a_missing_field_is_named(platform: Platform, customer: Session, dish: str, missing: str) -> None:
    body = platform.cart(dish)
    del body[missing]
    error = assert_rejected(send(platform, "POST", "/api/orders", customer, json=body), 400)
    violations = [found["field"] for detail in error["details"] for found in detail.get("fieldViolations", [])]
    assert missing in violations


def test_an_order_without_an_idempotency_key_is_rejected(platform: Platform, customer: Session, dish: str) -> None:
    answer = platform.http.post(
        "/api/orders", json=platform.cart(dish), headers={"authorization": f"Bearer {customer.token}"}
    )
    assert "Idempotency-Key" in json.dumps(assert_rejected(answer, 400))


def test_a_price_total_role_or_state_in_a_body_changes_nothing(
    platform: Platform, customer: Session, dish: str
) -> None:
    wanted = platform.place(customer, platform.cart(dish))["amounts"]
    smuggled = {
        "total": {"currencyCode": "INR", "minorUnits": "1"},
        "amounts": {"total": {"currencyCode": "INR", "minorUnits": "1"}},
        "price": 1,
        "status": "DELIVERED",
        "paymentStatus": "COMPLETED",
        "customerId": str(uuid4()),
    }
    body = platform.cart(dish) | smuggled
    body["lines"][0] |= {"unitPrice": {"currencyCode": "INR", "minorUnits": "1"}, "price": "0.01"}
    order = platform.place(customer, body)
    assert order["amounts"] == wanted
    assert (order["status"], order["customerId"]) == ("PENDING", customer.customer_id)
    profile = {"firstName": "Asha", "roles": ["ADMIN"], "loyaltyPoints": 10**6, "isVerified": True}
    platform.rest.put(f"/api/customers/{customer.customer_id}", profile, customer)
    assert "ADMIN" not in json.dumps(platform.rest.get("/api/auth/me", customer))


def test_an_order_of_another_customer_is_answered_as_a_missing_one(
    platform: Platform, customer: Session, dish: str
) -> None:
    order = platform.place(customer, platform.cart(dish))
    other = platform.new_customer()
    for method, path, body in (
        ("GET", "/api/orders/{}", None),
        ("GET", "/api/orders/{}/timeline", None),
        ("POST", "/api/orders/{}/cancel", {"reason": "mine now"}),
        ("GET", "/api/payments/order/{}", None),
    ):
        foreign = send(platform, method, path.format(order["id"]), other, json=body)
        missing = send(platform, method, path.format(uuid4()), other, json=body)
        assert (foreign.status_code, foreign.content) == (missing.status_code, missing.content), path
    for path in ("/api/customers/{}", "/api/customers/{}/addresses", "/api/loyalty/customer/{}"):
        foreign = send(platform, "GET", path.format(customer.customer_id), other)
        missing = send(platform, "GET", path.format(uuid4()), other)
        assert (foreign.status_code, foreign.content) == (404, missing.content), path


def test_a_customer_may_not_call_methods_of_staff(platform: Platform, customer: Session, dish: str) -> None:
    order = platform.place(customer, platform.cart(dish))
    answer = send(platform, "PUT", f"/api/orders/{order['id']}/status", customer, json={"status": "DELIVERED"})
    assert_rejected(answer, 403)
    assert_rejected(send(platform, "POST", "/api/stores", customer, json={"name": "Mine"}), 403)


@pytest.mark.parametrize("signature", ["", "0" * 64, "not hex"], ids=["missing", "wrong", "malformed"])
def test_a_forged_webhook_writes_nothing(platform: Platform, customer: Session, dish: str, signature: str) -> None:
    order = platform.place(customer, platform.cart(dish))
    event = {
        "event": "payment.captured",
        "payload": {"payment": {"entity": {"order_id": order["payment"]["providerOrderId"], "status": "captured"}}},
    }
    headers = {"x-razorpay-event-id": str(uuid4())} | ({"x-razorpay-signature": signature} if signature else {})
    answer = send(platform, "POST", "/api/payments/webhook", json=event, headers=headers)
    assert_rejected(answer, 400, 401, 403)
    assert platform.order(order["id"], customer)["status"] == "PENDING"


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"storeId": "\xff\xfe"}', "application/json", 400),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "application/json", 400),
        (b"storeId=1", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
        (b'{"note":"' + b"x" * 300_000 + b'"}', "application/json", 413),
    ],
    ids=["cut off", "a list", "bad UTF-8", "nested deeply", "a form", "plain text", "too large"],
)
def test_an_unreadable_body_is_rejected(
    platform: Platform, customer: Session, body: bytes, content_type: str, code: int
) -> None:
    answer = send(platform, "POST", "/api/orders", customer, content=body, headers={"content-type": content_type})
    assert_rejected(answer, code)


def test_text_of_every_script_is_returned_in_composed_form(platform: Platform, customer: Session) -> None:
    name = unicodedata.normalize("NFC", "आशा 🍋 e\u0301 \u200fשלום")  # noqa: RUF001 - letters of several scripts
    path = f"/api/customers/{customer.customer_id}"
    typed = {"firstName": unicodedata.normalize("NFD", name)}
    assert platform.rest.put(path, typed, customer)["firstName"] == name
    assert platform.rest.get(path, customer)["firstName"] == name


@pytest.mark.parametrize(
    "path", ["/api/nothing", "/", "/api/orders/x/y/z", "/jainshikanji.order.v1.OrderService/GetOrder"]
)
def test_an_unknown_path_is_not_found(platform: Platform, customer: Session, path: str) -> None:
    assert_rejected(send(platform, "GET", path, customer), 404)


def test_native_grpc_does_not_pass_the_edge(platform: Platform) -> None:
    path = "/jainshikanji.inventory.v1.StockService/ReleaseStock"
    answer = platform.http.post(
        path, content=b"\0\0\0\0\0", headers={"content-type": "application/grpc", "te": "trailers"}
    )
    # An error of gRPC is a 200 with the status in a header, which the edge removes.
    assert answer.content == b""
    assert answer.headers.get("grpc-status") != "0"
