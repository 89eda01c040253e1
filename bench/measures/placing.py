"""Placing an order: three lines, delivered to the customer's address, paid in cash; a fresh key each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import httpx

from bench import floors, load
from bench.arena import ORM, PLATFORM, RAW, Arena
from bench.contest import ANSWERS_PER_CONNECTION, Contender, Result, Unlike, compete
from bench.findings import Figure, Goal, Section, named, ratio
from bench.material import STOCKED, product_id

LINES = 3
# pgbench's figure is taken at so many.
FLOOR_CLIENTS = 16
# What no two orders share.
_OWN = frozenset({"id", "orderNumber", "estimatedDeliveryAt", "acceptedAt", "createdAt", "updatedAt"})

_SCRIPT = """
math.randomseed(%(seed)d)
local tokens, addresses = %(tokens)s, %(addresses)s
local product = "00000000-0000-4000-8000-%%012d"
local line = '{"productId":"' .. product .. '","quantity":%%d}'
local head = '{"storeId":"%(store_id)s","fulfilmentType":"DELIVERY","paymentMethod":"COD",'
local body = head .. '"addressId":"%%s","lines":[%%s]}'
local number = 0
request = function()
  number = number + 1
  local who, first, lines = math.random(1, #tokens), math.random(0, %(stocked)d - 1), {}
  for place = 1, %(lines)d do
    -- Neighbours at a distance: three different products.
    lines[place] = string.format(line, 1 + (first + place * 37) %% %(stocked)d, math.random(1, 2))
  end
  return wrk.format("POST", "/api/orders", {
    ["content-type"] = "application/json",
    ["authorization"] = "Bearer " .. tokens[who],
    ["idempotency-key"] = string.format("%(run)s-%%d", number),
  }, string.format(body, addresses[who], table.concat(lines, ",")))
end
"""


def measure(arena: Arena, connections: int) -> Section:
    """At so many connections, events and mails of the platform's orders included in its processor time."""
    contenders = [*arena.monoliths(), arena.platform(settle=True)]
    check_alike(arena, contenders)
    if connections > 1 or not arena.fast:
        contenders.append(arena.without_listeners())

    def run(contender: Contender, seconds: float) -> load.Load:
        return load.run(
            contender.url, script(arena), connections=connections, seconds=seconds, directory=arena.directory
        )

    rounds, seconds = (3, 2.0) if arena.fast else (5, 6.0)
    if arena.fast and connections > FLOOR_CLIENTS:
        rounds = 2  # each is long: see ANSWERS_PER_CONNECTION
    answers = ANSWERS_PER_CONNECTION * connections
    results = compete(contenders, run, rounds=rounds, seconds=seconds, answers=answers, tell=arena.tell)
    section = Section(
        f"placing an order of {LINES} lines, {connections} connection{'s' if connections > 1 else ''}",
        unit="orders/s",
        results=results,
    )
    if connections == 1:
        section.goals = [_latency_goal(results)]
        return section
    arena.tell("pgbench")
    floor = floors.pgbench_orders(arena, clients=FLOOR_CLIENTS, seconds=seconds / 2)
    section.figures = [Figure(f"pgbench, the same statements, {FLOOR_CLIENTS} clients", floor, "orders/s")]
    section.goals = _goals(connections, results, floor)
    return section


def _latency_goal(results: Sequence[Result]) -> Goal:
    p50, orm_p50 = (named(results, name).median(lambda turn: turn.load.p50) for name in (PLATFORM, ORM))
    return Goal("placing an order, one client, p50", p50 / orm_p50, 0.6, at_least=False)


def _goals(connections: int, results: Sequence[Result], floor: float) -> list[Goal]:
    name = f"placing an order, {connections} clients"
    faster, share = ratio(results, PLATFORM, ORM), named(results, PLATFORM).rate / floor
    if connections == FLOOR_CLIENTS:
        return [Goal(name, faster, 3.0, 4.0), Goal(f"{name}, against pgbench", share, 0.4)]
    return [
        Goal(name, faster, 5.0, 7.0),
        Goal(f"{name}, against pgbench at {FLOOR_CLIENTS}", share, 0.65),
        Goal(f"{name}, against SQL by hand", ratio(results, PLATFORM, RAW), 1.2),
    ]


def script(arena: Arena) -> str:
    """The Lua of one run, with keys that no other run has."""
    tag = uuid4().hex
    return _SCRIPT % {
        "seed": int(tag[:7], 16),
        "run": tag[:16],
        "tokens": load.table(arena.material.tokens()),
        "addresses": load.table([customer.address_id for customer in arena.material.customers]),
        "store_id": arena.material.store_id,
        "stocked": STOCKED,
        "lines": LINES,
    }


def check_alike(arena: Arena, contenders: Sequence[Contender]) -> None:
    """The same cart comes to the same order everywhere, to the paisa, and reads back as it was answered."""
    token, customer = arena.material.tokens()[0], arena.material.customers[0]
    body = {
        "storeId": arena.material.store_id,
        "fulfilmentType": "DELIVERY",
        "paymentMethod": "COD",
        "addressId": customer.address_id,
        # Number 4 has a required option, which is left open, and an extra, which is taken.
        "lines": [
            {"productId": product_id(1), "quantity": 1},
            {"productId": product_id(4), "quantity": 2, "optionIds": [_extra(4)]},
            {"productId": product_id(7), "quantity": 1},
        ],
    }
    answers = []
    for contender in contenders:
        headers = {"authorization": f"Bearer {token}", "idempotency-key": uuid4().hex}
        with httpx.Client(base_url=contender.url, headers=headers, timeout=10) as client:
            placed = client.post("/api/orders", json=body).raise_for_status().json()
            again = client.post("/api/orders", json=body).raise_for_status().json()
            read = client.get(f"/api/orders/{placed['id']}").raise_for_status().json()
        if not placed["id"] == again["id"] == read["id"]:
            raise Unlike(contender.name, "its own repeat", str(placed), str(again))
        answers.append(_comparable(placed))
    for contender, answer in zip(contenders, answers, strict=True):
        if answer != answers[0]:
            raise Unlike(contenders[0].name, contender.name, str(answers[0]), str(answer))


def _extra(number: int) -> str:
    """The second choice of the product's extras; see `material`."""
    return f"00000000-0000-4000-a000-{10 * (2 * number + 1) + 1:012d}"


def _comparable(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {name: _comparable(value) for name, value in content.items() if name not in _OWN}
    if isinstance(content, list):
        return [_comparable(item) for item in content]
    return content
