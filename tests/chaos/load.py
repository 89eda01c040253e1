"""People who order, pay, hang up and change their minds, whatever happens to the platform meanwhile."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import httpx

from devstack.rest import Json, Session, Unexpected
from tests.e2e.platform import PASSWORD, Platform

GIFT = 2000
THINK_SECONDS = 0.05
_TRAVEL = ("PREPARING", "READY", "DELIVERED")
# What a platform may answer while a part of it is dead, or when two wishes contradict each other.
_EXPECTED = {httpx.codes.CONFLICT, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT}


@dataclass
class Buyer:
    """One customer. Every key is remembered before its request leaves, so that none can be forgotten."""

    platform: Platform
    email: str
    products: Sequence[str]
    dice: random.Random
    carts: dict[str, Json] = field(default_factory=dict)
    hungry: list[str] = field(default_factory=list)
    troubles: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    @property
    def who(self) -> Session:
        return self.platform.log_in(self.email, PASSWORD)

    def go_on_until(self, end: threading.Event) -> None:
        """Buys until the end. Outages are counted; answers that no outage explains are kept as faults."""
        while not end.wait(THINK_SECONDS):
            try:
                self._buy()
                self._eat()
            except Unexpected as refusal:
                self.troubles[str(refusal.status)] += 1
                if refusal.status not in _EXPECTED:
                    self.faults.append(str(refusal))
            except httpx.TransportError as broken:
                self.troubles[type(broken).__name__] += 1

    def _buy(self) -> None:
        order = self._place()
        if order is None:
            return
        if order["status"] == "PENDING":
            self._pay(order)
        if self._happens(0.3):
            self.platform.rest.post(f"/api/orders/{order['id']}/cancel", {}, self.who)
        elif self._happens(0.6):
            self.hungry.append(order["id"])

    def _eat(self) -> None:
        """The kitchen delivers what was paid by now."""
        waiting, self.hungry = self.hungry, []
        for order_id in waiting:
            if self.platform.order(order_id, self.who)["status"] != "CONFIRMED":
                self.hungry.append(order_id)
                continue
            for status in _TRAVEL:
                self.platform.move(order_id, self.platform.staff("manager"), status)

    def _place(self) -> Json | None:
        """The order; None when the customer hung up before the answer."""
        key, body = str(uuid4()), self.platform.cart(self.dice.choice(self.products), self.dice.choice((1, 1, 2)))
        if self._happens(0.3):
            body["paymentMethod"] = "COD"
        if self._happens(0.2):
            body["points"] = 10
        self.carts[key] = body
        if self._happens(0.8):
            return self.platform.place(self.who, body, key)
        headers = {"authorization": f"Bearer {self.who.token}", "idempotency-key": key}
        self.platform.http.post("/api/orders", json=body, headers=headers, timeout=self.dice.uniform(0.001, 0.1))
        return None

    def _pay(self, order: Json) -> None:
        """Most pay at once, some after a decline, some never."""
        if not order["payment"]["providerOrderId"] and not self._initiate(order):
            return
        if self._happens(0.2):
            self.platform.pay(order, "failed")
        if self._happens(0.9):
            self.platform.pay(order)

    def _initiate(self, order: Json) -> bool:
        """Whether the gateway's order is known now. While recovery has not started the payment there is none yet."""
        wish = {"orderId": order["id"], "method": "UPI"}
        try:
            started = self.platform.rest.post("/api/payments/initiate", wish, self.who, key=str(uuid4()))
        except Unexpected as refusal:
            if refusal.status != httpx.codes.NOT_FOUND:
                raise
            return False
        order["payment"]["providerOrderId"] = started["providerOrderId"]
        return True

    def _happens(self, probability: float) -> bool:
        return self.dice.random() < probability
