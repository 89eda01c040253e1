"""Databases, streams, logs and spans contain no personal data and no secret in plain text.

The search covers the personal data and the credentials of the demo accounts and of the guest of this test, and the
secrets of the stack. Names are not encrypted, since staff reads them; data of stores is public.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
from psycopg import sql

from chassis.database import Database
from chassis.database.tables import ENCRYPTED
from chassis.events.outbox import Outbox
from chassis.security.encryption import FieldCipher
from chassis.security.key_rotation import rotate
from devstack import menu, seed
from devstack.certificates import SERVICES
from devstack.rest import Session
from tests.contract.test_encrypted_columns import metadata
from tests.e2e.collector import Collector
from tests.e2e.platform import PASSWORD, ROOT, Platform, eventually

NEW_PASSWORD = "Kokum-Sherbet-77"
# Access tokens, and email addresses of customers.
SENSITIVE = re.compile(rb"eyJ[\w-]{10,}\.eyJ[\w-]{10,}|[\w.+-]+@(?:guests|customers)\.example")
TABLES = """
    SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname = 'public'
"""


@dataclass
class Guest:
    """A customer with personal data in every place that accepts some. `marks` are the texts to search for."""

    session: Session
    marks: dict[str, str]
    names: dict[str, str]


def visit(platform: Platform) -> Guest:
    """Registers, receives an order at an address, reviews it, resets the password and logs in."""
    mark = uuid4().hex[:10]
    email, phone, line = f"guest-{mark}@guests.example", f"+9197{uuid4().int % 10**8:08d}", f"{mark} Carter Road"
    session = seed.register(platform.rest, platform.mailbox, email, PASSWORD, f"Gulab{mark}", f"Jamun{mark}", phone)
    rest, me = platform.rest, f"/api/customers/{session.customer_id}"
    rest.put(me, {"dateOfBirth": "1961-02-27"}, session)
    place = {
        "addressLine1": line, "addressLine2": f"flat {mark[:4]}-7731", "landmark": f"near the {mark[4:]} banyan",
        "city": "Mumbai", "state": "Maharashtra", "postalCode": "400050", "country": "India",
        "location": {"latitude": 19.06234517, "longitude": 72.83371926},
    }  # fmt: skip
    made = rest.post(f"{me}/addresses", {"type": "HOME", "label": "Home", "address": place, "isDefault": True}, session)
    product = platform.new_product(stock=20, price="150")
    order = platform.place(session, platform.cart(product, fulfilmentType="DELIVERY", addressId=made["id"]))
    platform.pay(order)
    platform.until(order["id"], session, "CONFIRMED")
    manager, courier = platform.staff("manager"), platform.staff("delivery")
    for status in ("PREPARING", "READY"):
        platform.move(order["id"], manager, status)
    rest.post(f"/api/orders/{order['id']}/assign", {"deliveryPersonId": courier.customer_id}, manager)
    platform.move(order["id"], courier, "OUT_FOR_DELIVERY")
    position = {"latitude": 19.05987731, "longitude": 72.83129944}
    rest.post(f"/api/orders/{order['id']}/tracking", {"location": position}, courier)
    platform.move(order["id"], courier, "DELIVERED")
    review = {"orderId": order["id"], "productId": product, "rating": 5, "comment": f"better than at home {mark}"}
    eventually(lambda: _accepted(platform, session, review), "the delivered dish is reviewed")
    tokens = rest.post("/api/auth/login", {"email": email, "password": PASSWORD})
    again = rest.post("/api/auth/refresh", {"refreshToken": tokens["refreshToken"]})
    # Careless clients send in the query what belongs in a header or a body.
    for query in (f"access_token={tokens['accessToken']}", f"email={email}", f"phone={phone[1:]}", f"code={line}"):
        platform.http.get(f"/api/auth/me?{query}")
    rest.post("/api/auth/password/forgot", {"email": email})
    code = platform.mailbox.wait_for_code(email, "password")
    rest.post("/api/auth/password/reset", {"email": email, "code": code, "newPassword": NEW_PASSWORD})
    back = rest.log_in(email, NEW_PASSWORD)
    assert back is not None
    marks = {
        "email": email, "phone": phone, "phone without its country": phone[3:], "address line": line,
        "second line": place["addressLine2"], "landmark": place["landmark"], "birth date": "1961-02-27",
        "latitude": "19.062345", "longitude": "72.833719", "courier's latitude": "19.0598773", "code": code,
        "code without its dash": code.replace("-", ""), "access token": tokens["accessToken"],
        "refresh token": tokens["refreshToken"], "successor": again["refreshToken"], "CSRF token": again["csrfToken"],
    }  # fmt: skip
    names = {"first name": f"Gulab{mark}", "last name": f"Jamun{mark}", "comment": f"better than at home {mark}"}
    return Guest(back, marks, names)


def _accepted(platform: Platform, who: Session, review: dict[str, Any]) -> bool:
    headers = {"authorization": f"Bearer {who.token}"}
    return platform.http.post("/api/reviews", json=review, headers=headers).status_code == httpx.codes.OK


def marks_of_the_demo() -> dict[str, str]:
    """Personal data and credentials of the demo accounts."""
    found = {"demo password": seed.PASSWORD, "guests' password": PASSWORD, "new password": NEW_PASSWORD}
    for email, first, _, phone, place in menu.CUSTOMERS:
        found |= {
            f"{first}'s email": email,
            f"{first}'s phone": phone,
            f"{first}'s phone in one": phone.replace(" ", ""),
            f"{first}'s address": place["addressLine1"],
        }
    stores = {seed.make_staff_email(outlet.slug, outlet) for outlet in menu.OUTLETS}
    return found | {
        login.email: login.email for login in seed.list_logins() if "<" not in login.email and login.email not in stores
    }


def secrets(platform: Platform) -> dict[str, str]:
    """Every secret of the stack."""
    stored: Mapping[str, str] = json.loads((platform.run_dir / "secrets.json").read_text())
    return {f"secret {name}": value.partition(":")[2] or value for name, value in stored.items()}


def databases(platform: Platform) -> Iterator[tuple[str, bytes]]:
    """The content of each table in the binary format of PostgreSQL, which contains texts unchanged."""
    for service in SERVICES:
        with psycopg.connect(platform.processes.postgres.url(service)) as connection:
            for (table,) in connection.execute(TABLES).fetchall():
                query = sql.SQL("COPY (SELECT * FROM {}) TO STDOUT (FORMAT binary)").format(sql.SQL(table))
                with connection.cursor().copy(query) as copy:
                    yield f"{service}'s {table}", b"".join(bytes(part) for part in copy)


def files(platform: Platform) -> Iterator[tuple[str, bytes]]:
    """The files of the NATS streams, and the log of every process."""
    for path in sorted((platform.run_dir / "nats").rglob("*")):
        if path.is_file():
            yield f"stream file {path.name}", path.read_bytes()
    for path in sorted((platform.run_dir / "logs").glob("*.log")):
        yield f"log {path.name}", path.read_bytes()


def find_marks(content: bytes, marks: Mapping[str, str]) -> list[str]:
    """Names of the marks that the content contains, as text or in hexadecimal."""
    forms = {what: (text.encode(), text.encode().hex().encode()) for what, text in marks.items()}
    return [what for what, texts in forms.items() if any(text in content for text in texts)]


@pytest.fixture(scope="module")
def guest(running: Platform) -> Guest:
    running.make_whole()
    demo = subprocess.run(
        [sys.executable, "-m", "devstack", "demo"], env=running.environment, cwd=ROOT, check=False, capture_output=True
    )
    assert demo.returncode == 0, demo.stdout.decode()[-2000:]
    return visit(running)


@pytest.mark.timeout(300)
def test_no_personal_data_and_no_secret_is_stored_in_plain_text(
    platform: Platform, guest: Guest, collector: Collector, capsys: pytest.CaptureFixture[str]
) -> None:
    marks = {**marks_of_the_demo(), **secrets(platform), **guest.marks}
    places = [*databases(platform), *files(platform), ("spans", eventually(collector.received, "spans are exported"))]
    findings = [f"{where}: {what}" for where, content in places for what in find_marks(content, marks)]
    findings += [f"{where}: {found!r}" for where, content in places for found in SENSITIVE.findall(content)]
    size = sum(len(content) for _, content in places)
    with capsys.disabled():
        print(f"\n{len(marks)} marks searched in {len(places)} places, {size / 1e6:.0f} MB: {len(findings)} found")
    assert not findings, "\n".join(sorted(set(findings)))


def test_the_search_finds_data_that_is_stored(platform: Platform, guest: Guest) -> None:
    """The search above proves something only if the data was written, and if the search can read it."""
    content = dict(databases(platform))
    assert guest.names["first name"].encode() in content["customer's customers"]
    for kind in ("stream file", "log"):
        # The id of the account is not personal, and both contain it.
        kept = [content for where, content in files(platform) if where.startswith(kind)]
        assert any(guest.session.customer_id.encode() in part for part in kept), kind
    decrypted = [text for _, text in decrypted_values(platform)]
    for what in ("email", "phone", "address line", "second line", "landmark", "birth date"):
        assert any(guest.marks[what] in text for text in decrypted), what


def decrypted_values(platform: Platform) -> Iterator[tuple[str, str]]:
    """Column and plain text of every encrypted value of every database."""
    for service in SERVICES:
        cipher = cipher_of(platform, service)
        with psycopg.connect(platform.processes.postgres.url(service)) as connection:
            for table, column in encrypted_columns(service):
                query = sql.SQL("SELECT {} FROM {}").format(sql.Identifier(column), sql.Identifier(table))
                for (value,) in connection.execute(query):
                    if value is not None:
                        yield f"{table}.{column}", cipher.decrypt(value, f"{table}.{column}")


def encrypted_columns(service: str) -> list[tuple[str, str]]:
    tables = metadata(service).sorted_tables
    return [(table.name, column.name) for table in tables for column in table.columns if column.info.get(ENCRYPTED)]


def cipher_of(platform: Platform, service: str) -> FieldCipher:
    settings = platform.processes.service_environment(service)
    return FieldCipher.parse(settings[f"{service.upper()}_FIELD_KEYS"], settings[f"{service.upper()}_INDEX_KEY"])


async def test_every_encrypted_value_and_index_matches_the_current_keys(platform: Platform, guest: Guest) -> None:
    for service in SERVICES:
        database = Database(platform.processes.postgres.url(service), size=1, application="test", outbox=Outbox())
        await database.open()
        rotated: list[Any] = []
        assert await rotate(database, cipher_of(platform, service), metadata(service), rotated.append), rotated
        await database.close()
        assert [(table.table, table.rows) for table in rotated if table.rows] == [], "the rotation changed rows"


@pytest.mark.timeout(180)
def test_an_erased_customer_is_in_no_database(platform: Platform, guest: Guest) -> None:
    who = guest.session
    platform.rest.call("DELETE", f"/api/customers/{who.customer_id}", who)
    personal = {what: text for what, text in guest.marks.items() if "latitude" not in what and "longitude" not in what}
    personal |= guest.names

    # A birth date alone identifies no person.
    identifying = {what: text for what, text in personal.items() if what != "birth date"}

    def left() -> list[str]:
        found = [(where, what) for where, content in databases(platform) for what in find_marks(content, personal)]
        found += [
            (where, what)
            for where, text in decrypted_values(platform)
            for what, mark in identifying.items()
            if mark in text
        ]
        return [f"{where}: {what}" for where, what in found]

    try:
        eventually(lambda: not left(), "nothing of the guest is left", 30)
    except AssertionError:
        raise AssertionError("\n".join(left())) from None
