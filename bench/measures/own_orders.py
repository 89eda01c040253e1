"""Reading an order of one's own: the token is verified, and nobody else's order is found."""

from __future__ import annotations

from uuid import UUID

import psycopg

from bench import load
from bench.arena import ORM, PLATFORM, Arena
from bench.contest import ANSWERS_PER_CONNECTION, Contender, compete
from bench.findings import Goal, Section, named, ratio
from bench.material import BASELINE, BASELINE_DATABASE

CONNECTIONS = 16
_EACH = 50
_NEWEST = """
    SELECT customer_id, id FROM (
        SELECT customer_id, id, row_number() OVER (PARTITION BY customer_id ORDER BY id DESC) AS place
        FROM orders WHERE customer_id = ANY(%s)) AS ranked
    WHERE place <= %s
"""
_SCRIPT = """
math.randomseed(%(seed)d)
local paths, tokens = %(paths)s, %(tokens)s
request = function()
  local which = math.random(1, #paths)
  return wrk.format("GET", "/api/orders/" .. paths[which], { ["authorization"] = "Bearer " .. tokens[which] })
end
"""


def measure(arena: Arena) -> Section:
    """The newest orders of each customer, by chance."""
    postgres = arena.stack.processes.postgres
    contenders = [*arena.monoliths(), arena.platform()]
    own = _orders(arena, postgres.url("order"))
    others = _orders(arena, postgres.url(BASELINE, BASELINE_DATABASE))
    seeds = iter(range(1, 1000))

    def run(contender: Contender, seconds: float) -> load.Load:
        owners = own if contender.name == PLATFORM else others
        tokens = dict(
            zip((each.session.customer_id for each in arena.material.customers), arena.material.tokens(), strict=True)
        )
        script = _SCRIPT % {
            "seed": next(seeds),
            "paths": load.table([str(order_id) for _, order_id in owners]),
            "tokens": load.table([tokens[str(customer_id)] for customer_id, _ in owners]),
        }
        return load.run(contender.url, script, connections=CONNECTIONS, seconds=seconds, directory=arena.directory)

    rounds, seconds = (3, 1.0) if arena.fast else (5, 6.0)
    answers = ANSWERS_PER_CONNECTION * CONNECTIONS
    results = compete(contenders, run, rounds=rounds, seconds=seconds, answers=answers, tell=arena.tell)
    cpu = named(results, PLATFORM).cpu / named(results, ORM).cpu
    return Section(
        f"one's own order, {CONNECTIONS} connections",
        results=results,
        goals=[
            Goal("one's own order", ratio(results, PLATFORM, ORM), 2.0),
            Goal("its processor time", cpu, 0.6, at_least=False),
        ],
    )


def _orders(arena: Arena, url: str) -> list[tuple[UUID, UUID]]:
    accounts = [UUID(customer.session.customer_id) for customer in arena.material.customers]
    with psycopg.connect(url) as connection:
        found: list[tuple[UUID, UUID]] = connection.execute(_NEWEST, (accounts, _EACH)).fetchall()
    return found
