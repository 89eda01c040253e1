"""What must add up when the dust has settled: every rupee, unit, point and event is in exactly one place."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

import httpx
import psycopg

from devstack.certificates import SERVICES
from devstack.rest import Json, Unexpected
from devstack.services import GATEWAY_KEY_ID
from tests.chaos.load import GIFT, Buyer
from tests.e2e.platform import Platform

# Their stock, points and money have gone back: buyers cancel only before the kitchen begins.
GIVEN_UP = {"CANCELLED", "REFUNDED"}


class Books:
    """Reads the platform after a campaign and compares what two parties say of the same thing."""

    def __init__(self, platform: Platform, buyers: Sequence[Buyer], products: Sequence[str], stocked: int) -> None:
        self._platform, self._buyers, self._products, self._stocked = platform, buyers, products, stocked

    def orders(self, buyer: Buyer) -> list[Json]:
        path = f"/api/orders/customer/{buyer.who.customer_id}"
        return list(self._platform.rest.pages(path, "orders", buyer.who, pageSize=100))

    def differences(self) -> list[str]:
        """What does not add up, in words; empty when all does."""
        orders = {buyer.who.customer_id: self.orders(buyer) for buyer in self._buyers}
        everything = [order for mine in orders.values() for order in mine]
        return [
            *self._queues(),
            *self._stock(everything),
            *(said for buyer in self._buyers for said in self._points(buyer, orders[buyer.who.customer_id])),
            *(said for buyer in self._buyers for said in self._money(buyer, orders[buyer.who.customer_id])),
            *self._figures(everything),
            *self._events(),
        ]

    def _queues(self) -> list[str]:
        """Nothing waits: no event unpublished, none given up, no order half placed."""
        found = []
        for service in SERVICES:
            waiting = self._value(service, "SELECT count(*) FROM outbox WHERE published_at IS NULL")
            dead = self._value(service, "SELECT count(*) FROM dead_letters")
            if waiting or dead:
                found.append(f"{service}: {waiting} events unpublished, {dead} dead letters")
        sagas = self._value("order", "SELECT count(*) FROM order_sagas")
        return [*found, f"{sagas} orders are half placed"] if sagas else found

    def _stock(self, orders: Sequence[Json]) -> list[str]:
        sold = dict.fromkeys(self._products, 0)
        for order in orders:
            if order["status"] not in GIVEN_UP:
                for item in order["items"]:
                    sold[item["productId"]] += item["quantity"]
        left = {product: self._platform.stock(product) for product in self._products}
        return [
            f"product {product}: {left[product]} left of {self._stocked}, {sold[product]} in orders"
            for product in self._products
            if left[product] + sold[product] != self._stocked
        ]

    def _points(self, buyer: Buyer, orders: Sequence[Json]) -> list[str]:
        account = self._platform.rest.get(f"/api/loyalty/customer/{buyer.who.customer_id}", buyer.who)
        earned = sum(order["loyaltyPointsEarned"] for order in orders)
        used = sum(order["loyaltyPointsRedeemed"] for order in orders if order["status"] not in GIVEN_UP)
        unpaid = [
            order["id"] for order in orders if order["status"] == "DELIVERED" and not order["loyaltyPointsEarned"]
        ]
        found = [f"order {order_id} was delivered and earned nothing" for order_id in unpaid]
        if account["available"] != GIFT + earned - used:
            found.append(f"{buyer.who.email}: {account['available']} points, {GIFT} + {earned} - {used} are due")
        return found

    def _money(self, buyer: Buyer, orders: Sequence[Json]) -> list[str]:
        """What payment has kept of each order is its price or nothing, and the gateway says the same."""
        found = []
        for order in orders:
            if order["paymentStatus"] == "COMPLETED" and not _minor(order["amounts"]["total"]):
                continue
            try:
                payment = self._platform.rest.get(f"/api/payments/order/{order['id']}", buyer.who)
            except Unexpected as refusal:
                # One that was given up before its payment was opened never gets one.
                if order["status"] not in GIVEN_UP:
                    found.append(f"order {order['id']} is {order['status']} and has no payment: {refusal}")
                continue
            kept = _minor(payment["capturedAmount"]) - _minor(payment["refundedAmount"])
            paid = order["status"] not in GIVEN_UP | {"PENDING"} and order["paymentStatus"] == "COMPLETED"
            due = _minor(order["amounts"]["total"]) if paid else 0
            if kept != due:
                found.append(f"order {order['id']} is {order['status']}: {kept} paise are kept, {due} are due")
            if order["status"] == "DELIVERED" and not paid:
                found.append(f"order {order['id']} was delivered and is not paid")
            if payment["providerOrderId"] and (taken := self._at_gateway(payment["providerOrderId"])) != kept:
                found.append(f"order {order['id']}: the gateway holds {taken} paise, payment says {kept}")
        return found

    def _at_gateway(self, provider_order_id: str) -> int:
        secret = self._platform.processes.place.secrets().get("gateway-key")
        path = f"/v1/orders/{provider_order_id}/payments"
        answer = self._platform.gateway.get(path, auth=httpx.BasicAuth(GATEWAY_KEY_ID, secret))
        answer.raise_for_status()
        captured = [payment for payment in answer.json()["items"] if payment["captured"]]
        return sum(payment["amount"] - payment["amount_refunded"] for payment in captured)

    def _figures(self, orders: Sequence[Json]) -> list[str]:
        """The report of orders names each order once, with its state and its price. Only as CSV is it whole."""
        manager = self._platform.staff("manager")
        wish = {"kind": "ORDERS", "storeId": self._platform.store_id}
        report = self._platform.rest.post("/api/analytics/reports", wish, manager)
        headers = {"authorization": f"Bearer {manager.token}"}
        answer = self._platform.http.get(f"/api/analytics/reports/{report['id']}/csv", headers=headers)
        answer.raise_for_status()
        told = {row["order_id"]: row for row in csv.DictReader(answer.content.decode("utf-8-sig").splitlines())}
        found = []
        for order in orders:
            row = told.get(order["id"])
            due = _major(_minor(order["amounts"]["total"]))
            if row is None or (row["state"], row["total"]) != (order["status"], due):
                found.append(f"order {order['id']} is {order['status']} for {due}, the report says {row}")
        return found

    def _events(self) -> list[str]:
        """Every event that any service has written is stored by analytics."""
        stored = set(self._column("analytics", "SELECT id FROM events"))
        found = []
        for service in SERVICES:
            lost = set(self._column(service, "SELECT event_id FROM outbox")) - stored
            if lost:
                found.append(f"{service}: {len(lost)} events never reached analytics, such as {next(iter(lost))}")
        return found

    def _value(self, service: str, query: str) -> int:
        return int(self._column(service, query)[0])

    def _column(self, service: str, query: Any) -> list[Any]:
        with psycopg.connect(self._platform.processes.postgres.url(service)) as connection:
            return [row[0] for row in connection.execute(query)]


def _minor(money: Json) -> int:
    return int(money["minorUnits"])


def _major(paise: int) -> str:
    return f"{paise // 100}.{paise % 100:02d}"
