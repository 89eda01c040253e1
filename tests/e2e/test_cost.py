"""What a request costs, counted: statements, round trips and commits of PostgreSQL, rpcs, and bytes of the answer.

The numbers below are meant. A test that fails here has found a new statement, call or field on a hot path: make it pay
its way, then change its number. Faster is a reason to change a number too.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from operator import and_
from statistics import median
from typing import Any
from uuid import uuid4

import httpx
import pytest

from devstack.certificates import SERVICES
from devstack.daemons import suspended
from devstack.postgres import DATABASES
from devstack.rest import Session
from devstack.statements import StatementLog, log_statements, select_request_transactions
from tests.e2e.platform import Platform, eventually

# A loop that happens to run meanwhile does not run during each of so many requests.
TIMES = 4
# They hear of what a request did, and would ask for things of their own at the same time.
HEARERS = ("loyalty", "notification", "analytics", "review")


@dataclass(frozen=True)
class Cost:
    """Of one request, all services together unless it says otherwise."""

    # Service -> statements without BEGIN and COMMIT.
    statements: dict[str, int] = field(default_factory=dict)
    round_trips: int = 0
    # Transactions that change something.
    commits: int = 0
    rpcs: tuple[str, ...] = ()
    answer_bytes: int = 0


CACHED_PRODUCT = Cost(rpcs=("ProductService/GetProduct",), answer_bytes=756)
UNCACHED_PRODUCT = Cost({"inventory": 1}, round_trips=1, rpcs=("ProductService/GetProduct",), answer_bytes=756)
OWN_ORDER = Cost({"order": 1}, round_trips=1, rpcs=("OrderService/GetOrder",), answer_bytes=3609)
PLACED_ORDER = Cost(
    {"order": 3, "customer": 1, "store": 1, "inventory": 2, "payment": 2},
    round_trips=13,
    commits=5,
    rpcs=(
        "CustomerService/GetOrderingCustomer",
        "OrderService/CreateOrder",
        "PaymentService/StartPayment",
        "ProductService/PriceLines",
        "StockService/ReserveStock",
        "StoreService/QuoteFulfilment",
    ),
    answer_bytes=3609,
)


@pytest.fixture
def customer(platform: Platform) -> Session:
    return platform.new_customer()


@pytest.fixture
def address(platform: Platform, customer: Session) -> str:
    return platform.new_address(customer)


def test_a_product_that_nobody_has_read_costs_one_statement_and_then_none(platform: Platform) -> None:
    products = [platform.new_product(stock=10) for _ in range(TIMES)]

    def read(number: int) -> httpx.Response:
        return platform.http.get(f"/api/products/{products[number]}")

    with _listening(platform) as heard:
        first = _cost_of(platform, heard, read)
        again = _cost_of(platform, heard, read)
    assert first == UNCACHED_PRODUCT
    assert again == CACHED_PRODUCT


def test_an_order_of_ones_own_costs_one_statement(platform: Platform, customer: Session, address: str) -> None:
    order = platform.place(customer, _three_lines(platform, address))

    def read(_: int) -> httpx.Response:
        return platform.http.get(f"/api/orders/{order['id']}", headers=_token(customer))

    with _listening(platform) as heard:
        assert _cost_of(platform, heard, read) == OWN_ORDER


def test_an_order_of_three_lines_costs_what_is_written_here(
    platform: Platform, customer: Session, address: str
) -> None:
    body = _three_lines(platform, address)

    def place(_: int) -> httpx.Response:
        headers = {**_token(customer), "idempotency-key": str(uuid4())}
        answer = platform.http.post("/api/orders", json=body, headers=headers).raise_for_status()
        eventually(lambda: _saga_is_deleted(heard) or None, "what is left for after the answer is done")
        return answer

    with _listening(platform) as heard:
        place(0)
        assert _cost_of(platform, heard, place) == PLACED_ORDER


def _saga_is_deleted(heard: StatementLog) -> bool:
    return any("DELETE FROM order_sagas" in statement.text for statement in heard.statements())


def _token(who: Session) -> dict[str, str]:
    return {"authorization": f"Bearer {who.token}"}


def _three_lines(platform: Platform, address: str) -> dict[str, Any]:
    lines = [{"productId": platform.new_product(stock=100), "quantity": 1} for _ in range(3)]
    return {
        "storeId": platform.store_id,
        "fulfilmentType": "DELIVERY",
        "paymentMethod": "COD",
        "addressId": address,
        "lines": lines,
    }


@contextmanager
def _listening(platform: Platform) -> Iterator[StatementLog]:
    """Statements are logged, and nobody asks for any because of an event."""
    services = platform.processes.services
    with suspended(*(services[name] for name in HEARERS)), log_statements(platform.processes.postgres) as heard:
        yield heard


def _cost_of(platform: Platform, heard: StatementLog, ask: Callable[[int], httpx.Response]) -> Cost:
    """What each of several such requests cost at least; how the statements read is printed for whoever compares."""
    transactions: list[Counter[tuple[str, tuple[str, ...], bool]]] = []
    rpcs: list[Counter[str]] = []
    sizes = []
    for number in range(TIMES):
        heard.clear()
        answer = ask(number).raise_for_status()
        transactions.append(_transactions(heard))
        rpcs.append(_rpcs(platform, answer.headers["x-request-id"]))
        sizes.append(len(answer.content))
    always = reduce(and_, transactions)
    statements: Counter[str] = Counter()
    for (service, texts, _), times in always.items():
        for text in texts:
            if text not in {"BEGIN", "COMMIT"}:
                statements[service] += times
                print(f"{service:<10} {times} {text[:100]}")
    return Cost(
        statements=dict(statements),
        round_trips=sum(len(texts) * times for (_, texts, _), times in always.items()),
        commits=sum(times for (_, _, changes), times in always.items() if changes),
        rpcs=tuple(sorted(reduce(and_, rpcs).elements())),
        answer_bytes=int(median(sizes)),
    )


def _transactions(heard: StatementLog) -> Counter[tuple[str, tuple[str, ...], bool]]:
    """(service, statements, whether it changes something) of each transaction that requests asked for."""
    services = {database: service for service, database in DATABASES.items()}
    return Counter(
        (
            services[transaction[0].database],
            tuple(" ".join(statement.text.split()) for statement in transaction),
            any(statement.writes for statement in transaction),
        )
        for transaction in select_request_transactions(heard.statements())
        if transaction[0].database in services
    )


def _rpcs(platform: Platform, request_id: str) -> Counter[str]:
    """The rpcs that served a request, by the services' own logs; the edge passes its id on."""

    def served() -> Counter[str]:
        return Counter(
            line["method"]
            for name in SERVICES
            for text in platform.processes.run_directory.log(name).read_text().splitlines()
            if request_id in text and (line := json.loads(text))["event"] == "rpc"
        )

    return eventually(served, f"request {request_id} is logged")
