"""The demo: one order from menu to delivery, then the failure cases, through the public REST API.

Each step prints its result. The first deviation ends the demo with request and response.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import uuid4

import httpx
from rich.markup import escape

from devstack.menu import COUPON, CUSTOMERS, OUTLETS
from devstack.rest import Json, Mailbox, Rest, Session, UnexpectedResponse, format_money
from devstack.screen import console
from devstack.seed import PASSWORD, make_staff_email, register
from devstack.services import Processes

_WAIT_SECONDS = 60.0
# The demo tolerates a restart of a service.
_PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.05
_ROUTE = ((19.0544, 72.8295, "on my way"), (19.0561, 72.8309, ""), (19.0580, 72.8322, "two minutes"))
T = TypeVar("T")

_LIFE = ["PENDING", "CONFIRMED", "PREPARING", "READY", "OUT_FOR_DELIVERY", "DELIVERED"]


class DemoFailed(RuntimeError):
    """The platform behaved differently than the demo's scenario."""


def run(processes: Processes) -> None:
    """Runs all steps. Raises DemoFailed, UnexpectedResponse or MailNotReceived at the first deviation."""
    begun = time.monotonic()
    with Rest(processes.edge_url, patience=_PATIENCE_SECONDS) as rest:
        scenario = _Scenario(
            rest, Mailbox(processes.mailbox_url), httpx.Client(base_url=processes.gateway_url, timeout=10)
        )
        _happy_path(scenario)
        _order_out_of_stock(scenario)
        _decline_payment(scenario)
        _cancel_paid_order(scenario)
    console.print(f"\n[bold green]all steps passed[/bold green] in {time.monotonic() - begun:.1f} s")


@dataclass
class _Scenario:
    """The participants, and data of earlier steps."""

    rest: Rest
    mailbox: Mailbox
    gateway: httpx.Client
    store: Json = field(default_factory=dict)
    products: dict[str, Json] = field(default_factory=dict)
    staff: dict[str, Session] = field(default_factory=dict)
    customer: Session = field(default_factory=lambda: Session("", "", ""))
    address_id: str = ""

    def make_line(self, slug: str, quantity: int) -> Json:
        """A cart line with the first option of each required customization."""
        product = self.products[slug]
        chosen = [one["options"][0]["id"] for one in product["customizations"] if one["isRequired"]]
        return {"productId": product["id"], "quantity": quantity, "optionIds": chosen}

    def make_cart(self, *lines: Json, **more: object) -> Json:
        return {
            "storeId": self.store["id"],
            "fulfilmentType": "DELIVERY",
            "addressId": self.address_id,
            "lines": list(lines),
            **more,
        }

    def place_order(self, cart: Json, key: str | None = None) -> Json:
        return self.rest.post("/api/orders", cart, self.customer, key=key or str(uuid4()))

    def get_order(self, order_id: str) -> Json:
        return self.rest.get(f"/api/orders/{order_id}", self.customer)

    def get_stock(self, slug: str) -> int:
        """Available units in the store."""
        path = f"/api/inventory/{self.products[slug]['id']}"
        item = self.rest.get(path, self.staff["MANAGER"], storeId=self.store["id"])
        return int(item["currentStock"])

    def get_points(self) -> int:
        return int(self.rest.get(f"/api/loyalty/customer/{self.customer.customer_id}", self.customer)["available"])

    def act_at_gateway(self, order: Json, outcome: str) -> None:
        """Pays or declines at the gateway, as the customer does on its page."""
        provider_order = order["payment"]["providerOrderId"] or _wait_for_value(
            lambda: self._initiate(order["id"]), "the payment cannot be initiated"
        )
        answer = self.gateway.post("/pay", json={"order_id": provider_order, "outcome": outcome})
        if answer.status_code != httpx.codes.OK:
            raise UnexpectedResponse("POST /pay of the gateway", answer.status_code, answer.text)

    def _initiate(self, order_id: str) -> str | None:
        """Id of the gateway's order. None while payment has not consumed the event of the order."""
        try:
            payment = self.rest.post("/api/payments/initiate", {"orderId": order_id}, self.customer, key=str(uuid4()))
        except UnexpectedResponse as error:
            if error.status == httpx.codes.NOT_FOUND:
                return None
            raise
        return payment["providerOrderId"] or None


def _happy_path(scenario: _Scenario) -> None:
    console.print("\n[bold]An order from menu to delivery[/bold]")
    _browse_menu(scenario)
    _register(scenario)
    quote = _get_quote(scenario)
    order = _place_order(scenario, quote)
    with _watching(scenario, order["id"]) as watcher:
        _pay_order(scenario, order)
        _cook_and_deliver(scenario, order["id"])
        watcher.finish()
        _check_stream(watcher)
    _check_points(scenario, order["id"])
    _check_email(scenario, order)
    _review_product(scenario, order)
    _check_reports(scenario, order)


def _browse_menu(scenario: _Scenario) -> None:
    with _step("browse stores and menu") as report:
        stores = scenario.rest.get("/api/stores", city="Mumbai")["stores"]
        scenario.store = next(store for store in stores if store["slug"] == OUTLETS[0].slug)
        hours = scenario.rest.get(f"/api/stores/{scenario.store['id']}/operating-hours")
        _require(hours["isOpen"], f"{scenario.store['name']} is closed")
        listed = list(
            scenario.rest.list_all("/api/products", "products", storeId=scenario.store["id"], isJain=True, pageSize=10)
        )
        for product in listed:
            if product["slug"] in {"classic-shikanji", "jain-thali", "mohanthal"}:
                found = scenario.rest.get(f"/api/products/{product['id']}", storeId=scenario.store["id"])
                scenario.products[product["slug"]] = found
        _require(len(scenario.products) == 3, f"products of the demo are missing; the menu has {len(listed)}")  # noqa: PLR2004
        hits = scenario.rest.get("/api/products/search", query="shikanjee")["products"]
        _require(any("shikanji" in hit["slug"] for hit in hits), "the search does not tolerate a typing error")
        report(f"{len(stores)} stores in Mumbai, {len(listed)} dishes, {scenario.store['name']} is open")


def _register(scenario: _Scenario) -> None:
    with _step("register, verify the email address, log in") as report:
        email = f"asha.{uuid4().hex[:8]}@customers.example"
        scenario.customer = register(scenario.rest, scenario.mailbox, email, PASSWORD, "Asha", "Vora")
        me = scenario.rest.get("/api/auth/me", scenario.customer)
        _require(me["customer"]["emailVerified"] is True, "the email address is not verified")
        _require(me["roles"] == ["CUSTOMER"], f"a new account has the roles {me['roles']}")
        _, _, _, _, address = CUSTOMERS[0]
        path = f"/api/customers/{scenario.customer.customer_id}/addresses"
        scenario.address_id = scenario.rest.post(path, {"type": "HOME", "address": address}, scenario.customer)["id"]
        for job in ("MANAGER", "CHEF", "CASHIER", "DELIVERY"):
            session = scenario.rest.log_in(make_staff_email(job, OUTLETS[0]), PASSWORD)
            if session is None:
                raise DemoFailed(f"the {job.lower()} of the demo cannot log in; `make seed` creates missing staff")
            scenario.staff[job] = session
        report(f"{email}, and four members of staff")


def _get_quote(scenario: _Scenario) -> Json:
    with _step("quote") as report:
        cart = scenario.make_cart(
            scenario.make_line("classic-shikanji", 2), scenario.make_line("jain-thali", 1), couponCode=COUPON
        )
        quote = scenario.rest.post("/api/orders/quote", cart, scenario.customer)
        amounts = quote["amounts"]
        parts = ("subtotal", "discount", "loyaltyDiscount", "deliveryFee", "tax", "total")
        subtotal, discount, points, delivery, tax, total = (int(amounts[part]["minorUnits"]) for part in parts)
        _require(
            subtotal - discount - points + delivery + tax == total, f"the total is not the sum of the parts: {amounts}"
        )
        _require(discount > 0, "the coupon gives no discount")
        report(
            f"{format_money(amounts['subtotal'])} - {format_money(amounts['discount'])} ({COUPON})"
            f" + delivery {format_money(amounts['deliveryFee'])} + GST {format_money(amounts['tax'])}"
            f" = {format_money(amounts['total'])}"
        )
        return quote


def _place_order(scenario: _Scenario, quote: Json) -> Json:
    with _step("place the order twice with one Idempotency-Key") as report:
        before = scenario.get_stock("classic-shikanji")
        lines = (scenario.make_line("classic-shikanji", 2), scenario.make_line("jain-thali", 1))
        # Total, status and role in the body are ignored.
        forged = {"total": {"currencyCode": "INR", "minorUnits": "1"}, "status": "DELIVERED", "role": "ADMIN"}
        cart = scenario.make_cart(*lines, couponCode=COUPON, paymentMethod="UPI", quote=quote["quote"], **forged)
        key = str(uuid4())
        order = scenario.place_order(cart, key)
        _require(order["status"] == "PENDING", f"the order is {order['status']}")
        _require(order["amounts"]["total"] == quote["amounts"]["total"], "the total differs from the quote")
        _require(scenario.place_order(cart, key)["id"] == order["id"], "the same key created a second order")
        taken = before - scenario.get_stock("classic-shikanji")
        _require(taken == 2, f"{taken} glasses are reserved instead of 2")  # noqa: PLR2004
        report(
            f"{order['orderNumber']}, {format_money(order['amounts']['total'])},"
            f" payment due by {order['payment']['expiresAt']}"
        )
        return order


def _pay_order(scenario: _Scenario, order: Json) -> None:
    with _step("pay at the gateway, confirmed by its webhook") as report:
        paid = time.monotonic()
        scenario.act_at_gateway(order, "captured")
        _wait_until(
            lambda: scenario.get_order(order["id"])["status"] == "CONFIRMED",
            "the order is not CONFIRMED after the payment",
        )
        waited = time.monotonic() - paid
        payment = scenario.rest.get(f"/api/payments/order/{order['id']}", scenario.customer)
        _require(payment["status"] == "COMPLETED", f"the payment is {payment['status']}")
        report(f"{format_money(payment['capturedAmount'])} captured, confirmed after {waited * 1000:.0f} ms")


def _cook_and_deliver(scenario: _Scenario, order_id: str) -> None:
    path = f"/api/orders/{order_id}"
    with _step("kitchen") as report:
        for state in ("PREPARING", "READY"):
            scenario.rest.put(f"{path}/status", {"status": state}, scenario.staff["CHEF"])
        report("PREPARING, READY by the chef")
    with _step("courier") as report:
        courier = scenario.staff["DELIVERY"]
        scenario.rest.post(f"{path}/assign", {"deliveryPersonId": courier.customer_id}, scenario.staff["CASHIER"])
        scenario.rest.put(f"{path}/status", {"status": "OUT_FOR_DELIVERY"}, courier)
        for latitude, longitude, message in _ROUTE:
            location = {"latitude": latitude, "longitude": longitude}
            scenario.rest.post(f"{path}/tracking", {"location": location, "message": message}, courier)
        scenario.rest.put(f"{path}/status", {"status": "DELIVERED"}, courier)
        report(f"assigned, OUT_FOR_DELIVERY, {len(_ROUTE)} positions, DELIVERED")


def _check_stream(watcher: _Watcher) -> None:
    with _step("order status and courier positions, received as server-sent events") as report:
        _require(watcher.error is None, f"the stream failed: {watcher.error}")
        states = [state for state, _ in itertools.groupby(watcher.states)]
        _require(states == _LIFE[-len(states) :] and len(states) >= len(_LIFE) - 1, f"received the states {states}")
        _require(watcher.positions >= 1, "received no position of the courier")
        report(f"{' → '.join(states)}, {watcher.positions} positions")


def _check_points(scenario: _Scenario, order_id: str) -> None:
    with _step("points") as report:
        _wait_until(lambda: scenario.get_points() > 0, "no points were earned")
        _wait_until(
            lambda: scenario.get_order(order_id)["loyaltyPointsEarned"] > 0, "the order does not show its points"
        )
        path = f"/api/customers/{scenario.customer.customer_id}"
        _wait_until(
            lambda: scenario.rest.get(path, scenario.customer)["totalOrders"] == 1,
            "the profile does not count the order",
        )
        report(f"{scenario.get_points()} points")


def _check_email(scenario: _Scenario, order: Json) -> None:
    with _step("email and notifications") as report:
        mail = scenario.mailbox.wait_for(scenario.customer.email, order["orderNumber"], seconds=_WAIT_SECONDS)
        path = f"/api/notifications/user/{scenario.customer.customer_id}"
        _wait_until(
            lambda: len(scenario.rest.get(path, scenario.customer)["notifications"]) > 1,
            "notifications are missing",
        )
        subjects = [mail["subject"] for mail in reversed(scenario.mailbox.mails(scenario.customer.email))]
        _require(bool(mail["text"]), "the email has no text")
        report(" · ".join(subjects))


def _review_product(scenario: _Scenario, order: Json) -> None:
    with _step("review, and the store's response") as report:
        product = scenario.products["jain-thali"]
        body = {
            "orderId": order["id"],
            "productId": product["id"],
            "rating": 5,
            "comment": "गरम और ताज़ा — worth every rupee 🍋",
        }
        review = _wait_for_value(lambda: _post_review(scenario, body), "the delivered dish cannot be reviewed")
        _require(review["comment"] == body["comment"], "the text of the review was changed")
        answer = {"comment": "Thank you, come again!"}
        scenario.rest.put(f"/api/reviews/{review['id']}/response", answer, scenario.staff["MANAGER"])
        found = scenario.rest.get(f"/api/reviews/product/{product['id']}")
        _require(found["rating"]["reviewCount"] >= 1, "the product's rating does not count the review")
        _wait_until(
            lambda: scenario.rest.get(f"/api/products/{product['id']}")["reviewCount"] >= 1,
            "the menu does not show the rating",
        )
        report(f"{product['name']}: {found['rating']['average']} of 5 in {found['rating']['reviewCount']} reviews")


def _post_review(scenario: _Scenario, body: Json) -> Json | None:
    """The review. None while the review service has not consumed the delivery event."""
    try:
        return scenario.rest.post("/api/reviews", body, scenario.customer)
    except UnexpectedResponse as error:
        if error.status == httpx.codes.CONFLICT and "ITEM_NOT_DELIVERED" in error.body:
            return None
        raise


def _check_reports(scenario: _Scenario, order: Json) -> None:
    with _step("dashboard, invoice, order list of the store") as report:
        total = int(order["amounts"]["total"]["minorUnits"])
        manager, store_id = scenario.staff["MANAGER"], scenario.store["id"]

        def dashboard() -> Json:
            return scenario.rest.get("/api/analytics/dashboard", manager, storeId=store_id)

        _wait_until(
            lambda: any(
                row["productId"] == scenario.products["jain-thali"]["id"] for row in dashboard()["topProducts"]
            ),
            "the dashboard does not show the dish",
        )
        _wait_until(lambda: int(dashboard()["figures"]["ordersDelivered"]) >= 1, "the dashboard counts no delivery")
        figures = dashboard()["figures"]
        _require(
            int(figures["grossSales"]["minorUnits"]) >= total, f"the dashboard's sales are {figures['grossSales']}"
        )
        invoice = scenario.rest.get(f"/api/orders/{order['id']}/invoice", scenario.customer)
        queue = scenario.rest.list_all(f"/api/orders/store/{store_id}", "orders", manager, status="DELIVERED")
        _require(any(one["id"] == order["id"] for one in queue), "the store's order list does not contain the order")
        report(
            f"{figures['ordersDelivered']} delivered, {format_money(figures['grossSales'])} of sales;"
            f" invoice with {len(invoice)} fields"
        )


def _order_out_of_stock(scenario: _Scenario) -> None:
    console.print("\n[bold]Failure cases[/bold]")
    with _step("out of stock: no stock is reserved") as report:
        manager = scenario.staff["MANAGER"]
        path = f"/api/inventory/{scenario.products['mohanthal']['id']}/stock"
        before, other = scenario.get_stock("mohanthal"), scenario.get_stock("classic-shikanji")
        count = {"storeId": scenario.store["id"], "reason": "demo"}
        scenario.rest.put(path, {**count, "currentStock": 1}, manager)
        try:
            cart = scenario.make_cart(
                scenario.make_line("mohanthal", 2), scenario.make_line("classic-shikanji", 1), paymentMethod="UPI"
            )
            scenario.rest.expect_error("POST", "/api/orders", scenario.customer, "OUT_OF_STOCK", body=cart)
            left = scenario.get_stock("mohanthal"), scenario.get_stock("classic-shikanji")
            _require(left == (1, other), f"stock is {left} instead of {(1, other)}")
        finally:
            scenario.rest.put(path, {**count, "currentStock": before}, manager)
        report("409 OUT_OF_STOCK; the stock of the other line is unchanged")


def _decline_payment(scenario: _Scenario) -> None:
    with _step("payment declined, order cancelled: stock is released") as report:
        before = scenario.get_stock("mohanthal")
        order = scenario.place_order(scenario.make_cart(scenario.make_line("mohanthal", 3), paymentMethod="CARD"))
        scenario.act_at_gateway(order, "failed")
        path = f"/api/payments/order/{order['id']}"
        _wait_until(
            lambda: scenario.rest.get(path, scenario.customer)["status"] == "FAILED", "the payment is not FAILED"
        )
        _require(scenario.get_order(order["id"])["status"] == "PENDING", "a declined payment changed the order's state")
        scenario.rest.post(f"/api/orders/{order['id']}/cancel", {"reason": "card declined"}, scenario.customer)
        _wait_until(lambda: scenario.get_stock("mohanthal") == before, "the stock was not released")
        _require(scenario.get_order(order["id"])["status"] == "CANCELLED", "the order is not CANCELLED")
        _wait_until(
            lambda: scenario.rest.get(path, scenario.customer)["status"] == "CANCELLED", "the payment is not CANCELLED"
        )
        report(f"{order['orderNumber']} CANCELLED, {before} units in stock as before")


def _cancel_paid_order(scenario: _Scenario) -> None:
    with _step("cancelled after payment: money, points and stock are returned") as report:
        stock, points = scenario.get_stock("mohanthal"), scenario.get_points()
        cart = scenario.make_cart(scenario.make_line("mohanthal", 2), points=min(points, 20), paymentMethod="UPI")
        order = scenario.place_order(cart)
        _require(order["loyaltyPointsRedeemed"] > 0, "no points were used")
        _require(scenario.get_points() == points - order["loyaltyPointsRedeemed"], "the points are not reserved")
        scenario.act_at_gateway(order, "captured")
        _wait_until(lambda: scenario.get_order(order["id"])["status"] == "CONFIRMED", "the order is not CONFIRMED")
        scenario.rest.post(f"/api/orders/{order['id']}/cancel", {"reason": "changed my mind"}, scenario.customer)
        path = f"/api/payments/order/{order['id']}"
        _wait_until(
            lambda: scenario.rest.get(path, scenario.customer)["status"] == "REFUNDED", "the money was not refunded"
        )
        _wait_until(lambda: scenario.get_order(order["id"])["status"] == "REFUNDED", "the order is not REFUNDED")
        _wait_until(lambda: scenario.get_points() == points, "the points were not returned")
        _wait_until(lambda: scenario.get_stock("mohanthal") == stock, "the stock was not released")
        report(
            f"{format_money(order['amounts']['total'])} refunded, {points} points and {stock} units in stock as before"
        )


class _Watcher:
    """Reads server-sent events of an order in a thread; resumes after a connection failure."""

    def __init__(self, scenario: _Scenario, order_id: str) -> None:
        self.states: list[str] = []
        self.positions = 0
        self.error: BaseException | None = None
        self._scenario, self._path = scenario, f"/api/orders/{order_id}/watch"
        self._deadline = time.monotonic() + 2 * _PATIENCE_SECONDS
        self._open = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def start(self) -> None:
        """Starts and waits for the first event or a failure."""
        self._thread.start()
        self._open.wait(_WAIT_SECONDS)

    def finish(self) -> None:
        """Waits for the end of the stream."""
        self._thread.join(_WAIT_SECONDS)
        if self._thread.is_alive():
            self.error = TimeoutError("the stream did not end after the delivery")

    def _follow(self) -> None:
        last_id = ""
        while time.monotonic() < self._deadline:
            try:
                for event in self._scenario.rest.stream(self._path, self._scenario.customer, last_id):
                    last_id = event.id or last_id
                    if event.kind == "status":
                        self.states.append(event.data["status"])
                    elif event.kind == "position":
                        self.positions += 1
                    elif event.kind == "end" and event.data["reason"] == "CLOSED":
                        return
                    self._open.set()
            except httpx.HTTPError:
                time.sleep(_POLL_SECONDS)
            except UnexpectedResponse as error:
                if error.status not in {httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT}:
                    self.error = error
                    self._open.set()
                    return
                time.sleep(_POLL_SECONDS)


@contextmanager
def _watching(scenario: _Scenario, order_id: str) -> Iterator[_Watcher]:
    watcher = _Watcher(scenario, order_id)
    watcher.start()
    yield watcher


@contextmanager
def _step(name: str) -> Iterator[Callable[[str], None]]:
    """Prints the name of a step, its duration and its result."""
    begun = time.monotonic()
    results: list[str] = []
    try:
        with console.status(escape(name)):
            yield results.append
    except BaseException:
        console.print(f"  [red]✗ {escape(name)}[/red]")
        raise
    took = f"[dim]{time.monotonic() - begun:.2f} s[/dim]"
    console.print(f"  [green]✓[/green] {escape(name)} {took}")
    for text in results:
        console.print(f"    [cyan]{escape(text)}[/cyan]")


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise DemoFailed(problem)


def _wait_until(condition: Callable[[], bool], problem: str) -> None:
    """Waits for an effect of events. Raises DemoFailed after a minute."""
    _wait_for_value(lambda: condition() or None, problem)


def _wait_for_value(read: Callable[[], T | None], problem: str) -> T:
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        value = read()
        if value is not None:
            return value
        if time.monotonic() > deadline:
            raise DemoFailed(f"{problem} ({_WAIT_SECONDS:.0f} s)")
        time.sleep(_POLL_SECONDS)
