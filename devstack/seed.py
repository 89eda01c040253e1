"""Fills an empty platform with the demo, through the public REST API only: nothing here knows a table.

Only the first administrator comes from a command, because no route may make one. What exists already stays as it is,
so seeding may be repeated, also after an interruption.
"""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx

from devstack.daemons import DaemonFailed
from devstack.menu import CATEGORIES, COUPON, CUSTOMERS, MENU, OUTLETS, STAFF, Dish, Outlet
from devstack.place import ROOT
from devstack.rest import Mailbox, Rest, Session, Unexpected, rupees
from devstack.screen import Screen
from devstack.services import Processes

# One password for every demo account: they exist on this machine only, and the edge listens on loopback.
PASSWORD = "Nimbu-Namak-2026"  # noqa: S105
_DOMAIN = "shikanji.example"
ADMIN_EMAIL = f"admin@{_DOMAIN}"

INVITATION_SUBJECT = "invited"
VERIFICATION_SUBJECT = "verification"
_PARALLEL = 4


@dataclass(frozen=True)
class Login:
    """An account that the demo made."""

    email: str
    who: str


def staff_email(job: str, outlet: Outlet) -> str:
    return f"{job.lower()}.{outlet.slug}@{_DOMAIN}"


def logins() -> list[Login]:
    """Who can log in after seeding."""
    first = OUTLETS[0]
    others = " or ".join(outlet.slug for outlet in OUTLETS[1:])
    return [
        Login(ADMIN_EMAIL, "administrator"),
        *(Login(staff_email(job, first), f"{job.lower()} in {first.slug}, {name}") for job, name in STAFF),
        Login(f"<job>.<store>@{_DOMAIN}", f"the same jobs in {others}"),
        *(Login(email, f"customer {given} {family}") for email, given, family, *_ in CUSTOMERS),
    ]


def seed(processes: Processes, screen: Screen) -> None:
    """Makes what is missing of the demo. Raises Unexpected with request and answer when the API does not play along."""
    with Rest(processes.edge_url) as rest:
        with screen.step("demo: administrator"):
            admin = _admin(rest, processes)
        with screen.step(f"demo: {len(OUTLETS)} stores in two cities"):
            stores = _stores(rest, admin)
        with screen.step(f"demo: {len(MENU)} products"):
            products = _products(rest, admin)
        with screen.step("demo: stock"):
            _stock(rest, admin, stores, products)
        with screen.step("demo: staff"):
            _staff(rest, admin, stores, Mailbox(processes.mailbox_url))
        with screen.step("demo: coupon and customers"):
            _campaign(rest, admin)
            _customers(rest, Mailbox(processes.mailbox_url))


def _admin(rest: Rest, processes: Processes) -> Session:
    session = rest.log_in(ADMIN_EMAIL, PASSWORD)
    if session is None:
        _bootstrap(processes)
        session = rest.log_in(ADMIN_EMAIL, PASSWORD)
    if session is None:
        raise DaemonFailed("bootstrap-admin", "made no administrator who can log in", processes.place.log("bootstrap"))
    return session


def _bootstrap(processes: Processes) -> None:
    log = processes.place.log("bootstrap")
    command = [sys.executable, "-m", "services.customer", "bootstrap-admin", "--email", ADMIN_EMAIL]
    environment = {**os.environ, **processes.service_environment("customer"), "CUSTOMER_ADMIN_PASSWORD": PASSWORD}
    with log.open("wb") as output:
        run = subprocess.run(command, env=environment, cwd=ROOT, stdout=output, stderr=output, check=False)
    if run.returncode != 0:
        raise DaemonFailed("bootstrap-admin", f"ended with exit code {run.returncode}", log)


def _stores(rest: Rest, admin: Session) -> dict[str, str]:
    known = {store["slug"]: store["id"] for store in rest.pages("/api/stores", "stores", admin, includeInactive=True)}
    stores = {outlet.slug: known.get(outlet.slug) or _add_store(rest, admin, outlet) for outlet in OUTLETS}
    for outlet in OUTLETS:
        _open_store(rest, admin, stores[outlet.slug], outlet)
    return stores


def _add_store(rest: Rest, admin: Session, outlet: Outlet) -> str:
    store = rest.post(
        "/api/stores",
        {
            "name": outlet.name,
            "slug": outlet.slug,
            "description": "Lemonade, chaat and Jain meals: no onion, no garlic, no roots.",
            "email": f"{outlet.slug}@{_DOMAIN}",
            "phone": outlet.phone,
            "address": outlet.address,
            "gstin": outlet.gstin,
            "minOrderValue": rupees("99"),
            "deliveryFee": rupees("49"),
            "freeDeliveryAbove": rupees("799"),
            "deliveryRadiusMetres": 6000,
            "estimatedPrepTimeMinutes": 15,
        },
        admin,
    )
    found: str = store["id"]
    return found


def _open_store(rest: Rest, admin: Session, store_id: str, outlet: Outlet) -> None:
    """Zones and hours; what a person set meanwhile stays."""
    path = f"/api/stores/{store_id}"
    zones = {zone["name"] for zone in rest.pages(f"{path}/delivery-zones", "deliveryZones")}
    for zone in outlet.zones:
        if zone["name"] not in zones:
            body = {"name": zone["name"], "postalCodes": zone["postalCodes"], "deliveryFee": rupees(zone["rupees"])}
            rest.post(f"{path}/delivery-zones", {**body, "estimatedTimeMinutes": zone["minutes"]}, admin)
    if not any(day["intervals"] for day in rest.get(f"{path}/operating-hours")["days"]):
        intervals = [{"openTime": opens, "closeTime": closes} for opens, closes in outlet.hours]
        week = [{"dayOfWeek": day, "intervals": [] if day in outlet.closed_days else intervals} for day in range(7)]
        rest.put(f"{path}/operating-hours", {"days": week}, admin)


def _products(rest: Rest, admin: Session) -> dict[str, str]:
    categories = {category["slug"] for category in rest.get("/api/categories", admin)["categories"]}
    for order, (slug, name) in enumerate(CATEGORIES.items()):
        if slug not in categories:
            rest.post("/api/categories", {"slug": slug, "name": name, "displayOrder": order}, admin)
    known = {product["slug"]: product["id"] for product in rest.pages("/api/products", "products", admin, pageSize=100)}

    def put_on(dish: Dish) -> tuple[str, str]:
        product_id = known.get(dish.slug) or _add_dish(rest, admin, dish)
        path = f"/api/products/{product_id}"
        if dish.options and not (dish.slug in known and rest.get(path)["customizations"]):
            rest.put(f"{path}/options", {"customizations": list(dish.options)}, admin)
        return dish.slug, product_id

    return dict(_in_parallel(put_on, MENU))


def _add_dish(rest: Rest, admin: Session, dish: Dish) -> str:
    product = rest.post(
        "/api/products",
        {
            "name": dish.name,
            "slug": dish.slug,
            "sku": f"JS-{dish.slug.upper()}"[:60],
            "shortDescription": dish.text,
            "price": rupees(dish.price),
            "category": dish.category,
            "tags": list(dish.tags),
            "ingredients": list(dish.ingredients),
            "isVegan": dish.vegan,
            "isGlutenFree": dish.gluten_free,
            "isFeatured": dish.featured,
            "spiceLevel": dish.spice,
            "prepTimeMinutes": dish.minutes,
            "taxRateBasisPoints": dish.tax,
        },
        admin,
    )
    found: str = product["id"]
    return found


def _stock(rest: Rest, admin: Session, stores: dict[str, str], products: dict[str, str]) -> None:
    def fill(place: tuple[str, Dish]) -> None:
        store_id, dish = place
        body = {
            "storeId": store_id,
            "currentStock": dish.stock,
            "minStock": 15,
            "maxStock": 1000,
            "reorderPoint": 30,
            "reason": "opening count",
        }
        rest.put(f"/api/inventory/{products[dish.slug]}/stock", body, admin)

    missing = []
    for store_id in stores.values():
        items = rest.pages("/api/inventory", "items", admin, storeId=store_id, pageSize=100)
        stocked = {item["productId"] for item in items}
        missing += [(store_id, dish) for dish in MENU if products[dish.slug] not in stocked]
    _in_parallel(fill, missing)


def _staff(rest: Rest, admin: Session, stores: dict[str, str], mailbox: Mailbox) -> None:
    """Invites everybody, then accepts the invitations with the codes that arrive by mail."""
    for outlet in OUTLETS:
        path = f"/api/stores/{stores[outlet.slug]}/staff"
        members = {member["email"] for member in rest.pages(path, "staff", admin)}
        for job, name in STAFF:
            email = staff_email(job, outlet)
            if email not in members:
                rest.post(path, {"name": name, "email": email, "job": job, "hireDate": _today()}, admin)
    emails = [staff_email(job, outlet) for outlet in OUTLETS for job, _ in STAFF]
    _in_parallel(lambda email: _accept_invitation(rest, mailbox, email), emails)


def _accept_invitation(rest: Rest, mailbox: Mailbox, email: str) -> None:
    if rest.log_in(email, PASSWORD) is None:
        code = mailbox.wait_for_code(email, INVITATION_SUBJECT)
        rest.post("/api/auth/password/reset", {"email": email, "code": code, "newPassword": PASSWORD})


def _campaign(rest: Rest, admin: Session) -> None:
    running = rest.pages("/api/loyalty/campaigns", "campaigns", admin, includeAll=True)
    if any(campaign["code"] == COUPON for campaign in running):
        return
    now = datetime.datetime.now(datetime.UTC)
    rest.post(
        "/api/loyalty/campaigns",
        {
            "name": "Twenty off the first lemonades",
            "code": COUPON,
            "description": "20 % off, at most ₹100, once per customer.",
            "type": "DISCOUNT",
            "discountType": "PERCENTAGE",
            "percentBasisPoints": 2000,
            "minOrderValue": rupees("149"),
            "maxDiscount": rupees("100"),
            "usageLimit": 100_000,
            "startsAt": _timestamp(now - datetime.timedelta(minutes=1)),
            "endsAt": _timestamp(now + datetime.timedelta(days=365)),
        },
        admin,
    )


def _customers(rest: Rest, mailbox: Mailbox) -> None:
    for email, first, last, phone, address in CUSTOMERS:
        session = rest.log_in(email, PASSWORD)
        if session is None:
            session = register(rest, mailbox, email, PASSWORD, first, last, phone)
        path = f"/api/customers/{session.customer_id}/addresses"
        if not rest.get(path, session)["addresses"]:
            rest.post(path, {"type": "HOME", "label": "Home", "address": address, "isDefault": True}, session)


def register(
    rest: Rest, mailbox: Mailbox, email: str, password: str, first_name: str, last_name: str, phone: str = ""
) -> Session:
    """A new account whose mailbox is proved by the code that was mailed to it, logged in."""
    body = {"email": email, "password": password, "firstName": first_name, "lastName": last_name, "locale": "en-IN"}
    try:
        rest.post("/api/auth/register", body | ({"phone": phone} if phone else {}))
    except Unexpected as refusal:
        # An interruption between registering and logging in leaves the account; it is ours when the password fits.
        if refusal.status != httpx.codes.CONFLICT:
            raise
    code = mailbox.wait_for_code(email, VERIFICATION_SUBJECT)
    rest.post("/api/auth/verify", {"email": email, "code": code})
    session = rest.log_in(email, password)
    if session is None:
        raise Unexpected(f"login of {email}, just registered", httpx.codes.UNAUTHORIZED, "")
    return session


def _in_parallel(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    with ThreadPoolExecutor(max_workers=_PARALLEL) as pool:
        return list(pool.map(work, items))


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def _timestamp(moment: datetime.datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
