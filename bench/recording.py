"""What placing an order asks PostgreSQL for, recorded from the platform itself and made ready for pgbench.

One order is placed while the server logs its statements. Each database's part of it becomes a script in which what
every order has of its own (ids, key, number) is drawn anew and products are taken by chance, as the load does.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from uuid import UUID, uuid4

from bench.arena import Arena
from bench.material import STOCKED, product_id
from devstack.daemons import suspended
from devstack.postgres import DATABASES
from devstack.rest import Json
from devstack.statements import Statement, of_requests, overheard

# Products one, two and three of the recorded order, each with numbers of its own to draw from.
_RANGES = ((1, STOCKED // 3), (STOCKED // 3 + 1, 2 * STOCKED // 3), (2 * STOCKED // 3 + 1, STOCKED))
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
HEARERS = ("loyalty", "notification", "analytics")


def order_scripts(arena: Arena) -> Mapping[str, str]:
    """A pgbench script for each service that takes part in placing an order."""
    arena.settle()
    processes = arena.stack.processes
    # What hears of the order would ask at the same time.
    with suspended(*(processes.services[name] for name in HEARERS)), overheard(processes.postgres) as heard:
        begun, key = time.time(), f"recorded-{uuid4()}"
        order = _place(arena, key)
        recorded = list(of_requests(heard.statements()))
    drawn = _Drawn(begun, key, str(order["orderNumber"]))
    services = {database: service for service, database in DATABASES.items()}
    asked: dict[str, list[Statement]] = {}
    for transaction in recorded:
        if service := services.get(transaction[0].database):
            asked.setdefault(service, []).extend(transaction)
    return {service: drawn.script(statements) for service, statements in asked.items()}


def _place(arena: Arena, key: str) -> Json:
    customer = arena.material.customers[0]
    body = {
        "storeId": arena.material.store_id,
        "fulfilmentType": "DELIVERY",
        "paymentMethod": "COD",
        "addressId": customer.address_id,
        "lines": [{"productId": product_id(first), "quantity": 1} for first, _ in _RANGES],
    }
    return arena.stack.rest.post("/api/orders", body, customer.session, key=key)


class _Drawn:
    """Replaces what belongs to the recorded order alone."""

    def __init__(self, begun: float, key: str, number: str) -> None:
        self._begun = begun
        self._fixed = {
            key: ":fresh_key",
            number: ":fresh_key",
            **{product_id(first): f"lpad(:product_{place}::text, 12, '0')" for place, (first, _) in enumerate(_RANGES)},
        }
        self._ids: dict[str, str] = {}
        self._tokens = re.compile("|".join(map(re.escape, (key, number))) + "|" + _UUID.pattern)

    def script(self, statements: Iterable[Statement]) -> str:
        self._ids = {}
        body = [self._filled(statement) for statement in statements]
        fresh = ["uuidv7()::text AS fresh_key", *(f"uuidv7()::text AS {name}" for name in self._ids.values())]
        draws = [f"\\set product_{place} random({low}, {high})" for place, (low, high) in enumerate(_RANGES)]
        return "\n".join([*draws, f"SELECT {', '.join(fresh)} \\gset", *body]) + "\n"

    def _filled(self, statement: Statement) -> str:
        text = re.sub(r"\$(\d+)", lambda found: self._value(statement.parameters[int(found[1])]), statement.text)
        return " ".join(text.split()) + ";"

    def _value(self, value: str | None) -> str:
        """An expression for the parameter, with fresh ids in their places."""
        if value is None:
            return "NULL"
        parts, at = [], 0
        for found in self._tokens.finditer(value):
            if (drawn := self._drawn(found[0])) is not None:
                parts += [_literal(value[at : found.start()]), drawn]
                at = found.end()
        parts.append(_literal(value[at:]))
        return f"({' || '.join(parts)})"

    def _drawn(self, token: str) -> str | None:
        if token in self._fixed:
            prefix = _literal(token[:-12]) + " || " if token.startswith("00000000-") else ""
            return prefix + self._fixed[token]
        if _UUID.fullmatch(token) and _made_at(UUID(token)) >= self._begun:
            return ":" + self._ids.setdefault(token, f"fresh_{len(self._ids)}")
        return None


def _literal(text: str) -> str:
    """A constant in which pgbench sees no variable."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace(":", "\\x3a").replace("\n", "\\n")
    return f"E'{escaped}'"


def _made_at(token: UUID) -> float:
    """The second at which a UUIDv7 was made; 0 for ids of other kinds."""
    return (token.int >> 80) / 1000 if token.version == 7 else 0.0  # noqa: PLR2004 - the version's number
