"""Cost of a request: statements, round trips and commits of PostgreSQL, rpcs, and bytes of the response.

A failure is a new statement, call or field on a hot path: change the number when the cost is justified, and when it
has become lower.
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

# Repetitions: a periodic job runs during some of the requests, but not during all.
REPETITIONS = 4
# Consumers of the events of the requests; they are suspended, since their own calls would be counted.
CONSUMERS = ("loyalty", "notification", "analytics", "review")


@dataclass(frozen=True)
class Cost:
    """Cost of one request in all services."""

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


def test_the_first_read_of_a_product_costs_one_statement_and_the_next_none(platform: Platform) -> None:
    products = [platform.new_product(stock=10) for _ in range(REPETITIONS)]

    def read(number: int) -> httpx.Response:
        return platform.http.get(f"/api/products/{products[number]}")

    with _logged_statements(platform) as log:
        first = _cost_of(platform, log, read)
        again = _cost_of(platform, log, read)
    assert first == UNCACHED_PRODUCT
    assert again == CACHED_PRODUCT


def test_reading_an_order_costs_its_customer_one_statement(platform: Platform, customer: Session, address: str) -> None:
    order = platform.place(customer, _three_lines(platform, address))

    def read(_: int) -> httpx.Response:
        return platform.http.get(f"/api/orders/{order['id']}", headers=_token(customer))

    with _logged_statements(platform) as log:
        assert _cost_of(platform, log, read) == OWN_ORDER


def test_placing_an_order_of_three_lines_has_its_listed_cost(
    platform: Platform, customer: Session, address: str
) -> None:
    body = _three_lines(platform, address)

    def place(_: int) -> httpx.Response:
        headers = {**_token(customer), "idempotency-key": str(uuid4())}
        answer = platform.http.post("/api/orders", json=body, headers=headers).raise_for_status()
        eventually(lambda: _saga_is_deleted(log) or None, "the saga is completed and deleted")
        return answer

    with _logged_statements(platform) as log:
        place(0)
        assert _cost_of(platform, log, place) == PLACED_ORDER


def _saga_is_deleted(log: StatementLog) -> bool:
    return any("DELETE FROM order_sagas" in statement.text for statement in log.statements())


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
def _logged_statements(platform: Platform) -> Iterator[StatementLog]:
    """Logs statements, while the consumers of events are suspended."""
    services = platform.processes.services
    with suspended(*(services[name] for name in CONSUMERS)), log_statements(platform.processes.postgres) as log:
        yield log


def _cost_of(platform: Platform, log: StatementLog, send: Callable[[int], httpx.Response]) -> Cost:
    """The cost that every one of several such requests has. Prints the statements."""
    transactions: list[Counter[tuple[str, tuple[str, ...], bool]]] = []
    rpcs: list[Counter[str]] = []
    sizes = []
    for number in range(REPETITIONS):
        log.clear()
        answer = send(number).raise_for_status()
        transactions.append(_transactions(log))
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


def _transactions(log: StatementLog) -> Counter[tuple[str, tuple[str, ...], bool]]:
    """(service, statements, whether it writes) of each transaction of a request."""
    services = {database: service for service, database in DATABASES.items()}
    return Counter(
        (
            services[transaction[0].database],
            tuple(" ".join(statement.text.split()) for statement in transaction),
            any(statement.writes for statement in transaction),
        )
        for transaction in select_request_transactions(log.statements())
        if transaction[0].database in services
    )


def _rpcs(platform: Platform, request_id: str) -> Counter[str]:
    """The rpcs of a request, from the logs of the services, which contain its id."""

    def served() -> Counter[str]:
        return Counter(
            line["method"]
            for name in SERVICES
            for text in platform.processes.run_directory.log(name).read_text().splitlines()
            if request_id in text and (line := json.loads(text))["event"] == "rpc"
        )

    return eventually(served, f"request {request_id} is logged")
