"""Filters, page tokens and bodies: input is never SQL, a wildcard or a permission."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from devstack.rest import Json, Session
from devstack.run_directory import ROOT
from tests.e2e.platform import Platform

DESCRIPTION: Json = json.loads((ROOT / "docs" / "api" / "openapi.json").read_text())
METACHARACTERS = (
    "'", "\\", '"', "--", "' OR '1'='1", "'; SELECT pg_sleep(5); --", "$1", "%(id)s", "%", "_", "\\%", "a%", "^[a-z]*",
    "a|b", "!", ":*", "<->", "( & )",
)  # fmt: skip
# Some of them match everything in LIKE, in a regular expression or in a text search.
WILDCARDS = ("%", "_", "%%", "_%", "*", ".*", ":*", "\\%", "' OR '1'='1")


def lists() -> Iterator[tuple[str, list[str]]]:
    """GET routes without variables, with those of their query parameters that take any text."""
    for path, item in DESCRIPTION["paths"].items():
        parameters = [part for part in item.get("get", {}).get("parameters", ()) if part["in"] == "query"]
        names = [part["name"] for part in parameters if part["schema"].get("type", "string") == "string"]
        if "{" not in path and names:
            yield path, names


@pytest.fixture(scope="module")
def owner(running: Platform) -> Session:
    """A customer with more than one page of orders and addresses."""
    who = running.new_customer()
    product = running.new_product(stock=50)
    for _ in range(3):
        running.place(who, running.cart(product))
        running.new_address(who)
    return who


def get(platform: Platform, path: str, who: Session | None = None, **query: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {who.token}"} if who else {}
    text = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items())
    return platform.http.get(f"{path}?{text}" if text else path, headers=headers)


def test_metacharacters_in_a_filter_are_matched_literally_or_rejected(
    platform: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    admin = platform.admin
    requests = [(path, name, text) for path, names in lists() for name in names for text in METACHARACTERS]

    def send(request: tuple[str, str, str]) -> str:
        path, name, text = request
        answer = get(platform, path, admin, **{name: text})
        slow = answer.elapsed.total_seconds() > 4.5
        if answer.status_code in {200, 400, 404} and not slow:
            return ""
        return f"{path}?{name}={text!r}: {answer.status_code} in {answer.elapsed} {answer.text[:200]}"

    with ThreadPoolExecutor(max_workers=4) as pool:
        wrong = [answer for answer in pool.map(send, requests) if answer]
    with capsys.disabled():
        print(f"\n{len(requests)} filters with metacharacters, {len(wrong)} failed or were slow")
    assert len(requests) > 400
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("text", WILDCARDS)
def test_a_wildcard_is_matched_literally_and_finds_nothing(platform: Platform, text: str) -> None:
    for path, name, items in (
        ("/api/products", "query", "products"),
        ("/api/products", "slug", "products"),
        ("/api/products", "category", "products"),
        ("/api/products", "tag", "products"),
        ("/api/products/search", "query", "products"),
        ("/api/stores", "city", "stores"),
        ("/api/stores", "slug", "stores"),
        ("/api/orders", "orderNumber", "orders"),
    ):
        answer = get(platform, path, platform.admin, **{name: text})
        assert answer.status_code == 400 or answer.json().get(items, []) == [], (
            f"{path}?{name}={text}: {answer.text[:200]}"
        )


def test_a_page_token_is_valid_only_for_its_list_filters_and_caller(platform: Platform, owner: Session) -> None:
    own = f"/api/customers/{owner.customer_id}/addresses"
    first = get(platform, "/api/orders", owner, pageSize=1).json()["nextPageToken"]
    assert first
    assert get(platform, "/api/orders", owner, pageSize=1, pageToken=first).status_code == 200
    of_addresses = get(platform, own, owner, pageSize=1).json()["nextPageToken"]
    assert of_addresses
    other = platform.new_customer()
    elsewhere = [
        get(platform, "/api/orders", other, pageSize=1, pageToken=first),
        get(platform, "/api/orders", platform.admin, pageSize=1, pageToken=first),
        get(platform, "/api/orders", owner, pageSize=1, pageToken=first, status="CONFIRMED"),
        get(platform, f"/api/orders/customer/{owner.customer_id}", owner, pageSize=1, pageToken=first),
        get(platform, own, owner, pageSize=1, pageToken=first),
        get(platform, "/api/products", owner, pageSize=1, pageToken=first),
        get(platform, "/api/orders", owner, pageSize=1, pageToken=of_addresses),
    ]
    assert [answer.status_code for answer in elsewhere] == [400] * len(elsewhere)
    for answer in elsewhere:
        assert [violation["field"] for violation in answer.json()["details"][1]["fieldViolations"]] == ["pageToken"]


def test_a_changed_or_forged_page_token_is_rejected_by_every_list(platform: Platform, owner: Session) -> None:
    genuine = get(platform, "/api/orders", owner, pageSize=1).json()["nextPageToken"]
    payload, _, signature = genuine.partition(".")
    forged_payload = base64.urlsafe_b64encode(json.dumps([str(uuid4())]).encode()).rstrip(b"=").decode()
    forged = [f"{forged_payload}.{signature}", f"{payload}.", payload, f".{signature}", f"{payload}.{signature[:-1]}",
               f"{genuine}A", f"{genuine}.x", "AAAA.AAAA", "e30.e30", "null", "0", "' OR 1=1 --", "\u0000", "é",
               "A" * 4000]  # fmt: skip
    for token in forged:
        assert get(platform, "/api/orders", owner, pageSize=1, pageToken=token).status_code == 400, token
    for path, names in lists():
        if "pageToken" in names:
            where = {"storeId": platform.store_id} if "storeId" in names else {}
            answer = get(platform, path, platform.admin, pageToken=genuine, **where)
            assert answer.status_code == 400, f"{path}: {answer.text[:200]}"


# Fields of responses that only the platform sets, as an attacker would send them.
OVERREACHING: Json = {
    "id": str(uuid4()), "customerId": str(uuid4()), "role": "ADMIN", "roles": ["ADMIN"], "isAdmin": True, "admin": True,
    "grants": [{"storeId": str(uuid4()), "job": "MANAGER"}], "permissions": ["*"], "isVerified": True,
    "emailVerified": True, "phoneVerified": True, "isActive": True, "loyaltyPoints": 10**6, "loyaltyTier": "PLATINUM",
    "totalSpent": {"currencyCode": "INR", "minorUnits": "1"}, "totalOrders": 99, "passwordHash": "x", "version": 99,
    "createdAt": "2000-01-01T00:00:00Z", "erasedAt": "2000-01-01T00:00:00Z", "googleId": "1",
    "email": "boss@shikanji.example",
    "__proto__": {"admin": True}, "constructor": {"prototype": {"admin": True}},
}  # fmt: skip


def test_a_registration_cannot_set_roles_points_or_verification(platform: Platform) -> None:
    email = f"over-{uuid4().hex[:10]}@guests.example"
    body = OVERREACHING | {"email": email, "password": "Kesar-Elaichi-42", "firstName": "Over"}
    answer = platform.http.post("/api/auth/register", json=body)
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert made["id"] not in {body["id"], body["customerId"]}
    assert (made["loyaltyPoints"], made["emailVerified"]) == (0, False)
    session = platform.rest.log_in(email, "Kesar-Elaichi-42")
    assert session is not None
    me = platform.rest.get("/api/auth/me", session)
    assert (me["roles"], me["grants"]) == (["CUSTOMER"], [])


def test_a_profile_update_changes_only_the_fields_of_a_profile(platform: Platform, owner: Session) -> None:
    path = f"/api/customers/{owner.customer_id}"
    before = platform.rest.get(path, owner)
    body = {name: value for name, value in OVERREACHING.items() if name != "id"}
    after = platform.rest.put(path, body | {"displayName": "Overreacher"}, owner)
    may_differ = {"displayName", "etag", "updatedAt"}
    assert {name: value for name, value in after.items() if name not in may_differ} == {
        name: value for name, value in before.items() if name not in may_differ
    }
    assert platform.rest.get("/api/auth/me", owner)["roles"] == ["CUSTOMER"]


def test_an_id_in_a_body_does_not_override_the_id_in_the_path(platform: Platform, owner: Session) -> None:
    other = platform.new_customer()
    path = f"/api/customers/{owner.customer_id}"
    headers = {"authorization": f"Bearer {owner.token}"}
    for field in ("id", "customerId", "customer_id"):
        answer = platform.http.put(path, json={field: other.customer_id, "firstName": "Me"}, headers=headers)
        assert answer.status_code in {200, 400}
        answer = platform.http.put(f"{path}?{field}={other.customer_id}", json={"firstName": "Me"}, headers=headers)
        assert answer.status_code in {400, 404}
    assert platform.rest.get(f"/api/customers/{other.customer_id}", other)["firstName"] == "Asha"
