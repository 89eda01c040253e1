"""Actions of end-to-end tests: customers and staff at the public API, and an operator who kills processes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from devstack import menu, seed
from devstack.rest import Json, Mailbox, Rest, Session
from devstack.run_directory import RunDirectory
from devstack.services import Processes

ROOT = Path(__file__).resolve().parents[2]
WAIT_SECONDS = 20.0
# An access token lives for 15 minutes.
SESSION_SECONDS = 600.0
PASSWORD = "Kesar-Elaichi-42"

T = TypeVar("T")


def eventually(look: Callable[[], T | None], what: str, seconds: float = WAIT_SECONDS) -> T:
    """The first true result of `look`. Raises AssertionError with the description."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.05)


@dataclass
class Platform:
    """A running stack."""

    run_dir: Path
    edge_port: int
    environment: dict[str, str]
    _sessions: dict[str, tuple[Session, float]] = field(default_factory=dict)

    @cached_property
    def processes(self) -> Processes:
        return Processes(RunDirectory(self.run_dir), self.edge_port)

    @cached_property
    def rest(self) -> Rest:
        return Rest(self.processes.edge_url)

    @cached_property
    def http(self) -> httpx.Client:
        """For requests that no well-behaved client would send."""
        return httpx.Client(base_url=self.processes.edge_url, timeout=20.0)

    @cached_property
    def mailbox(self) -> Mailbox:
        return Mailbox(self.processes.mailbox_url)

    @cached_property
    def gateway(self) -> httpx.Client:
        return httpx.Client(base_url=self.processes.gateway_url, timeout=20.0)

    def close(self) -> None:
        self.http.close()
        self.gateway.close()

    # Accounts

    def log_in(self, email: str, password: str = seed.PASSWORD) -> Session:
        session, since = self._sessions.get(email, (None, 0.0))
        if session is None or time.monotonic() - since > SESSION_SECONDS:
            session = self.rest.log_in(email, password)
            assert session is not None, f"{email} cannot log in"
            self._sessions[email] = session, time.monotonic()
        return session

    @property
    def admin(self) -> Session:
        return self.log_in(seed.ADMIN_EMAIL)

    def staff(self, job: str, outlet: menu.Outlet = menu.OUTLETS[0]) -> Session:
        return self.log_in(seed.make_staff_email(job.upper(), outlet))

    def new_customer(self) -> Session:
        """A new customer with a verified email address."""
        email = f"guest-{uuid4().hex[:12]}@guests.example"
        return seed.register(self.rest, self.mailbox, email, PASSWORD, "Asha", "Vora")

    def new_address(self, who: Session, postal_code: str = "400050") -> str:
        address = {
            "addressLine1": "12 Pali Hill",
            "city": "Mumbai",
            "state": "Maharashtra",
            "postalCode": postal_code,
            "country": "India",
            "location": {"latitude": 19.0600, "longitude": 72.8300},
        }
        path = f"/api/customers/{who.customer_id}/addresses"
        made = self.rest.post(path, {"type": "HOME", "label": "Home", "address": address, "isDefault": True}, who)
        return str(made["id"])

    # The catalogue

    @cached_property
    def store_id(self) -> str:
        """The demo store that is always open."""
        stores = {store["slug"]: store["id"] for store in self.rest.list_all("/api/stores", "stores")}
        return str(stores[menu.OUTLETS[0].slug])

    @cached_property
    def products(self) -> dict[str, Json]:
        return {product["slug"]: product for product in self.rest.list_all("/api/products", "products", pageSize=100)}

    def new_product(self, stock: int, price: str = "80") -> str:
        """A new product, for a test that counts stock."""
        slug = f"test-{uuid4().hex[:10]}"
        body = {
            "name": f"Test dish {slug}",
            "slug": slug,
            "price": {"currencyCode": "INR", "minorUnits": str(int(price) * 100)},
            "category": "chaat",
            "taxRateBasisPoints": 500,
        }
        product_id = str(self.rest.post("/api/products", body, self.admin)["id"])
        counted = {"storeId": self.store_id, "currentStock": stock, "minStock": 0, "maxStock": 1000, "reason": "test"}
        self.rest.put(f"/api/inventory/{product_id}/stock", counted, self.admin)
        return product_id

    def stock(self, product_id: str) -> int:
        found = self.rest.get(f"/api/inventory/{product_id}", self.staff("manager"), storeId=self.store_id)
        return int(found["currentStock"])

    # Orders

    def cart(self, product_id: str, quantity: int = 1, **more: Any) -> Json:
        """The body of an order for pickup, paid online."""
        return {
            "storeId": self.store_id,
            "fulfilmentType": "PICKUP",
            "paymentMethod": "UPI",
            "lines": [{"productId": product_id, "quantity": quantity}],
            **more,
        }

    def place(self, who: Session, body: Json, key: str | None = None) -> Json:
        return self.rest.post("/api/orders", body, who, key=key or str(uuid4()))

    def order(self, order_id: str, who: Session) -> Json:
        return self.rest.get(f"/api/orders/{order_id}", who)

    def until(self, order_id: str, who: Session, status: str) -> Json:
        """The order once it has the status."""

        def look() -> Json | None:
            order = self.order(order_id, who)
            return order if order["status"] == status else None

        return eventually(look, f"order {order_id} is {status}")

    def pay(self, order: Json, outcome: str = "captured", **more: Any) -> None:
        """The customer pays, or fails to, at the gateway."""
        body = {"order_id": order["payment"]["providerOrderId"], "outcome": outcome, **more}
        answer = self.gateway.post("/pay", json=body)
        assert answer.status_code == httpx.codes.OK, answer.text

    def move(self, order_id: str, who: Session, status: str) -> Json:
        return self.rest.put(f"/api/orders/{order_id}/status", {"status": status}, who)

    # An operator

    def kill(self, name: str) -> None:
        """Ends the process by SIGKILL."""
        daemon = self.processes.all()[name]
        process = daemon.process()
        assert process is not None, f"{name} does not run"
        process.kill()
        eventually(lambda: not daemon.running, f"{name} is gone")

    def make_whole(self) -> None:
        """Starts stopped processes and waits until the edge is healthy."""
        if any(not daemon.running for daemon in self.processes.all().values()):
            subprocess.run([sys.executable, "-m", "devstack", "up"], env=self.environment, cwd=ROOT, check=True)
        eventually(lambda: self.http.get("/healthz").status_code == httpx.codes.OK, "the edge is healthy", 60)
