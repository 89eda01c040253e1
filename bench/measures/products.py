"""Reading one product of a thousand, as everybody may see it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import httpx

from bench import floors, load
from bench.arena import ORM, PLATFORM, Arena, running
from bench.contest import ANSWERS_PER_CONNECTION, Contender, Unlike, compete
from bench.cpu import Roots
from bench.findings import Figure, Goal, Section, named, ratio
from bench.material import READ, product_id
from bench.stack import LIMITS, StackFailed
from devstack.edge import Edge
from devstack.ports import LOOPBACK, free_port
from services.inventory.queries.products import PRODUCT

CONNECTIONS = 16
CACHED, UNCACHED, DIRECT = f"{PLATFORM}, service cache", f"{PLATFORM}, no cache", "Envoy alone, same bytes"
_SCRIPT = f"""
math.randomseed(%d)
request = function()
  return wrk.format("GET", string.format("/api/products/00000000-0000-4000-8000-%%012d", math.random(1, {READ})))
end
"""


def measure(arena: Arena) -> Section:
    """Through the edge with and without the service's cache, against the baselines and what Envoy can do at most."""
    with _without_cache(arena) as uncached, _direct(arena) as direct:
        cached = replace(arena.platform(), name=CACHED)
        contenders = [*arena.monoliths(), uncached, cached, direct]
        _check_alike(contenders[:-1])
        _warm(cached)
        seeds = iter(range(1, 1000))

        def run(contender: Contender, seconds: float) -> load.Load:
            script = _SCRIPT % next(seeds)
            return load.run(contender.url, script, connections=CONNECTIONS, seconds=seconds, directory=arena.directory)

        rounds, seconds = (3, 1.0) if arena.fast else (5, 6.0)
        answers = ANSWERS_PER_CONNECTION * CONNECTIONS
        results = compete(contenders, run, rounds=rounds, seconds=seconds, answers=answers, tell=arena.tell)
    arena.tell("pgbench")
    floor = floors.pgbench(
        arena,
        arena.stack.processes.postgres.url("inventory"),
        _pgbench_script(),
        clients=CONNECTIONS,
        seconds=seconds,
    )
    orm_cpu = named(results, ORM).cpu
    return Section(
        f"one product, {CONNECTIONS} connections",
        results=results,
        figures=[Figure("pgbench, the same statement", floor, "statements/s")],
        goals=[
            Goal("product without any cache", ratio(results, UNCACHED, ORM), 2.3),
            Goal("product with the service's cache", ratio(results, CACHED, ORM), 4.0),
            Goal("its processor time, without any cache", named(results, UNCACHED).cpu / orm_cpu, 0.6, at_least=False),
            Goal("its processor time, with the cache", named(results, CACHED).cpu / orm_cpu, 0.35, at_least=False),
        ],
    )


@contextmanager
def _without_cache(arena: Arena) -> Iterator[Contender]:
    """The same road through an edge of its own to a replica that keeps one product at a time."""
    settings = {"PRODUCT_CACHE_ENTRIES": "1", "LIST_CACHE_ENTRIES": "1"}
    replica, port = arena.stack.replica("inventory", settings)
    edge = _edge_to(arena, port)
    try:
        edge.render()
        edge.start()
        _wait_for_products(f"http://{LOOPBACK}:{edge.port}")
        roots = {"edge": edge.daemon.process, "inventory": replica.process, **_postgres(arena)}
        yield Contender(UNCACHED, f"http://{LOOPBACK}:{edge.port}", roots)
    finally:
        edge.stop()
        replica.stop()


def _edge_to(arena: Arena, inventory_port: int) -> Edge:
    own = arena.stack.processes.edge.settings
    settings = {name: value for name, value in own.items() if name not in {"config_dir", "admin_socket"}}
    targets = {**arena.stack.processes.edge.settings["targets"], "inventory": [f"{LOOPBACK}:{inventory_port}"]}  # type: ignore[dict-item]
    settings |= {name.lower(): int(value) for name, value in LIMITS.items()}
    settings |= {"listen_port": free_port(), "jwks_port": free_port(), "targets": targets}
    place = arena.stack.place
    return Edge(arena.directory / "edge-2", settings, log=place.log("edge-2"), pid_file=place.pid_file("edge-2"))


def _wait_for_products(url: str) -> None:
    """Until the edge has found its services healthy."""
    transport = httpx.HTTPTransport(retries=3)
    with httpx.Client(transport=transport) as client:
        for _ in range(200):
            if client.get(f"{url}/api/products/{product_id(1)}").status_code == httpx.codes.OK:
                return
            time.sleep(0.05)
    raise StackFailed("the second edge does not find inventory")


def _postgres(arena: Arena) -> dict[str, Roots]:
    return {"postgres": arena.platform().roots["postgres"]}


@contextmanager
def _direct(arena: Arena) -> Iterator[Contender]:
    body = httpx.get(f"{arena.stack.url}/api/products/{product_id(1)}").raise_for_status().content
    daemon, url = floors.direct_response(arena, body)
    with running(daemon):
        floors.wait_listening(daemon, url)
        yield Contender(DIRECT, url, {"envoy": daemon.process})


def _check_alike(contenders: Sequence[Contender]) -> None:
    """Everybody gives the same answer, or there is nothing to compare. Number 4 has options."""
    for number in (1, 4):
        answers = [httpx.get(f"{each.url}/api/products/{product_id(number)}").raise_for_status() for each in contenders]
        first = answers[0].json()
        for contender, answer in zip(contenders, answers, strict=True):
            if answer.json() != first:
                raise Unlike(contenders[0].name, contender.name, answers[0].text, answer.text)


def _warm(contender: Contender) -> None:
    """Every product once: the cache is full before anything counts."""
    with httpx.Client(base_url=contender.url) as client:
        for number in range(1, READ + 1):
            client.get(f"/api/products/{product_id(number)}").raise_for_status()


def _pgbench_script() -> str:
    """The service's own statement, with a product by chance."""
    statement = PRODUCT.text.decode().replace("%%", "%")
    statement = statement.replace("%(store_id)s::UUID", "NULL::uuid").replace("%(store_id)s", "NULL::uuid")
    product = "('00000000-0000-4000-8000-' || lpad((:number)::text, 12, '0'))::uuid"
    statement = re.sub(r"%\(product_id\)s(::UUID)?", product, statement)
    return f"\\set number random(1, {READ})\n{' '.join(statement.split())};\n"
