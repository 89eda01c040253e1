"""Statements of one order as scripts for pgbench, recorded from the platform.

One order is placed while PostgreSQL logs its statements. The statements of each database become a script in which the
values of that order (ids, key, number) are generated again for each transaction and products are random.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from uuid import UUID, uuid4

from bench.context import BenchContext
from bench.dataset import STOCKED, make_product_id
from devstack.daemons import suspended
from devstack.postgres import DATABASES
from devstack.rest import Json
from devstack.statements import Statement, log_statements, select_request_transactions

# Ranges of random products for the three lines of the recorded order.
_RANGES = ((1, STOCKED // 3), (STOCKED // 3 + 1, 2 * STOCKED // 3), (2 * STOCKED // 3 + 1, STOCKED))
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
ORDER_CONSUMERS = ("loyalty", "notification", "analytics")


def record_order_scripts(context: BenchContext) -> Mapping[str, str]:
    """A pgbench script for each service that takes part in placing an order."""
    context.settle()
    processes = context.stack.processes
    # Consumers of the order's events would add statements of their own.
    with (
        suspended(*(processes.services[name] for name in ORDER_CONSUMERS)),
        log_statements(processes.postgres) as log,
    ):
        begun, key = time.time(), f"recorded-{uuid4()}"
        order = _place(context, key)
        recorded = list(select_request_transactions(log.statements()))
    writer = _ScriptWriter(begun, key, str(order["orderNumber"]))
    services = {database: service for service, database in DATABASES.items()}
    by_service: dict[str, list[Statement]] = {}
    for transaction in recorded:
        if service := services.get(transaction[0].database):
            by_service.setdefault(service, []).extend(transaction)
    return {service: writer.write(statements) for service, statements in by_service.items()}


def _place(context: BenchContext, key: str) -> Json:
    customer = context.dataset.customers[0]
    body = {
        "storeId": context.dataset.store_id,
        "fulfilmentType": "DELIVERY",
        "paymentMethod": "COD",
        "addressId": customer.address_id,
        "lines": [{"productId": make_product_id(first), "quantity": 1} for first, _ in _RANGES],
    }
    return context.stack.rest.post("/api/orders", body, customer.session, key=key)


class _ScriptWriter:
    """Replaces the values that belong to the recorded order."""

    def __init__(self, begun: float, key: str, number: str) -> None:
        self._begun = begun
        self._fixed = {
            key: ":fresh_key",
            number: ":fresh_key",
            **{
                make_product_id(first): f"lpad(:product_{place}::text, 12, '0')"
                for place, (first, _) in enumerate(_RANGES)
            },
        }
        self._ids: dict[str, str] = {}
        self._tokens = re.compile("|".join(map(re.escape, (key, number))) + "|" + _UUID.pattern)

    def write(self, statements: Iterable[Statement]) -> str:
        self._ids = {}
        body = [self._write_statement(statement) for statement in statements]
        fresh = ["uuidv7()::text AS fresh_key", *(f"uuidv7()::text AS {name}" for name in self._ids.values())]
        draws = [f"\\set product_{place} random({low}, {high})" for place, (low, high) in enumerate(_RANGES)]
        return "\n".join([*draws, f"SELECT {', '.join(fresh)} \\gset", *body]) + "\n"

    def _write_statement(self, statement: Statement) -> str:
        text = re.sub(r"\$(\d+)", lambda found: self._write_value(statement.parameters[int(found[1])]), statement.text)
        return " ".join(text.split()) + ";"

    def _write_value(self, value: str | None) -> str:
        """An SQL expression for the parameter, with generated ids in place of recorded ones."""
        if value is None:
            return "NULL"
        parts, at = [], 0
        for found in self._tokens.finditer(value):
            if (drawn := self._write_token(found[0])) is not None:
                parts += [_quote_literal(value[at : found.start()]), drawn]
                at = found.end()
        parts.append(_quote_literal(value[at:]))
        return f"({' || '.join(parts)})"

    def _write_token(self, token: str) -> str | None:
        if token in self._fixed:
            prefix = _quote_literal(token[:-12]) + " || " if token.startswith("00000000-") else ""
            return prefix + self._fixed[token]
        if _UUID.fullmatch(token) and _read_creation_time(UUID(token)) >= self._begun:
            return ":" + self._ids.setdefault(token, f"fresh_{len(self._ids)}")
        return None


def _quote_literal(text: str) -> str:
    """A constant in which pgbench finds no variable."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace(":", "\\x3a").replace("\n", "\\n")
    return f"E'{escaped}'"


def _read_creation_time(token: UUID) -> float:
    """Creation time of a UUIDv7 in Unix seconds; 0 for other ids."""
    return (token.int >> 80) / 1000 if token.version == 7 else 0.0  # noqa: PLR2004 - the version's number
