"""Creates the demo data through the public REST API.

Only the first administrator is created by a command, because no route can create one. Existing data is kept, so seeding
can be repeated after an interruption.
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
from devstack.rest import Mailbox, Rest, Session, UnexpectedResponse, rupees_to_money
from devstack.run_directory import ROOT
from devstack.screen import Screen
from devstack.services import Processes

# One password for all demo accounts: they exist on this machine only, and the edge listens on loopback.
PASSWORD = "Nimbu-Namak-2026"  # noqa: S105
_DOMAIN = "shikanji.example"
ADMIN_EMAIL = f"admin@{_DOMAIN}"

INVITATION_SUBJECT = "invited"
VERIFICATION_SUBJECT = "verification"
_PARALLEL = 4


@dataclass(frozen=True)
class Login:
    """A demo account."""

    email: str
    role: str


def make_staff_email(job: str, outlet: Outlet) -> str:
    return f"{job.lower()}.{outlet.slug}@{_DOMAIN}"


def list_logins() -> list[Login]:
    """The demo accounts, for display."""
    first = OUTLETS[0]
    others = " or ".join(outlet.slug for outlet in OUTLETS[1:])
    return [
        Login(ADMIN_EMAIL, "administrator"),
        *(Login(make_staff_email(job, first), f"{job.lower()} in {first.slug}, {name}") for job, name in STAFF),
        Login(f"<job>.<store>@{_DOMAIN}", f"the same jobs in {others}"),
        *(Login(email, f"customer {given} {family}") for email, given, family, *_ in CUSTOMERS),
    ]


def seed(processes: Processes, screen: Screen) -> None:
    """Creates missing demo data. Raises UnexpectedResponse when a request fails."""
    with Rest(processes.edge_url) as rest:
        with screen.step("demo: administrator"):
            admin = _log_in_admin(rest, processes)
        with screen.step(f"demo: {len(OUTLETS)} stores in two cities"):
            stores = _create_stores(rest, admin)
        with screen.step(f"demo: {len(MENU)} products"):
            products = _create_products(rest, admin)
        with screen.step("demo: stock"):
            _set_stock(rest, admin, stores, products)
        with screen.step("demo: staff"):
            _invite_staff(rest, admin, stores, Mailbox(processes.mailbox_url))
        with screen.step("demo: coupon and customers"):
            _create_campaign(rest, admin)
            _create_customers(rest, Mailbox(processes.mailbox_url))


def _log_in_admin(rest: Rest, processes: Processes) -> Session:
    session = rest.log_in(ADMIN_EMAIL, PASSWORD)
    if session is None:
        _bootstrap_admin(processes)
        session = rest.log_in(ADMIN_EMAIL, PASSWORD)
    if session is None:
        raise DaemonFailed(
            "bootstrap-admin", "created no administrator who can log in", processes.run_directory.log("bootstrap")
        )
    return session


def _bootstrap_admin(processes: Processes) -> None:
    log = processes.run_directory.log("bootstrap")
    command = [sys.executable, "-m", "services.customer", "bootstrap-admin", "--email", ADMIN_EMAIL]
    environment = {**os.environ, **processes.service_environment("customer"), "CUSTOMER_ADMIN_PASSWORD": PASSWORD}
    with log.open("wb") as output:
        run = subprocess.run(command, env=environment, cwd=ROOT, stdout=output, stderr=output, check=False)
    if run.returncode != 0:
        raise DaemonFailed("bootstrap-admin", f"ended with exit code {run.returncode}", log)


def _create_stores(rest: Rest, admin: Session) -> dict[str, str]:
    known = {
        store["slug"]: store["id"] for store in rest.list_all("/api/stores", "stores", admin, includeInactive=True)
    }
    stores = {outlet.slug: known.get(outlet.slug) or _create_store(rest, admin, outlet) for outlet in OUTLETS}
    for outlet in OUTLETS:
        _configure_store(rest, admin, stores[outlet.slug], outlet)
    return stores


def _create_store(rest: Rest, admin: Session, outlet: Outlet) -> str:
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
            "minOrderValue": rupees_to_money("99"),
            "deliveryFee": rupees_to_money("49"),
            "freeDeliveryAbove": rupees_to_money("799"),
            "deliveryRadiusMetres": 6000,
            "estimatedPrepTimeMinutes": 15,
        },
        admin,
    )
    found: str = store["id"]
    return found


def _configure_store(rest: Rest, admin: Session, store_id: str, outlet: Outlet) -> None:
    """Creates missing delivery zones and opening hours; existing ones are kept."""
    path = f"/api/stores/{store_id}"
    zones = {zone["name"] for zone in rest.list_all(f"{path}/delivery-zones", "deliveryZones")}
    for zone in outlet.zones:
        if zone["name"] not in zones:
            body = {
                "name": zone["name"],
                "postalCodes": zone["postalCodes"],
                "deliveryFee": rupees_to_money(zone["rupees"]),
            }
            rest.post(f"{path}/delivery-zones", {**body, "estimatedTimeMinutes": zone["minutes"]}, admin)
    if not any(day["intervals"] for day in rest.get(f"{path}/operating-hours")["days"]):
        intervals = [{"openTime": opens, "closeTime": closes} for opens, closes in outlet.hours]
        week = [{"dayOfWeek": day, "intervals": [] if day in outlet.closed_days else intervals} for day in range(7)]
        rest.put(f"{path}/operating-hours", {"days": week}, admin)


def _create_products(rest: Rest, admin: Session) -> dict[str, str]:
    categories = {category["slug"] for category in rest.get("/api/categories", admin)["categories"]}
    for order, (slug, name) in enumerate(CATEGORIES.items()):
        if slug not in categories:
            rest.post("/api/categories", {"slug": slug, "name": name, "displayOrder": order}, admin)
    known = {
        product["slug"]: product["id"] for product in rest.list_all("/api/products", "products", admin, pageSize=100)
    }

    def create(dish: Dish) -> tuple[str, str]:
        product_id = known.get(dish.slug) or _create_product(rest, admin, dish)
        path = f"/api/products/{product_id}"
        if dish.options and not (dish.slug in known and rest.get(path)["customizations"]):
            rest.put(f"{path}/options", {"customizations": list(dish.options)}, admin)
        return dish.slug, product_id

    return dict(_run_in_parallel(create, MENU))


def _create_product(rest: Rest, admin: Session, dish: Dish) -> str:
    product = rest.post(
        "/api/products",
        {
            "name": dish.name,
            "slug": dish.slug,
            "sku": f"JS-{dish.slug.upper()}"[:60],
            "shortDescription": dish.text,
            "price": rupees_to_money(dish.price),
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


def _set_stock(rest: Rest, admin: Session, stores: dict[str, str], products: dict[str, str]) -> None:
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
        items = rest.list_all("/api/inventory", "items", admin, storeId=store_id, pageSize=100)
        stocked = {item["productId"] for item in items}
        missing += [(store_id, dish) for dish in MENU if products[dish.slug] not in stocked]
    _run_in_parallel(fill, missing)


def _invite_staff(rest: Rest, admin: Session, stores: dict[str, str], mailbox: Mailbox) -> None:
    """Invites missing staff, then accepts the invitations with the emailed codes."""
    for outlet in OUTLETS:
        path = f"/api/stores/{stores[outlet.slug]}/staff"
        members = {member["email"] for member in rest.list_all(path, "staff", admin)}
        for job, name in STAFF:
            email = make_staff_email(job, outlet)
            if email not in members:
                rest.post(path, {"name": name, "email": email, "job": job, "hireDate": _format_today()}, admin)
    emails = [make_staff_email(job, outlet) for outlet in OUTLETS for job, _ in STAFF]
    _run_in_parallel(lambda email: _accept_invitation(rest, mailbox, email), emails)


def _accept_invitation(rest: Rest, mailbox: Mailbox, email: str) -> None:
    if rest.log_in(email, PASSWORD) is None:
        code = mailbox.wait_for_code(email, INVITATION_SUBJECT)
        rest.post("/api/auth/password/reset", {"email": email, "code": code, "newPassword": PASSWORD})


def _create_campaign(rest: Rest, admin: Session) -> None:
    running = rest.list_all("/api/loyalty/campaigns", "campaigns", admin, includeAll=True)
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
            "minOrderValue": rupees_to_money("149"),
            "maxDiscount": rupees_to_money("100"),
            "usageLimit": 100_000,
            "startsAt": _format_timestamp(now - datetime.timedelta(minutes=1)),
            "endsAt": _format_timestamp(now + datetime.timedelta(days=365)),
        },
        admin,
    )


def _create_customers(rest: Rest, mailbox: Mailbox) -> None:
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
    """Registers a customer, verifies the email address with the emailed code, logs in."""
    body = {"email": email, "password": password, "firstName": first_name, "lastName": last_name, "locale": "en-IN"}
    try:
        rest.post("/api/auth/register", body | ({"phone": phone} if phone else {}))
    except UnexpectedResponse as error:
        # An interrupted run may have created the account; the login below checks its password.
        if error.status != httpx.codes.CONFLICT:
            raise
    code = mailbox.wait_for_code(email, VERIFICATION_SUBJECT)
    rest.post("/api/auth/verify", {"email": email, "code": code})
    session = rest.log_in(email, password)
    if session is None:
        raise UnexpectedResponse(f"login of {email}, just registered", httpx.codes.UNAUTHORIZED, "")
    return session


def _run_in_parallel(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    with ThreadPoolExecutor(max_workers=_PARALLEL) as pool:
        return list(pool.map(work, items))


def _format_today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def _format_timestamp(moment: datetime.datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
