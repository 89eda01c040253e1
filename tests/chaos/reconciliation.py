"""Reconciliation after a chaos run: money, stock, points and events of all services must agree."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

import httpx
import psycopg

from devstack.certificates import SERVICES
from devstack.rest import Json, UnexpectedResponse
from devstack.services import GATEWAY_KEY_ID
from tests.chaos.buyers import GIFT, Buyer
from tests.e2e.platform import Platform

# Their stock, points and money were returned: buyers cancel only before preparation begins.
CANCELLED = {"CANCELLED", "REFUNDED"}


class Reconciliation:
    """Compares the data of different services, and of the payment gateway, about the same orders."""

    def __init__(self, platform: Platform, buyers: Sequence[Buyer], products: Sequence[str], stocked: int) -> None:
        self._platform, self._buyers, self._products, self._stocked = platform, buyers, products, stocked

    def list_orders(self, buyer: Buyer) -> list[Json]:
        path = f"/api/orders/customer/{buyer.who.customer_id}"
        return list(self._platform.rest.list_all(path, "orders", buyer.who, pageSize=100))

    def find_differences(self) -> list[str]:
        """Descriptions of all differences; empty when the data agrees."""
        orders = {buyer.who.customer_id: self.list_orders(buyer) for buyer in self._buyers}
        all_orders = [order for own in orders.values() for order in own]
        return [
            *self._check_queues(),
            *self._check_stock(all_orders),
            *(
                difference
                for buyer in self._buyers
                for difference in self._check_points(buyer, orders[buyer.who.customer_id])
            ),
            *(
                difference
                for buyer in self._buyers
                for difference in self._check_money(buyer, orders[buyer.who.customer_id])
            ),
            *self._check_report(all_orders),
            *self._check_events(),
        ]

    def _check_queues(self) -> list[str]:
        """No unpublished events, no dead letters, no unfinished sagas."""
        found = []
        for service in SERVICES:
            waiting = self._read_value(service, "SELECT count(*) FROM outbox WHERE published_at IS NULL")
            dead = self._read_value(service, "SELECT count(*) FROM dead_letters")
            if waiting or dead:
                found.append(f"{service}: {waiting} events unpublished, {dead} dead letters")
        sagas = self._read_value("order", "SELECT count(*) FROM order_sagas")
        return [*found, f"{sagas} order sagas are unfinished"] if sagas else found

    def _check_stock(self, orders: Sequence[Json]) -> list[str]:
        sold = dict.fromkeys(self._products, 0)
        for order in orders:
            if order["status"] not in CANCELLED:
                for item in order["items"]:
                    sold[item["productId"]] += item["quantity"]
        left = {product: self._platform.stock(product) for product in self._products}
        return [
            f"product {product}: {left[product]} of {self._stocked} left, {sold[product]} sold"
            for product in self._products
            if left[product] + sold[product] != self._stocked
        ]

    def _check_points(self, buyer: Buyer, orders: Sequence[Json]) -> list[str]:
        account = self._platform.rest.get(f"/api/loyalty/customer/{buyer.who.customer_id}", buyer.who)
        earned = sum(order["loyaltyPointsEarned"] for order in orders)
        used = sum(order["loyaltyPointsRedeemed"] for order in orders if order["status"] not in CANCELLED)
        unpaid = [
            order["id"] for order in orders if order["status"] == "DELIVERED" and not order["loyaltyPointsEarned"]
        ]
        found = [f"order {order_id} was delivered and earned nothing" for order_id in unpaid]
        if account["available"] != GIFT + earned - used:
            found.append(f"{buyer.who.email}: {account['available']} points, expected {GIFT} + {earned} - {used}")
        return found

    def _check_money(self, buyer: Buyer, orders: Sequence[Json]) -> list[str]:
        """Payment retains the total of an order or nothing, and the gateway retains the same amount."""
        found = []
        for order in orders:
            if order["paymentStatus"] == "COMPLETED" and not _to_paise(order["amounts"]["total"]):
                continue
            try:
                payment = self._platform.rest.get(f"/api/payments/order/{order['id']}", buyer.who)
            except UnexpectedResponse as error:
                # An order that was cancelled before its payment was created has none.
                if order["status"] not in CANCELLED:
                    found.append(f"order {order['id']} is {order['status']} and has no payment: {error}")
                continue
            kept = _to_paise(payment["capturedAmount"]) - _to_paise(payment["refundedAmount"])
            paid = order["status"] not in CANCELLED | {"PENDING"} and order["paymentStatus"] == "COMPLETED"
            due = _to_paise(order["amounts"]["total"]) if paid else 0
            if kept != due:
                found.append(f"order {order['id']} is {order['status']}: {kept} paise retained, {due} expected")
            if order["status"] == "DELIVERED" and not paid:
                found.append(f"order {order['id']} was delivered and is not paid")
            if payment["providerOrderId"] and (taken := self._get_retained_amount(payment["providerOrderId"])) != kept:
                found.append(f"order {order['id']}: the gateway retains {taken} paise, payment {kept}")
        return found

    def _get_retained_amount(self, provider_order_id: str) -> int:
        secret = self._platform.processes.run_directory.secrets().get("gateway-key")
        path = f"/v1/orders/{provider_order_id}/payments"
        answer = self._platform.gateway.get(path, auth=httpx.BasicAuth(GATEWAY_KEY_ID, secret))
        answer.raise_for_status()
        captured = [payment for payment in answer.json()["items"] if payment["captured"]]
        return sum(payment["amount"] - payment["amount_refunded"] for payment in captured)

    def _check_report(self, orders: Sequence[Json]) -> list[str]:
        """The order report lists each order once with state and total. Only its CSV export is complete."""
        manager = self._platform.staff("manager")
        request = {"kind": "ORDERS", "storeId": self._platform.store_id}
        report = self._platform.rest.post("/api/analytics/reports", request, manager)
        headers = {"authorization": f"Bearer {manager.token}"}
        answer = self._platform.http.get(f"/api/analytics/reports/{report['id']}/csv", headers=headers)
        answer.raise_for_status()
        rows = {row["order_id"]: row for row in csv.DictReader(answer.content.decode("utf-8-sig").splitlines())}
        found = []
        for order in orders:
            row = rows.get(order["id"])
            due = _format_rupees(_to_paise(order["amounts"]["total"]))
            if row is None or (row["state"], row["total"]) != (order["status"], due):
                found.append(f"order {order['id']} is {order['status']} for {due}, the report has {row}")
        return found

    def _check_events(self) -> list[str]:
        """Analytics has stored every event of every service."""
        stored = set(self._read_column("analytics", "SELECT id FROM events"))
        found = []
        for service in SERVICES:
            lost = set(self._read_column(service, "SELECT event_id FROM outbox")) - stored
            if lost:
                found.append(f"{service}: {len(lost)} events are missing in analytics, for example {next(iter(lost))}")
        return found

    def _read_value(self, service: str, query: str) -> int:
        return int(self._read_column(service, query)[0])

    def _read_column(self, service: str, query: Any) -> list[Any]:
        with psycopg.connect(self._platform.processes.postgres.url(service)) as connection:
            return [row[0] for row in connection.execute(query)]


def _to_paise(money: Json) -> int:
    return int(money["minorUnits"])


def _format_rupees(paise: int) -> str:
    return f"{paise // 100}.{paise % 100:02d}"
