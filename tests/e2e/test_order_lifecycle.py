"""The lifecycle of an order, and orders that fail or are cancelled: money, stock, coupon and points are correct."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from devstack.certificates import SERVICES
from devstack.menu import COUPON
from devstack.rest import Json, Session
from tests.e2e.platform import Platform, eventually


def paise(money: Json) -> int:
    return int(money["minorUnits"])


def points(platform: Platform, who: Session) -> int:
    return int(platform.rest.get(f"/api/loyalty/customer/{who.customer_id}", who)["available"])


def test_a_delivered_order_is_visible_in_every_service(platform: Platform) -> None:
    rest, who = platform.rest, platform.new_customer()
    address_id = platform.new_address(who)
    product_id = platform.new_product(stock=10, price="150")
    dashboard = rest.get("/api/analytics/dashboard", platform.staff("manager"), storeId=platform.store_id)
    cart = platform.cart(product_id, 2, fulfilmentType="DELIVERY", addressId=address_id)
    quote = rest.post("/api/orders/quote", {k: v for k, v in cart.items() if k != "paymentMethod"}, who)

    order = platform.place(who, cart | {"quote": quote["quote"]})
    assert (order["status"], order["paymentStatus"]) == ("PENDING", "PENDING")
    assert order["amounts"]["total"] == quote["amounts"]["total"]
    assert platform.stock(product_id) == 8

    platform.pay(order)
    platform.until(order["id"], who, "CONFIRMED")
    seen: list[str] = []

    def watch() -> None:
        events = rest.stream(f"/api/orders/{order['id']}/watch", who)
        seen.extend(event.data.get("status", event.kind) for event in events)

    watching = threading.Thread(target=watch)
    watching.start()
    chef, courier, manager = (platform.staff(job) for job in ("chef", "delivery", "manager"))
    platform.move(order["id"], chef, "PREPARING")
    platform.move(order["id"], chef, "READY")
    rest.post(f"/api/orders/{order['id']}/assign", {"deliveryPersonId": courier.customer_id}, manager)
    platform.move(order["id"], courier, "OUT_FOR_DELIVERY")
    position = {"location": {"latitude": 19.0551, "longitude": 72.8312}}
    rest.post(f"/api/orders/{order['id']}/tracking", position, courier)
    assert len(rest.get(f"/api/orders/{order['id']}/tracking", who)["positions"]) == 1
    platform.move(order["id"], courier, "DELIVERED")
    watching.join(timeout=10)
    assert not watching.is_alive(), "the stream did not end with the delivery"
    assert seen

    timeline = rest.get(f"/api/orders/{order['id']}/timeline", who)["entries"]
    statuses = [entry["status"] for entry in timeline]
    wanted = ["PENDING", "CONFIRMED", "PREPARING", "READY", "OUT_FOR_DELIVERY", "DELIVERED"]
    assert [status for status in wanted if status in statuses] == wanted

    eventually(lambda: points(platform, who) > 0, "points are earned")
    platform.mailbox.wait_for(who.email, order["orderNumber"])
    notifications = rest.get(f"/api/notifications/user/{who.customer_id}", who)["notifications"]
    assert notifications
    assert rest.get(f"/api/payments/order/{order['id']}", who)["status"] == "COMPLETED"

    review = {"orderId": order["id"], "productId": product_id, "rating": 5, "comment": "Perfect शिकंजी"}
    posted = eventually(lambda: _try_review(platform, who, review), "the review is accepted")
    assert posted["comment"] == "Perfect शिकंजी"
    eventually(lambda: rest.get(f"/api/products/{product_id}").get("reviewCount") == 1, "the product shows its rating")

    def revenue() -> bool:
        after = rest.get("/api/analytics/dashboard", platform.staff("manager"), storeId=platform.store_id)
        return paise(after["figures"]["revenue"]) >= paise(dashboard["figures"]["revenue"]) + paise(
            order["amounts"]["subtotal"]
        )

    eventually(revenue, "the dashboard shows the sale")


def _try_review(platform: Platform, who: Session, review: Json) -> Json | None:
    answer = platform.http.post("/api/reviews", json=review, headers={"authorization": f"Bearer {who.token}"})
    return answer.json() if answer.status_code == httpx.codes.OK else None


def test_an_order_of_a_product_out_of_stock_fails_and_reserves_nothing(platform: Platform) -> None:
    who, scarce, plenty = platform.new_customer(), platform.new_product(stock=1), platform.new_product(stock=50)
    body = platform.cart(scarce, 2)
    body["lines"].append({"productId": plenty, "quantity": 1})
    error = platform.rest.expect_error("POST", "/api/orders", who, "OUT_OF_STOCK", body=body)
    assert scarce in str(error["details"])
    assert (platform.stock(scarce), platform.stock(plenty)) == (1, 50)


def test_a_declined_payment_leaves_the_order_open_for_another_attempt(platform: Platform) -> None:
    who, product_id = platform.new_customer(), platform.new_product(stock=5)
    order = platform.place(who, platform.cart(product_id))
    platform.pay(order, outcome="failed")
    path = f"/api/payments/order/{order['id']}"
    eventually(lambda: platform.rest.get(path, who)["status"] == "FAILED", "the attempt is recorded")
    assert platform.order(order["id"], who)["status"] == "PENDING"
    platform.pay(order)
    platform.until(order["id"], who, "CONFIRMED")


def test_a_cancelled_order_returns_money_stock_coupon_and_points(platform: Platform) -> None:
    who, product_id = platform.new_customer(), platform.new_product(stock=20, price="300")
    gift = {"customerId": who.customer_id, "points": 100, "reason": "welcome"}
    platform.rest.post("/api/loyalty/earn", gift, platform.admin, key=str(uuid4()))
    body = platform.cart(product_id, 2, couponCode=COUPON, points=40)
    order = platform.place(who, body)
    assert paise(order["amounts"]["discount"]) > 0
    assert paise(order["amounts"]["loyaltyDiscount"]) == 1000
    assert (platform.stock(product_id), points(platform, who)) == (18, 60)
    platform.pay(order)
    platform.until(order["id"], who, "CONFIRMED")

    platform.rest.post(f"/api/orders/{order['id']}/cancel", {"reason": "changed my mind"}, who)
    platform.until(order["id"], who, "REFUNDED")
    eventually(lambda: platform.stock(product_id) == 20, "the stock is back")
    eventually(lambda: points(platform, who) == 100, "the points are back")
    assert platform.rest.get(f"/api/payments/order/{order['id']}", who)["status"] == "REFUNDED"
    again = platform.place(who, platform.cart(product_id, 2, couponCode=COUPON))
    assert paise(again["amounts"]["discount"]) > 0, "the coupon can be used again"


def test_a_cash_order_is_confirmed_immediately_and_paid_at_delivery(platform: Platform) -> None:
    who, product_id = platform.new_customer(), platform.new_product(stock=5)
    order = platform.place(who, platform.cart(product_id, paymentMethod="COD"))
    assert order["status"] == "CONFIRMED"
    for status, job in (("PREPARING", "chef"), ("READY", "chef"), ("DELIVERED", "cashier")):
        platform.move(order["id"], platform.staff(job), status)
    eventually(lambda: platform.order(order["id"], who)["paymentStatus"] == "COMPLETED", "the cash payment is recorded")


def test_repeated_requests_with_one_idempotency_key_place_one_order(platform: Platform) -> None:
    who, product_id = platform.new_customer(), platform.new_product(stock=50)
    key, body = str(uuid4()), platform.cart(product_id)
    with ThreadPoolExecutor(max_workers=12) as pool:
        answers = list(pool.map(lambda _: platform.place(who, body, key), range(12)))
    assert len({answer["id"] for answer in answers}) == 1
    assert platform.stock(product_id) == 49
    changed = platform.cart(product_id, 2)
    answer = platform.rest.call("POST", "/api/orders", who, body=changed, key=key, expected_status=409)
    assert answer["details"][0]["reason"] == "KEY_REUSED"


def test_the_last_units_are_sold_once(platform: Platform) -> None:
    product_id = platform.new_product(stock=5)
    customers = [platform.new_customer() for _ in range(4)]

    def buy(number: int) -> int:
        who = customers[number % len(customers)]
        answer = platform.http.post(
            "/api/orders",
            json=platform.cart(product_id),
            headers={"authorization": f"Bearer {who.token}", "idempotency-key": str(uuid4())},
        )
        return answer.status_code

    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(buy, range(16)))
    assert sorted(answers) == [200] * 5 + [409] * 11
    assert platform.stock(product_id) == 0


@pytest.mark.parametrize("name", SERVICES)
def test_an_order_is_completed_after_a_service_was_killed(platform: Platform, name: str) -> None:
    who, product_id = platform.new_customer(), platform.new_product(stock=5)
    order = platform.place(who, platform.cart(product_id))
    platform.kill(name)
    platform.pay(order)
    platform.make_whole()
    platform.until(order["id"], who, "CONFIRMED")
    for status, job in (("PREPARING", "chef"), ("READY", "chef"), ("DELIVERED", "cashier")):
        platform.move(order["id"], platform.staff(job), status)
    eventually(lambda: points(platform, who) > 0, "points are earned")
    platform.mailbox.wait_for(who.email, order["orderNumber"])
    assert platform.stock(product_id) == 4


def test_clients_that_disconnect_while_ordering_leave_no_stock_reserved(platform: Platform) -> None:
    who, product_id = platform.new_customer(), platform.new_product(stock=40)

    def disconnect(number: int) -> None:
        headers = {"authorization": f"Bearer {who.token}", "idempotency-key": f"disconnect-{uuid4()}"}
        client = httpx.Client(base_url=platform.processes.edge_url, timeout=0.001 + number * 0.002)
        with client:
            try:
                client.post("/api/orders", json=platform.cart(product_id), headers=headers)
            except httpx.TimeoutException:
                return

    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(disconnect, range(24)))

    def settled() -> bool:
        orders: list[Any] = list(
            platform.rest.list_all(f"/api/orders/customer/{who.customer_id}", "orders", who, pageSize=100)
        )
        reserved = sum(item["quantity"] for order in orders for item in order["items"])
        return platform.stock(product_id) == 40 - reserved

    eventually(settled, "every reserved unit belongs to an order")
