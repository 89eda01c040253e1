"""Reading an own order: the token is verified, and the query is limited to the caller's orders."""

from __future__ import annotations

from uuid import UUID

import psycopg

from bench import load
from bench.context import ORM, PLATFORM, BenchContext
from bench.dataset import BASELINE, BASELINE_DATABASE
from bench.rounds import RESPONSES_PER_CONNECTION, Contender, run_rounds
from bench.sections import Goal, Section, compute_ratio, find_result

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


def measure(context: BenchContext) -> Section:
    """Reads random ones of the newest orders of each customer."""
    postgres = context.stack.processes.postgres
    contenders = [*context.monoliths(), context.platform()]
    own = _read_newest_orders(context, postgres.url("order"))
    others = _read_newest_orders(context, postgres.url(BASELINE, BASELINE_DATABASE))
    seeds = iter(range(1, 1000))

    def run(contender: Contender, seconds: float) -> load.Load:
        owners = own if contender.name == PLATFORM else others
        tokens = dict(
            zip((each.session.customer_id for each in context.dataset.customers), context.dataset.tokens(), strict=True)
        )
        script = _SCRIPT % {
            "seed": next(seeds),
            "paths": load.format_lua_table([str(order_id) for _, order_id in owners]),
            "tokens": load.format_lua_table([tokens[str(customer_id)] for customer_id, _ in owners]),
        }
        return load.run(contender.url, script, connections=CONNECTIONS, seconds=seconds, directory=context.directory)

    rounds, seconds = (3, 1.0) if context.fast else (5, 6.0)
    responses = RESPONSES_PER_CONNECTION * CONNECTIONS
    results = run_rounds(
        contenders, run, rounds=rounds, seconds=seconds, responses=responses, show_detail=context.show_detail
    )
    cpu = find_result(results, PLATFORM).cpu / find_result(results, ORM).cpu
    return Section(
        f"one's own order, {CONNECTIONS} connections",
        results=results,
        goals=[
            Goal("one's own order", compute_ratio(results, PLATFORM, ORM), 2.0),
            Goal("its processor time", cpu, 0.6, at_least=False),
        ],
    )


def _read_newest_orders(context: BenchContext, url: str) -> list[tuple[UUID, UUID]]:
    accounts = [UUID(customer.session.customer_id) for customer in context.dataset.customers]
    with psycopg.connect(url) as connection:
        found: list[tuple[UUID, UUID]] = connection.execute(_NEWEST, (accounts, _EACH)).fetchall()
    return found
