"""Simulated customers who order, pay, disconnect and cancel, also while processes are down."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import httpx

from devstack.rest import Json, Session, UnexpectedResponse
from tests.e2e.platform import PASSWORD, Platform

GIFT = 2000
THINK_SECONDS = 0.05
_TRAVEL = ("PREPARING", "READY", "DELIVERED")
# Expected errors while a process is down, or when two requests conflict.
_EXPECTED = {httpx.codes.CONFLICT, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT}


@dataclass
class Buyer:
    """One customer. Each idempotency key is recorded before its request is sent."""

    platform: Platform
    email: str
    products: Sequence[str]
    rng: random.Random
    carts: dict[str, Json] = field(default_factory=dict)
    undelivered: list[str] = field(default_factory=list)
    outages: Counter[str] = field(default_factory=Counter)
    unexpected_errors: list[str] = field(default_factory=list)

    @property
    def who(self) -> Session:
        return self.platform.log_in(self.email, PASSWORD)

    def buy_until(self, end: threading.Event) -> None:
        """Buys until `end` is set. Counts outages; other errors are recorded as unexpected."""
        while not end.wait(THINK_SECONDS):
            try:
                self._buy()
                self._deliver()
            except UnexpectedResponse as error:
                self.outages[str(error.status)] += 1
                if error.status not in _EXPECTED:
                    self.unexpected_errors.append(str(error))
            except httpx.TransportError as error:
                self.outages[type(error).__name__] += 1

    def _buy(self) -> None:
        order = self._place()
        if order is None:
            return
        if order["status"] == "PENDING":
            self._pay(order)
        if self._happens(0.3):
            self.platform.rest.post(f"/api/orders/{order['id']}/cancel", {}, self.who)
        elif self._happens(0.6):
            self.undelivered.append(order["id"])

    def _deliver(self) -> None:
        """Delivers the orders that are paid."""
        waiting, self.undelivered = self.undelivered, []
        for order_id in waiting:
            if self.platform.order(order_id, self.who)["status"] != "CONFIRMED":
                self.undelivered.append(order_id)
                continue
            for status in _TRAVEL:
                self.platform.move(order_id, self.platform.staff("manager"), status)

    def _place(self) -> Json | None:
        """Places an order. None when the customer disconnected before the response."""
        key, body = str(uuid4()), self.platform.cart(self.rng.choice(self.products), self.rng.choice((1, 1, 2)))
        if self._happens(0.3):
            body["paymentMethod"] = "COD"
        if self._happens(0.2):
            body["points"] = 10
        self.carts[key] = body
        if self._happens(0.8):
            return self.platform.place(self.who, body, key)
        headers = {"authorization": f"Bearer {self.who.token}", "idempotency-key": key}
        self.platform.http.post("/api/orders", json=body, headers=headers, timeout=self.rng.uniform(0.001, 0.1))
        return None

    def _pay(self, order: Json) -> None:
        """Most customers pay immediately, some after a declined attempt, some never."""
        if not order["payment"]["providerOrderId"] and not self._initiate(order):
            return
        if self._happens(0.2):
            self.platform.pay(order, "failed")
        if self._happens(0.9):
            self.platform.pay(order)

    def _initiate(self, order: Json) -> bool:
        """Returns whether the gateway's order exists. It does not before the payment was created."""
        request = {"orderId": order["id"], "method": "UPI"}
        try:
            started = self.platform.rest.post("/api/payments/initiate", request, self.who, key=str(uuid4()))
        except UnexpectedResponse as error:
            if error.status != httpx.codes.NOT_FOUND:
                raise
            return False
        order["payment"]["providerOrderId"] = started["providerOrderId"]
        return True

    def _happens(self, probability: float) -> bool:
        return self.rng.random() < probability
