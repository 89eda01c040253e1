"""The accounts of an attack: the victim and the attacker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import psycopg
import pytest

from devstack import seed
from devstack.rest import Json, Session
from tests.e2e.hostile.forger import Forger
from tests.e2e.platform import PASSWORD, Platform


@dataclass(frozen=True)
class Victim:
    """A customer with an address and an order. `marks` are texts that no other account may read."""

    session: Session
    address_id: str
    order: Json
    marks: tuple[str, ...]


@pytest.fixture(scope="module")
def victim(running: Platform) -> Victim:
    mark = uuid4().hex[:10]
    email, phone = f"victim-{mark}@guests.example", f"+9198{uuid4().int % 10**8:08d}"
    session = seed.register(running.rest, running.mailbox, email, PASSWORD, f"Vasundhara{mark}", "Oswal", phone)
    line = f"{mark} Walkeshwar Road"
    address = {
        "addressLine1": line,
        "city": "Mumbai",
        "state": "Maharashtra",
        "postalCode": "400050",
        "country": "India",
        "location": {"latitude": 19.0600, "longitude": 72.8300},
    }
    path = f"/api/customers/{session.customer_id}/addresses"
    address_id = running.rest.post(path, {"type": "HOME", "label": "Home", "address": address}, session)["id"]
    cart = running.cart(running.new_product(stock=20, price="150"), fulfilmentType="DELIVERY", addressId=address_id)
    order = running.place(session, cart)
    marks = (email, phone, phone.removeprefix("+91"), f"Vasundhara{mark}", line, session.token)
    return Victim(session, address_id, order, marks)


@pytest.fixture(scope="module")
def mallory(running: Platform) -> Session:
    """The attacker: a customer without further rights."""
    return running.new_customer()


@pytest.fixture(scope="session")
def forger(running: Platform) -> Iterator[Forger]:
    with psycopg.connect(running.processes.postgres.url("customer"), autocommit=True) as database:
        yield Forger(database, running.processes.service_environment("customer"))
