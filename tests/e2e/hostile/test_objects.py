"""On every route, an object of another customer or store gets the same response, byte for byte, as a missing one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest

from devstack import menu
from devstack.rest import Json, Session, rupees_to_money
from tests.e2e.hostile.conftest import Victim
from tests.e2e.hostile.routes import Route, routes
from tests.e2e.platform import Platform, eventually

HERE, ELSEWHERE = menu.OUTLETS[0], menu.OUTLETS[1]
JOBS = ("manager", "chef", "cashier", "delivery", "support")
# Headers that differ between two responses to the same request.
OF_THE_REQUEST = {"x-request-id", "date", "x-ratelimit-remaining", "x-ratelimit-reset"}

Values = Mapping[str, str]


@dataclass(frozen=True)
class Objects:
    """Ids of objects of the victim and of the victim's store."""

    person: dict[str, str]
    store: dict[str, str]

    def values(self, route: Route, *, of_store: bool) -> dict[str, str]:
        """Values for the variables and fields of the route."""
        found = {**self.person, **self.store}
        found["id"] = found[_kind(route.template)]
        if of_store and route.template.startswith("/api/stores/"):
            found["id"] = self.store["store_id"]
        return found


def _kind(template: str) -> str:
    """The kind of object that `{id}` identifies."""
    by_prefix = {
        "/api/auth/sessions": "session_id",
        "/api/customers": "customer_id",
        "/api/orders": "order_id",
        "/api/payments/methods": "method_id",
        "/api/payments": "payment_id",
        "/api/notifications": "notification_id",
        "/api/reviews": "review_id",
        "/api/inventory/purchase-orders": "purchase_order_id",
        "/api/products": "product_id",
        "/api/stores": "store_id",
    }
    return next((kind for prefix, kind in by_prefix.items() if template.startswith(prefix)), "customer_id")


@pytest.fixture(scope="module")
def objects(running: Platform, victim: Victim) -> Objects:
    rest, who, manager = running.rest, victim.session, running.staff("manager", HERE)
    store_id, order_id = running.store_id, str(victim.order["id"])
    product_id = running.new_product(stock=20)
    delivered = running.place(who, running.cart(product_id, paymentMethod="COD"))
    for status in ("PREPARING", "READY", "DELIVERED"):
        running.move(delivered["id"], manager, status)
    review = eventually(lambda: _reviewed(running, who, delivered["id"], product_id), "the delivered dish is reviewed")
    notification = eventually(
        lambda: next(iter(rest.get(f"/api/notifications/user/{who.customer_id}", who)["notifications"]), None),
        "the victim is notified",
    )
    supplier = rest.post("/api/suppliers", {"name": f"Supplier {uuid4().hex[:8]}"}, running.admin)
    line = {"productId": product_id, "quantity": 1, "unitPrice": rupees_to_money("10")}
    purchase = {"supplierId": supplier["id"], "storeId": store_id, "items": [line]}
    bought = rest.post("/api/inventory/purchase-orders", purchase, manager)
    period = {"fromDate": "2026-01-01", "toDate": "2026-01-31"}
    report = rest.post("/api/analytics/reports", {"kind": "SALES", "storeId": store_id, **period}, manager)
    zone = next(rest.list_all(f"/api/stores/{store_id}/delivery-zones", "deliveryZones"))
    member = next(rest.list_all(f"/api/stores/{store_id}/staff", "staff", manager))
    person = {
        "customer_id": who.customer_id,
        "user_id": who.customer_id,
        "session_id": str(rest.get("/api/auth/sessions", who)["sessions"][0]["id"]),
        "address_id": victim.address_id,
        "order_id": order_id,
        "payment_id": str(victim.order["payment"]["id"]),
        "method_id": str(uuid4()),
        "notification_id": str(notification["id"]),
        "review_id": str(review["id"]),
    }
    store = {
        "store_id": store_id,
        "product_id": product_id,
        "purchase_order_id": str(bought["id"]),
        "report_id": str(report["id"]),
        "zone_id": str(zone["id"]),
        "staff_id": str(member["id"]),
        "date": "2030-01-31",
    }
    return Objects(person, store)


def _reviewed(platform: Platform, who: Session, order_id: str, product_id: str) -> Json | None:
    body = {"orderId": order_id, "productId": product_id, "rating": 4, "comment": "refreshing"}
    answer = platform.http.post("/api/reviews", json=body, headers={"authorization": f"Bearer {who.token}"})
    return answer.json() if answer.status_code == httpx.codes.OK else None


def owned_routes() -> Iterator[Route]:
    """Routes with the id of an object of an owner or a store."""
    for route in routes():
        method = route.method
        if route.variables and not method.is_public and (method.owned or method.owner_field or method.tenant_field):
            yield route


def missing(route: Route, values: Values) -> dict[str, str]:
    """The same request with ids that do not exist. Values without an owner, such as a date, stay."""
    return {name: value if name in {"date", "product_id"} else str(uuid4()) for name, value in values.items()}


def find_difference(client: httpx.Client, route: Route, token: str, foreign: Values, absent: Values) -> str:
    """The difference between the two responses; empty when both are the same 404."""
    one, other = route.send(client, token, foreign), route.send(client, token, absent)
    if one.status_code != httpx.codes.NOT_FOUND:
        return f"{one.status_code} {one.text[:200]}"
    if one.content != other.content or one.status_code != other.status_code:
        return f"{one.status_code} {one.text[:200]}\n   but {other.status_code} {other.text[:200]}"
    headers = [
        {name: value for name, value in answer.headers.items() if name not in OF_THE_REQUEST} for answer in (one, other)
    ]
    return "" if headers[0] == headers[1] else f"headers {headers}"


def test_objects_of_another_customer_are_answered_as_missing(
    platform: Platform, mallory: Session, objects: Objects, capsys: pytest.CaptureFixture[str]
) -> None:
    sent, differences = 0, []
    for route in owned_routes():
        if "CUSTOMER" not in route.method.callers:
            continue
        foreign = objects.values(route, of_store=False)
        variants = [(foreign, missing(route, foreign))]
        owner = route.method.owner_field
        if owner and len(route.variables) > 1:
            # The own account with an object of the victim.
            mine = foreign | {owner: mallory.customer_id}
            variants.append((mine, missing(route, foreign) | {owner: mallory.customer_id}))
        for one, other in variants:
            if "favorites" in route.template and one.get(owner) == mallory.customer_id:
                continue  # Any customer may mark any dish as a favourite.
            sent += 1
            if difference := find_difference(platform.http, route, mallory.token, one, other):
                differences.append(f"{route}: {difference}")
    with capsys.disabled():
        print(f"\n{sent} requests for objects of another customer, {len(differences)} differ from missing ones")
    assert not differences, "\n".join(differences)


def test_objects_of_another_store_are_answered_as_missing(
    platform: Platform, objects: Objects, capsys: pytest.CaptureFixture[str]
) -> None:
    sent, differences = 0, []
    for route in owned_routes():
        for job in JOBS:
            if job.upper() not in route.method.callers:
                continue
            outsider = platform.staff(job, ELSEWHERE)
            foreign = objects.values(route, of_store=True)
            sent += 1
            if difference := find_difference(platform.http, route, outsider.token, foreign, missing(route, foreign)):
                differences.append(f"{route} as {job}: {difference}")
    with capsys.disabled():
        print(f"\n{sent} requests of staff for objects of another store, {len(differences)} differ from missing ones")
    assert not differences, "\n".join(differences)


def test_objects_of_another_store_are_missing_under_the_id_of_the_own_store(
    platform: Platform, objects: Objects
) -> None:
    outsider = platform.staff("manager", ELSEWHERE)
    stores = platform.rest.list_all("/api/stores", "stores")
    own = next(str(store["id"]) for store in stores if store["slug"] == ELSEWHERE.slug)
    differences = []
    for route in owned_routes():
        if route.template.startswith("/api/stores/") and {"zone_id", "staff_id"} & set(route.variables):
            foreign = objects.values(route, of_store=True) | {"id": own}
            absent = missing(route, foreign) | {"id": own}
            if difference := find_difference(platform.http, route, outsider.token, foreign, absent):
                differences.append(f"{route}: {difference}")
    assert not differences, "\n".join(differences)


@pytest.mark.parametrize(
    ("path", "field", "kind"),
    [
        ("/api/payments/initiate", "orderId", "order_id"),
        ("/api/payments/verify", "paymentId", "payment_id"),
        ("/api/orders", "addressId", "address_id"),
        ("/api/orders/quote", "addressId", "address_id"),
        ("/api/reviews", "orderId", "order_id"),
    ],
)
def test_a_foreign_id_in_a_body_is_answered_as_missing(
    platform: Platform, mallory: Session, objects: Objects, path: str, field: str, kind: str
) -> None:
    product_id = objects.store["product_id"]
    body: Json = {
        "/api/payments/initiate": {},
        "/api/payments/verify": {"providerPaymentId": "pay_1", "providerOrderId": "order_1", "signature": "0" * 64},
        "/api/reviews": {"productId": product_id, "rating": 5},
    }.get(path, platform.cart(product_id, fulfilmentType="DELIVERY"))  # fmt: skip
    headers = {"authorization": f"Bearer {mallory.token}"}
    answers = [
        platform.http.post(path, json=body | {field: value}, headers=headers | {"idempotency-key": str(uuid4())})
        for value in (objects.person[kind], str(uuid4()))
    ]
    assert answers[0].status_code in {404, 409}, answers[0].text
    assert (answers[0].status_code, answers[0].content) == (answers[1].status_code, answers[1].content)
