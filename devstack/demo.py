"""One order from the menu to the doorstep, then the roads on which orders fail: through the public REST API only.

Each step says what it saw; the first thing that is not as it should be ends the demo with request and answer.
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
from devstack.rest import Json, Mailbox, Rest, Session, Unexpected, shown
from devstack.screen import console
from devstack.seed import PASSWORD, register, staff_email
from devstack.services import Processes

_WAIT_SECONDS = 60.0
# A service that was killed and started again must not end the demo.
_PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.05
_ROUTE = ((19.0544, 72.8295, "on my way"), (19.0561, 72.8309, ""), (19.0580, 72.8322, "two minutes"))
T = TypeVar("T")

_LIFE = ["PENDING", "CONFIRMED", "PREPARING", "READY", "OUT_FOR_DELIVERY", "DELIVERED"]


class Deviation(RuntimeError):
    """The platform did something else than the demo's story."""


def run(processes: Processes) -> None:
    """Tells the whole story. Raises Deviation, Unexpected or NoMail at the first thing that is wrong."""
    begun = time.monotonic()
    with Rest(processes.edge_url, patience=_PATIENCE_SECONDS) as rest:
        story = _Story(rest, Mailbox(processes.mailbox_url), httpx.Client(base_url=processes.gateway_url, timeout=10))
        _happy_road(story)
        _out_of_stock(story)
        _declined(story)
        _cancelled(story)
    console.print(f"\n[bold green]all as it should be[/bold green] in {time.monotonic() - begun:.1f} s")


@dataclass
class _Story:
    """Who takes part, and what was found on the way."""

    rest: Rest
    mailbox: Mailbox
    gateway: httpx.Client
    store: Json = field(default_factory=dict)
    products: dict[str, Json] = field(default_factory=dict)
    staff: dict[str, Session] = field(default_factory=dict)
    customer: Session = field(default_factory=lambda: Session("", "", ""))
    address_id: str = ""

    def line(self, slug: str, quantity: int) -> Json:
        """A line of a cart with the first option of everything that must be chosen."""
        product = self.products[slug]
        chosen = [one["options"][0]["id"] for one in product["customizations"] if one["isRequired"]]
        return {"productId": product["id"], "quantity": quantity, "optionIds": chosen}

    def cart(self, *lines: Json, **more: object) -> Json:
        return {
            "storeId": self.store["id"],
            "fulfilmentType": "DELIVERY",
            "addressId": self.address_id,
            "lines": list(lines),
            **more,
        }

    def place(self, cart: Json, key: str | None = None) -> Json:
        return self.rest.post("/api/orders", cart, self.customer, key=key or str(uuid4()))

    def order(self, order_id: str) -> Json:
        return self.rest.get(f"/api/orders/{order_id}", self.customer)

    def stock(self, slug: str) -> int:
        """Units free to sell in the store."""
        path = f"/api/inventory/{self.products[slug]['id']}"
        item = self.rest.get(path, self.staff["MANAGER"], storeId=self.store["id"])
        return int(item["currentStock"])

    def points(self) -> int:
        return int(self.rest.get(f"/api/loyalty/customer/{self.customer.customer_id}", self.customer)["available"])

    def at_gateway(self, order: Json, outcome: str) -> None:
        """What the customer does on the gateway's page."""
        provider_order = order["payment"]["providerOrderId"] or _until_value(
            lambda: self._initiate(order["id"]), "the payment cannot be initiated"
        )
        answer = self.gateway.post("/pay", json={"order_id": provider_order, "outcome": outcome})
        if answer.status_code != httpx.codes.OK:
            raise Unexpected("POST /pay of the gateway", answer.status_code, answer.text)

    def _initiate(self, order_id: str) -> str | None:
        """The order at the gateway, which was silent when the order was placed; or payment was, and will hear of it."""
        try:
            payment = self.rest.post("/api/payments/initiate", {"orderId": order_id}, self.customer, key=str(uuid4()))
        except Unexpected as refusal:
            if refusal.status == httpx.codes.NOT_FOUND:
                return None
            raise
        return payment["providerOrderId"] or None


def _happy_road(story: _Story) -> None:
    console.print("\n[bold]An order, from the menu to the doorstep[/bold]")
    _browse(story)
    _join(story)
    quote = _quote(story)
    order = _order(story, quote)
    with _watching(story, order["id"]) as watcher:
        _pay(story, order)
        _cook_and_deliver(story, order["id"])
        watcher.finish()
        _compare_stream(watcher)
    _earn(story, order["id"])
    _read_mail(story, order)
    _review(story, order)
    _figures(story, order)


def _browse(story: _Story) -> None:
    with _step("browse stores and menu") as tell:
        stores = story.rest.get("/api/stores", city="Mumbai")["stores"]
        story.store = next(store for store in stores if store["slug"] == OUTLETS[0].slug)
        hours = story.rest.get(f"/api/stores/{story.store['id']}/operating-hours")
        _must(hours["isOpen"], f"{story.store['name']} is closed")
        listed = list(
            story.rest.pages("/api/products", "products", storeId=story.store["id"], isJain=True, pageSize=10)
        )
        for product in listed:
            if product["slug"] in {"classic-shikanji", "jain-thali", "mohanthal"}:
                found = story.rest.get(f"/api/products/{product['id']}", storeId=story.store["id"])
                story.products[product["slug"]] = found
        _must(len(story.products) == 3, f"the menu lacks dishes of the demo; it has {len(listed)} products")  # noqa: PLR2004
        hits = story.rest.get("/api/products/search", query="shikanjee")["products"]
        _must(any("shikanji" in hit["slug"] for hit in hits), "the search does not forgive a typing error")
        tell(f"{len(stores)} stores in Mumbai, {len(listed)} dishes, {story.store['name']} is open")


def _join(story: _Story) -> None:
    with _step("register, prove the mailbox, log in") as tell:
        email = f"asha.{uuid4().hex[:8]}@customers.example"
        story.customer = register(story.rest, story.mailbox, email, PASSWORD, "Asha", "Vora")
        me = story.rest.get("/api/auth/me", story.customer)
        _must(me["customer"]["emailVerified"] is True, "the mailbox is not verified")
        _must(me["roles"] == ["CUSTOMER"], f"a new account has the roles {me['roles']}")
        _, _, _, _, address = CUSTOMERS[0]
        path = f"/api/customers/{story.customer.customer_id}/addresses"
        story.address_id = story.rest.post(path, {"type": "HOME", "address": address}, story.customer)["id"]
        for job in ("MANAGER", "CHEF", "CASHIER", "DELIVERY"):
            session = story.rest.log_in(staff_email(job, OUTLETS[0]), PASSWORD)
            if session is None:
                raise Deviation(f"the {job.lower()} of the demo cannot log in; `make seed` puts staff back")
            story.staff[job] = session
        tell(f"{email}, and four of the staff")


def _quote(story: _Story) -> Json:
    with _step("quote") as tell:
        cart = story.cart(story.line("classic-shikanji", 2), story.line("jain-thali", 1), couponCode=COUPON)
        quote = story.rest.post("/api/orders/quote", cart, story.customer)
        amounts = quote["amounts"]
        parts = ("subtotal", "discount", "loyaltyDiscount", "deliveryFee", "tax", "total")
        subtotal, discount, points, delivery, tax, total = (int(amounts[part]["minorUnits"]) for part in parts)
        _must(subtotal - discount - points + delivery + tax == total, f"the parts do not add up: {amounts}")
        _must(discount > 0, "the coupon takes nothing off")
        tell(
            f"{shown(amounts['subtotal'])} - {shown(amounts['discount'])} ({COUPON})"
            f" + delivery {shown(amounts['deliveryFee'])} + GST {shown(amounts['tax'])} = {shown(amounts['total'])}"
        )
        return quote


def _order(story: _Story, quote: Json) -> Json:
    with _step("order, twice with one Idempotency-Key") as tell:
        before = story.stock("classic-shikanji")
        lines = (story.line("classic-shikanji", 2), story.line("jain-thali", 1))
        # A price, a total, a role or a state in the body is ignored.
        greedy = {"total": {"currencyCode": "INR", "minorUnits": "1"}, "status": "DELIVERED", "role": "ADMIN"}
        cart = story.cart(*lines, couponCode=COUPON, paymentMethod="UPI", quote=quote["quote"], **greedy)
        key = str(uuid4())
        order = story.place(cart, key)
        _must(order["status"] == "PENDING", f"the order is {order['status']}")
        _must(order["amounts"]["total"] == quote["amounts"]["total"], "the order costs something else than quoted")
        _must(story.place(cart, key)["id"] == order["id"], "the same key made a second order")
        taken = before - story.stock("classic-shikanji")
        _must(taken == 2, f"{taken} glasses are reserved instead of 2")  # noqa: PLR2004
        tell(
            f"{order['orderNumber']}, {shown(order['amounts']['total'])}, to be paid by {order['payment']['expiresAt']}"
        )
        return order


def _pay(story: _Story, order: Json) -> None:
    with _step("pay at the gateway; its webhook confirms") as tell:
        paid = time.monotonic()
        story.at_gateway(order, "captured")
        _until(
            lambda: story.order(order["id"])["status"] == "CONFIRMED", "the order is not CONFIRMED after the payment"
        )
        waited = time.monotonic() - paid
        payment = story.rest.get(f"/api/payments/order/{order['id']}", story.customer)
        _must(payment["status"] == "COMPLETED", f"the payment is {payment['status']}")
        tell(f"{shown(payment['capturedAmount'])} captured, confirmed after {waited * 1000:.0f} ms")


def _cook_and_deliver(story: _Story, order_id: str) -> None:
    path = f"/api/orders/{order_id}"
    with _step("kitchen") as tell:
        for state in ("PREPARING", "READY"):
            story.rest.put(f"{path}/status", {"status": state}, story.staff["CHEF"])
        tell("PREPARING, READY by the chef")
    with _step("courier") as tell:
        courier = story.staff["DELIVERY"]
        story.rest.post(f"{path}/assign", {"deliveryPersonId": courier.customer_id}, story.staff["CASHIER"])
        story.rest.put(f"{path}/status", {"status": "OUT_FOR_DELIVERY"}, courier)
        for latitude, longitude, message in _ROUTE:
            location = {"latitude": latitude, "longitude": longitude}
            story.rest.post(f"{path}/tracking", {"location": location, "message": message}, courier)
        story.rest.put(f"{path}/status", {"status": "DELIVERED"}, courier)
        tell(f"assigned, OUT_FOR_DELIVERY, {len(_ROUTE)} positions, DELIVERED")


def _compare_stream(watcher: _Watcher) -> None:
    with _step("what the customer saw meanwhile, by server-sent events") as tell:
        _must(watcher.error is None, f"the stream broke: {watcher.error}")
        states = [state for state, _ in itertools.groupby(watcher.states)]
        _must(states == _LIFE[-len(states) :] and len(states) >= len(_LIFE) - 1, f"the states came as {states}")
        _must(watcher.positions >= 1, "no position of the courier came")
        tell(f"{' → '.join(states)}, {watcher.positions} positions")


def _earn(story: _Story, order_id: str) -> None:
    with _step("points") as tell:
        _until(lambda: story.points() > 0, "no points were earned")
        _until(lambda: story.order(order_id)["loyaltyPointsEarned"] > 0, "the order does not show its points")
        path = f"/api/customers/{story.customer.customer_id}"
        _until(lambda: story.rest.get(path, story.customer)["totalOrders"] == 1, "the profile does not count the order")
        tell(f"{story.points()} points")


def _read_mail(story: _Story, order: Json) -> None:
    with _step("mail and notifications") as tell:
        mail = story.mailbox.wait_for(story.customer.email, order["orderNumber"], seconds=_WAIT_SECONDS)
        path = f"/api/notifications/user/{story.customer.customer_id}"
        _until(
            lambda: len(story.rest.get(path, story.customer)["notifications"]) > 1, "the list of notifications is short"
        )
        subjects = [mail["subject"] for mail in reversed(story.mailbox.mails(story.customer.email))]
        _must(bool(mail["text"]), "the mail has no text")
        tell(" · ".join(subjects))


def _review(story: _Story, order: Json) -> None:
    with _step("review, and the store's answer") as tell:
        product = story.products["jain-thali"]
        body = {
            "orderId": order["id"],
            "productId": product["id"],
            "rating": 5,
            "comment": "गरम और ताज़ा — worth every rupee 🍋",
        }
        review = _until_value(lambda: _post_review(story, body), "the delivered dish cannot be reviewed")
        _must(review["comment"] == body["comment"], "the review's text changed on the way")
        answer = {"comment": "Thank you, come again!"}
        story.rest.put(f"/api/reviews/{review['id']}/response", answer, story.staff["MANAGER"])
        found = story.rest.get(f"/api/reviews/product/{product['id']}")
        _must(found["rating"]["reviewCount"] >= 1, "the product's rating does not count the review")
        _until(
            lambda: story.rest.get(f"/api/products/{product['id']}")["reviewCount"] >= 1,
            "the menu does not show the rating",
        )
        tell(f"{product['name']}: {found['rating']['average']} of 5 in {found['rating']['reviewCount']} reviews")


def _post_review(story: _Story, body: Json) -> Json | None:
    """None while review has not heard of the delivery yet."""
    try:
        return story.rest.post("/api/reviews", body, story.customer)
    except Unexpected as refusal:
        if refusal.status == httpx.codes.CONFLICT and "ITEM_NOT_DELIVERED" in refusal.body:
            return None
        raise


def _figures(story: _Story, order: Json) -> None:
    with _step("the manager's dashboard, the invoice, the queue") as tell:
        total = int(order["amounts"]["total"]["minorUnits"])
        manager, store_id = story.staff["MANAGER"], story.store["id"]

        def dashboard() -> Json:
            return story.rest.get("/api/analytics/dashboard", manager, storeId=store_id)

        _until(
            lambda: any(row["productId"] == story.products["jain-thali"]["id"] for row in dashboard()["topProducts"]),
            "the dashboard does not show the dish",
        )
        _until(lambda: int(dashboard()["figures"]["ordersDelivered"]) >= 1, "the dashboard counts no delivery")
        figures = dashboard()["figures"]
        _must(int(figures["grossSales"]["minorUnits"]) >= total, f"the dashboard's sales are {figures['grossSales']}")
        invoice = story.rest.get(f"/api/orders/{order['id']}/invoice", story.customer)
        queue = story.rest.pages(f"/api/orders/store/{store_id}", "orders", manager, status="DELIVERED")
        _must(any(one["id"] == order["id"] for one in queue), "the store's list lacks the order")
        tell(
            f"{figures['ordersDelivered']} delivered, {shown(figures['grossSales'])} of sales;"
            f" invoice with {len(invoice)} fields"
        )


def _out_of_stock(story: _Story) -> None:
    console.print("\n[bold]Roads on which orders fail[/bold]")
    with _step("out of stock: nothing is sold, nothing stays reserved") as tell:
        manager = story.staff["MANAGER"]
        path = f"/api/inventory/{story.products['mohanthal']['id']}/stock"
        before, other = story.stock("mohanthal"), story.stock("classic-shikanji")
        count = {"storeId": story.store["id"], "reason": "demo"}
        story.rest.put(path, {**count, "currentStock": 1}, manager)
        try:
            cart = story.cart(story.line("mohanthal", 2), story.line("classic-shikanji", 1), paymentMethod="UPI")
            story.rest.refused("POST", "/api/orders", story.customer, "OUT_OF_STOCK", body=cart)
            left = story.stock("mohanthal"), story.stock("classic-shikanji")
            _must(left == (1, other), f"stock is {left} instead of {(1, other)}")
        finally:
            story.rest.put(path, {**count, "currentStock": before}, manager)
        tell("409 OUT_OF_STOCK; the other line's stock is untouched")


def _declined(story: _Story) -> None:
    with _step("declined: the order waits, the customer gives up, everything returns") as tell:
        before = story.stock("mohanthal")
        order = story.place(story.cart(story.line("mohanthal", 3), paymentMethod="CARD"))
        story.at_gateway(order, "failed")
        path = f"/api/payments/order/{order['id']}"
        _until(lambda: story.rest.get(path, story.customer)["status"] == "FAILED", "the payment is not FAILED")
        _must(story.order(order["id"])["status"] == "PENDING", "a declined payment changed the order's state")
        story.rest.post(f"/api/orders/{order['id']}/cancel", {"reason": "card declined"}, story.customer)
        _until(lambda: story.stock("mohanthal") == before, "the stock did not return")
        _must(story.order(order["id"])["status"] == "CANCELLED", "the order is not CANCELLED")
        _until(lambda: story.rest.get(path, story.customer)["status"] == "CANCELLED", "the payment is still open")
        tell(f"{order['orderNumber']} CANCELLED, {before} pieces as before")


def _cancelled(story: _Story) -> None:
    with _step("cancelled after paying: money, points and stock return") as tell:
        stock, points = story.stock("mohanthal"), story.points()
        cart = story.cart(story.line("mohanthal", 2), points=min(points, 20), paymentMethod="UPI")
        order = story.place(cart)
        _must(order["loyaltyPointsRedeemed"] > 0, "no points were used")
        _must(story.points() == points - order["loyaltyPointsRedeemed"], "the points are not held")
        story.at_gateway(order, "captured")
        _until(lambda: story.order(order["id"])["status"] == "CONFIRMED", "the order is not CONFIRMED")
        story.rest.post(f"/api/orders/{order['id']}/cancel", {"reason": "changed my mind"}, story.customer)
        path = f"/api/payments/order/{order['id']}"
        _until(lambda: story.rest.get(path, story.customer)["status"] == "REFUNDED", "the money did not go back")
        _until(lambda: story.order(order["id"])["status"] == "REFUNDED", "the order is not REFUNDED")
        _until(lambda: story.points() == points, "the points did not return")
        _until(lambda: story.stock("mohanthal") == stock, "the stock did not return")
        tell(f"{shown(order['amounts']['total'])} refunded, {points} points and {stock} pieces as before")


class _Watcher:
    """Follows an order by server-sent events in a thread; resumes when the stream breaks."""

    def __init__(self, story: _Story, order_id: str) -> None:
        self.states: list[str] = []
        self.positions = 0
        self.error: BaseException | None = None
        self._story, self._path = story, f"/api/orders/{order_id}/watch"
        self._deadline = time.monotonic() + 2 * _PATIENCE_SECONDS
        self._open = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def start(self) -> None:
        """Returns when the first event is there, or the stream has failed."""
        self._thread.start()
        self._open.wait(_WAIT_SECONDS)

    def finish(self) -> None:
        """Waits for the stream's end."""
        self._thread.join(_WAIT_SECONDS)
        if self._thread.is_alive():
            self.error = TimeoutError("the stream goes on after the order is delivered")

    def _follow(self) -> None:
        last_id = ""
        while time.monotonic() < self._deadline:
            try:
                for event in self._story.rest.stream(self._path, self._story.customer, last_id):
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
            except Unexpected as refusal:
                if refusal.status not in {httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT}:
                    self.error = refusal
                    self._open.set()
                    return
                time.sleep(_POLL_SECONDS)


@contextmanager
def _watching(story: _Story, order_id: str) -> Iterator[_Watcher]:
    watcher = _Watcher(story, order_id)
    watcher.start()
    yield watcher


@contextmanager
def _step(name: str) -> Iterator[Callable[[str], None]]:
    """One step of the story; what it tells is printed beside its name with the time it took."""
    begun = time.monotonic()
    told: list[str] = []
    try:
        with console.status(escape(name)):
            yield told.append
    except BaseException:
        console.print(f"  [red]✗ {escape(name)}[/red]")
        raise
    took = f"[dim]{time.monotonic() - begun:.2f} s[/dim]"
    console.print(f"  [green]✓[/green] {escape(name)} {took}")
    for text in told:
        console.print(f"    [cyan]{escape(text)}[/cyan]")


def _must(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Deviation(otherwise)


def _until(condition: Callable[[], bool], otherwise: str) -> None:
    """Waits for what events bring about. Raises Deviation after half a minute."""
    _until_value(lambda: condition() or None, otherwise)


def _until_value(look: Callable[[], T | None], otherwise: str) -> T:
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        value = look()
        if value is not None:
            return value
        if time.monotonic() > deadline:
            raise Deviation(f"{otherwise} ({_WAIT_SECONDS:.0f} s)")
        time.sleep(_POLL_SECONDS)
