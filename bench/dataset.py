"""Dataset of the benchmark: one catalogue, one store, the same customers and stock for every contender."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import create_engine

from bench.baseline.tables import Table
from bench.stack import Stack
from devstack import seed
from devstack.menu import OUTLETS
from devstack.postgres import DATABASES
from devstack.rest import Json, Mailbox, Session

# Rows in the catalogue; products that are read; products that the store has in stock.
PRODUCTS, READ, STOCKED = 10_000, 1_000, 200
CUSTOMERS = 16
STOCK = 1_000_000
PASSWORD = "Kesar-Elaichi-42"  # noqa: S105 - of accounts that live for minutes on this machine
BASELINE = "baseline"
BASELINE_DATABASE = "baseline_db"
# Access tokens live 15 minutes.
_TOKEN_SECONDS = 480.0
_PARALLEL = 4

# Every fourth product has options; on the demo's menu nearly half have.
_FILL = """
    INSERT INTO products (id, name, slug, short_description, description, sku, price, category, tags, ingredients,
                          images, calories, protein_g, carbs_g, fat_g, tax_rate_basis_points)
    SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Dish number ' || n, 'dish-' || n,
           'A short sentence about dish number ' || n,
           repeat('What is in it, how it is made and what goes well with it. ', 5), 'DISH-' || n, 60 + n %% 200,
           (ARRAY['shikanji', 'coolers', 'chaat', 'meals', 'snacks', 'sweets'])[1 + n %% 6],
           ARRAY['cold', 'bestseller'], ARRAY['lemon', 'sugar', 'black salt', 'roasted cumin'],
           jsonb_build_array('https://images.example/dish-' || n || '.webp'), 120, 2.5, 30, 1.5,
           (ARRAY[500, 1200])[1 + n %% 2]
    FROM generate_series(1, %(products)s) AS n
    ON CONFLICT DO NOTHING
"""
_FILL_CUSTOMIZATIONS = """
    INSERT INTO product_customizations (id, product_id, name, type, is_required, display_order)
    SELECT ('00000000-0000-4000-9000-' || lpad((2 * n + kind)::text, 12, '0'))::uuid,
           ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, (ARRAY['Size', 'Extras'])[1 + kind],
           (ARRAY['radio', 'checkbox'])[1 + kind], kind = 0, kind
    FROM generate_series(4, %(products)s, 4) AS n, generate_series(0, 1) AS kind
    ON CONFLICT DO NOTHING
"""
_FILL_OPTIONS = """
    INSERT INTO customization_options (id, customization_id, name, price_modifier, is_default, display_order)
    SELECT ('00000000-0000-4000-a000-' || lpad((10 * (2 * n + kind) + place)::text, 12, '0'))::uuid,
           ('00000000-0000-4000-9000-' || lpad((2 * n + kind)::text, 12, '0'))::uuid, 'Choice ' || place, 10 * place,
           kind = 0 AND place = 0, place
    FROM generate_series(4, %(products)s, 4) AS n, generate_series(0, 1) AS kind, generate_series(0, 2) AS place
    ON CONFLICT DO NOTHING
"""
_COPIED = {
    "inventory": ("products", "product_customizations", "customization_options", "inventory"),
    "store": ("stores", "store_operating_hours", "delivery_zones"),
}


def make_product_id(number: int) -> str:
    """Product id of a number, in a form that a Lua script can produce too."""
    return f"00000000-0000-4000-8000-{number:012d}"


@dataclass(frozen=True)
class Customer:
    """A customer who places orders."""

    session: Session
    first_name: str
    last_name: str
    phone: str
    address_id: str


class Dataset:
    """Creates the data once per stack; existing data is kept."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.customers: list[Customer] = []
        self.store_id = ""
        self._tokens_at = 0.0

    def prepare(self) -> None:
        """Inserts products by SQL, because there are many; creates everything else through the public API."""
        postgres = self._stack.processes.postgres
        with psycopg.connect(postgres.url("inventory"), autocommit=True) as connection:
            for statement in (_FILL, _FILL_CUSTOMIZATIONS, _FILL_OPTIONS):
                connection.execute(statement, {"products": PRODUCTS})
        stores = {store["slug"]: store["id"] for store in self._stack.rest.list_all("/api/stores", "stores")}
        self.store_id = stores[OUTLETS[0].slug]
        self._fill_stock()
        self.customers = _in_parallel(self._customer, range(CUSTOMERS))
        self._tokens_at = time.monotonic()
        for service in DATABASES:
            _analyze(postgres.url(service))

    def tokens(self) -> list[str]:
        """An access token of each customer, valid for several more minutes."""
        if time.monotonic() - self._tokens_at > _TOKEN_SECONDS:
            self.customers = _in_parallel(self._customer, range(CUSTOMERS))
            self._tokens_at = time.monotonic()
        return [customer.session.token for customer in self.customers]

    def admin(self) -> Session:
        session = self._stack.rest.log_in(seed.ADMIN_EMAIL, seed.PASSWORD)
        if session is None:
            raise RuntimeError("the demo's administrator cannot log in: was the demo seeded?")
        return session

    def _fill_stock(self) -> None:
        admin, rest = self.admin(), self._stack.rest
        body = {"storeId": self.store_id, "currentStock": STOCK, "minStock": 10, "maxStock": STOCK, "reason": "bench"}

        def fill(number: int) -> None:
            rest.put(f"/api/inventory/{make_product_id(number)}/stock", body, admin)

        _in_parallel(fill, range(1, STOCKED + 1))

    def _customer(self, number: int) -> Customer:
        rest = self._stack.rest
        email, first, last = f"guest-{number}@guests.example", "Asha", f"Vora {number}"
        phone = f"+9198765{number:05d}"
        session = rest.log_in(email, PASSWORD)
        if session is None:
            mailbox = Mailbox(self._stack.processes.mailbox_url)
            session = seed.register(rest, mailbox, email, PASSWORD, first, last, phone)
        path = f"/api/customers/{session.customer_id}/addresses"
        known = rest.get(path, session)["addresses"]
        address = known[0] if known else rest.post(path, _ADDRESS, session)
        return Customer(session, first, last, phone, address["id"])

    # Database of the baselines

    def prepare_baseline(self) -> str:
        """Copies the rows into one database on the same server; returns its URL."""
        postgres = self._stack.processes.postgres
        postgres.drop_database(BASELINE_DATABASE)
        postgres.create_database(BASELINE_DATABASE, BASELINE)
        url = postgres.url(BASELINE, BASELINE_DATABASE)
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1))
        Table.metadata.create_all(engine)
        engine.dispose()
        with psycopg.connect(url) as target:
            for service, tables in _COPIED.items():
                with psycopg.connect(postgres.url(service)) as source:
                    for name in tables:
                        _copy(source, target, name)
            for customer in self.customers:
                self._insert_customer(target, customer)
        _analyze(url)
        return url

    def _insert_customer(self, target: psycopg.Connection[Any], customer: Customer) -> None:
        account = customer.session.customer_id
        target.execute(
            "INSERT INTO customers (id, email, phone, first_name, last_name) VALUES (%s, %s, %s, %s, %s)",
            (account, customer.session.email, customer.phone, customer.first_name, customer.last_name),
        )
        address = _ADDRESS["address"]
        target.execute(
            "INSERT INTO customer_addresses (id, customer_id, address_line1, city, state, postal_code, latitude,"
            " longitude) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                customer.address_id,
                account,
                address["addressLine1"],
                address["city"],
                address["state"],
                address["postalCode"],
                address["location"]["latitude"],
                address["location"]["longitude"],
            ),
        )


_ADDRESS: Json = {
    "type": "HOME",
    "label": "Home",
    "isDefault": True,
    "address": {
        "addressLine1": "12 Pali Hill",
        "city": "Mumbai",
        "state": "Maharashtra",
        "postalCode": "400050",
        "country": "India",
        "location": {"latitude": 19.06, "longitude": 72.83},
    },
}


def _analyze(url: str) -> None:
    """Runs what autovacuum does within minutes after a change of this size."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _copy(source: psycopg.Connection[Any], target: psycopg.Connection[Any], name: str) -> None:
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in Table.metadata.tables[name].columns)
    table = sql.Identifier(name)
    out = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT binary)").format(columns, table)
    into = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(table, columns)
    with source.cursor().copy(out) as reading, target.cursor().copy(into) as writing:
        for part in reading:
            writing.write(part)


def _in_parallel(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    with ThreadPoolExecutor(max_workers=_PARALLEL) as pool:
        return list(pool.map(work, items))
