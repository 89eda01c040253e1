"""Reading one of a thousand public products."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import httpx

from bench import ceilings, load
from bench.context import ORM, PLATFORM, BenchContext, running
from bench.cpu import Roots
from bench.dataset import READ, make_product_id
from bench.rounds import RESPONSES_PER_CONNECTION, Contender, ResponsesDiffer, run_rounds
from bench.sections import Figure, Goal, Section, compute_ratio, find_result
from bench.stack import LIMITS, StackFailed
from devstack.edge import Edge
from devstack.ports import LOOPBACK, free_port
from services.inventory.queries.products import GET_PRODUCT

CONNECTIONS = 16
CACHED, UNCACHED, DIRECT = f"{PLATFORM}, service cache", f"{PLATFORM}, no cache", "Envoy alone, same bytes"
_SCRIPT = f"""
math.randomseed(%d)
request = function()
  return wrk.format("GET", string.format("/api/products/00000000-0000-4000-8000-%%012d", math.random(1, {READ})))
end
"""


def measure(context: BenchContext) -> Section:
    """Through the edge with and without the service's cache, compared with the baselines and with Envoy alone."""
    with _run_without_cache(context) as uncached, _run_static_envoy(context) as direct:
        cached = replace(context.platform(), name=CACHED)
        contenders = [*context.monoliths(), uncached, cached, direct]
        _check_responses(contenders[:-1])
        _fill_cache(cached)
        seeds = iter(range(1, 1000))

        def run(contender: Contender, seconds: float) -> load.Load:
            script = _SCRIPT % next(seeds)
            return load.run(
                contender.url, script, connections=CONNECTIONS, seconds=seconds, directory=context.directory
            )

        rounds, seconds = (3, 1.0) if context.fast else (5, 6.0)
        responses = RESPONSES_PER_CONNECTION * CONNECTIONS
        results = run_rounds(
            contenders, run, rounds=rounds, seconds=seconds, responses=responses, show_detail=context.show_detail
        )
    context.show_detail("pgbench")
    floor = ceilings.run_pgbench(
        context,
        context.stack.processes.postgres.url("inventory"),
        _make_pgbench_script(),
        clients=CONNECTIONS,
        seconds=seconds,
    )
    orm_cpu = find_result(results, ORM).cpu
    return Section(
        f"one product, {CONNECTIONS} connections",
        results=results,
        figures=[Figure("pgbench, the same statement", floor, "statements/s")],
        goals=[
            Goal("product without any cache", compute_ratio(results, UNCACHED, ORM), 2.3),
            Goal("product with the service's cache", compute_ratio(results, CACHED, ORM), 4.0),
            Goal(
                "its processor time, without any cache",
                find_result(results, UNCACHED).cpu / orm_cpu,
                0.6,
                at_least=False,
            ),
            Goal(
                "its processor time, with the cache", find_result(results, CACHED).cpu / orm_cpu, 0.35, at_least=False
            ),
        ],
    )


@contextmanager
def _run_without_cache(context: BenchContext) -> Iterator[Contender]:
    """The platform with a second edge and a replica of inventory whose cache holds a single product."""
    settings = {"PRODUCT_CACHE_ENTRIES": "1", "LIST_CACHE_ENTRIES": "1"}
    replica, port = context.stack.start_replica("inventory", settings)
    edge = _edge_to(context, port)
    try:
        edge.render()
        edge.start()
        _wait_for_products(f"http://{LOOPBACK}:{edge.port}")
        roots = {"edge": edge.daemon.process, "inventory": replica.process, **_postgres_root(context)}
        yield Contender(UNCACHED, f"http://{LOOPBACK}:{edge.port}", roots)
    finally:
        edge.stop()
        replica.stop()


def _edge_to(context: BenchContext, inventory_port: int) -> Edge:
    own = context.stack.processes.edge.settings
    settings = {name: value for name, value in own.items() if name not in {"config_dir", "admin_socket"}}
    targets = {**context.stack.processes.edge.settings["targets"], "inventory": [f"{LOOPBACK}:{inventory_port}"]}  # type: ignore[dict-item]
    settings |= {name.lower(): int(value) for name, value in LIMITS.items()}
    settings |= {"listen_port": free_port(), "jwks_port": free_port(), "targets": targets}
    place = context.stack.run_directory
    return Edge(context.directory / "edge-2", settings, log=place.log("edge-2"), pid_file=place.pid_file("edge-2"))


def _wait_for_products(url: str) -> None:
    """Waits until the edge has found its services healthy."""
    transport = httpx.HTTPTransport(retries=3)
    with httpx.Client(transport=transport) as client:
        for _ in range(200):
            if client.get(f"{url}/api/products/{make_product_id(1)}").status_code == httpx.codes.OK:
                return
            time.sleep(0.05)
    raise StackFailed("the second edge does not reach inventory")


def _postgres_root(context: BenchContext) -> dict[str, Roots]:
    return {"postgres": context.platform().roots["postgres"]}


@contextmanager
def _run_static_envoy(context: BenchContext) -> Iterator[Contender]:
    body = httpx.get(f"{context.stack.url}/api/products/{make_product_id(1)}").raise_for_status().content
    daemon, url = ceilings.make_static_envoy(context, body)
    with running(daemon):
        ceilings.wait_until_listening(daemon, url)
        yield Contender(DIRECT, url, {"envoy": daemon.process})


def _check_responses(contenders: Sequence[Contender]) -> None:
    """All contenders must give the same response. Product 4 has options."""
    for number in (1, 4):
        answers = [
            httpx.get(f"{each.url}/api/products/{make_product_id(number)}").raise_for_status() for each in contenders
        ]
        first = answers[0].json()
        for contender, answer in zip(contenders, answers, strict=True):
            if answer.json() != first:
                raise ResponsesDiffer(contenders[0].name, contender.name, answers[0].text, answer.text)


def _fill_cache(contender: Contender) -> None:
    """Reads every product once, so that the cache is full before the first turn."""
    with httpx.Client(base_url=contender.url) as client:
        for number in range(1, READ + 1):
            client.get(f"/api/products/{make_product_id(number)}").raise_for_status()


def _make_pgbench_script() -> str:
    """The service's own statement, with a random product."""
    statement = GET_PRODUCT.text.decode().replace("%%", "%")
    statement = statement.replace("%(store_id)s::UUID", "NULL::uuid").replace("%(store_id)s", "NULL::uuid")
    product = "('00000000-0000-4000-8000-' || lpad((:number)::text, 12, '0'))::uuid"
    statement = re.sub(r"%\(product_id\)s(::UUID)?", product, statement)
    return f"\\set number random(1, {READ})\n{' '.join(statement.split())};\n"
