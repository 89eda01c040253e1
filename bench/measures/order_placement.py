"""Placing an order: three lines, delivery, cash on delivery, a new Idempotency-Key each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import httpx

from bench import ceilings, load
from bench.context import ORM, PLATFORM, RAW, BenchContext
from bench.dataset import STOCKED, make_product_id
from bench.rounds import RESPONSES_PER_CONNECTION, Contender, ResponsesDiffer, Result, run_rounds
from bench.sections import Figure, Goal, Section, compute_ratio, find_result

LINES = 3
# Clients of pgbench.
FLOOR_CLIENTS = 16
# Fields that differ between two equal orders.
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
    -- Steps of 37: three different products.
    lines[place] = string.format(line, 1 + (first + place * 37) %% %(stocked)d, math.random(1, 2))
  end
  return wrk.format("POST", "/api/orders", {
    ["content-type"] = "application/json",
    ["authorization"] = "Bearer " .. tokens[who],
    ["idempotency-key"] = string.format("%(run)s-%%d", number),
  }, string.format(body, addresses[who], table.concat(lines, ",")))
end
"""


def measure(context: BenchContext, connections: int) -> Section:
    """The platform's processor time includes the events and emails of its orders."""
    contenders = [*context.monoliths(), context.platform(settle=True)]
    check_orders(context, contenders)
    if connections > 1 or not context.fast:
        contenders.append(context.order_path_only())

    def run(contender: Contender, seconds: float) -> load.Load:
        return load.run(
            contender.url, make_script(context), connections=connections, seconds=seconds, directory=context.directory
        )

    rounds, seconds = (3, 2.0) if context.fast else (5, 6.0)
    if context.fast and connections > FLOOR_CLIENTS:
        rounds = 2  # turns are long: see RESPONSES_PER_CONNECTION
    responses = RESPONSES_PER_CONNECTION * connections
    results = run_rounds(
        contenders, run, rounds=rounds, seconds=seconds, responses=responses, show_detail=context.show_detail
    )
    section = Section(
        f"placing an order of {LINES} lines, {connections} connection{'s' if connections > 1 else ''}",
        unit="orders/s",
        results=results,
    )
    if connections == 1:
        section.goals = [_make_latency_goal(results)]
        return section
    context.show_detail("pgbench")
    floor = ceilings.measure_order_ceiling(context, clients=FLOOR_CLIENTS, seconds=seconds / 2)
    section.figures = [Figure(f"pgbench, the same statements, {FLOOR_CLIENTS} clients", floor, "orders/s")]
    section.goals = _make_goals(connections, results, floor)
    return section


def _make_latency_goal(results: Sequence[Result]) -> Goal:
    p50, orm_p50 = (find_result(results, name).median(lambda turn: turn.load.p50) for name in (PLATFORM, ORM))
    return Goal("placing an order, one client, p50", p50 / orm_p50, 0.6, at_least=False)


def _make_goals(connections: int, results: Sequence[Result], floor: float) -> list[Goal]:
    name = f"placing an order, {connections} clients"
    faster, share = compute_ratio(results, PLATFORM, ORM), find_result(results, PLATFORM).rate / floor
    if connections == FLOOR_CLIENTS:
        return [Goal(name, faster, 3.0, 4.0), Goal(f"{name}, against pgbench", share, 0.4)]
    return [
        Goal(name, faster, 5.0, 7.0),
        Goal(f"{name}, against pgbench at {FLOOR_CLIENTS}", share, 0.65),
        Goal(f"{name}, against SQL by hand", compute_ratio(results, PLATFORM, RAW), 1.2),
    ]


def make_script(context: BenchContext) -> str:
    """The Lua script of one run, with idempotency keys that no other run uses."""
    tag = uuid4().hex
    return _SCRIPT % {
        "seed": int(tag[:7], 16),
        "run": tag[:16],
        "tokens": load.format_lua_table(context.dataset.tokens()),
        "addresses": load.format_lua_table([customer.address_id for customer in context.dataset.customers]),
        "store_id": context.dataset.store_id,
        "stocked": STOCKED,
        "lines": LINES,
    }


def check_orders(context: BenchContext, contenders: Sequence[Contender]) -> None:
    """The same cart must give the same order, to the paisa, from all contenders, and read back unchanged."""
    token, customer = context.dataset.tokens()[0], context.dataset.customers[0]
    body = {
        "storeId": context.dataset.store_id,
        "fulfilmentType": "DELIVERY",
        "paymentMethod": "COD",
        "addressId": customer.address_id,
        # Product 4 has a required option, left to its default here, and an extra, chosen here.
        "lines": [
            {"productId": make_product_id(1), "quantity": 1},
            {"productId": make_product_id(4), "quantity": 2, "optionIds": [_make_extra_id(4)]},
            {"productId": make_product_id(7), "quantity": 1},
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
            raise ResponsesDiffer(contender.name, "its own replay", str(placed), str(again))
        answers.append(_drop_own_fields(placed))
    for contender, answer in zip(contenders, answers, strict=True):
        if answer != answers[0]:
            raise ResponsesDiffer(contenders[0].name, contender.name, str(answers[0]), str(answer))


def _make_extra_id(number: int) -> str:
    """Id of the second choice of the product's extras; see `dataset`."""
    return f"00000000-0000-4000-a000-{10 * (2 * number + 1) + 1:012d}"


def _drop_own_fields(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {name: _drop_own_fields(value) for name, value in content.items() if name not in _OWN}
    if isinstance(content, list):
        return [_drop_own_fields(item) for item in content]
    return content
