"""The default rate limits, at an additional edge in front of the services of the running stack.

A bucket starts full and refills evenly: a caller gets at most the limit and the tokens refilled during the test.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from devstack.edge import Edge
from devstack.ports import LOOPBACK, free_port
from devstack.run_directory import RunDirectory
from devstack.services import Processes
from tests.e2e.hostile.conftest import Victim
from tests.e2e.hostile.forger import Forger
from tests.e2e.hostile.wire import Answer, in_turn, request_line
from tests.e2e.platform import Platform, eventually

PUBLIC, CUSTOMER, ADMIN, GUESSES, WEBHOOKS = 100, 1000, 5000, 30, 3000
# The edge answers this path itself, after the limits: no service is called.
NOWHERE = "/api/nowhere"
TOO_MANY = 429

_hosts = iter(f"127.0.{part}.{host}" for part in range(1, 9) for host in range(1, 250))


def new_address() -> str:
    """An unused client address: all of 127.0.0.0/8 is loopback."""
    return next(_hosts)


def start_edge(platform: Platform, directory: Path, port: int, **settings: object) -> Edge:
    """An edge with the settings of the stack and the default limits."""
    stack = {name: value for name, value in platform.processes.edge.settings.items() if not name.endswith("per_minute")}
    directory.mkdir()
    own = {"config_dir": str(directory), "listen_port": port, "jwks_port": free_port(), **settings}
    edge = Edge(directory, {**stack, **own}, log=directory / "edge.log", pid_file=directory / "edge.pid")
    edge.render()
    edge.start()
    return edge


@pytest.fixture(scope="module")
def edge(running: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of one edge."""
    edge = start_edge(running, tmp_path_factory.mktemp("limits") / "edge", free_port())
    yield edge.port
    edge.stop()


@pytest.fixture(scope="module")
def pair(running: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """The ports of two replicas of one edge."""
    directory, ports = tmp_path_factory.mktemp("limits"), (free_port(), free_port())
    peers = ",".join(f"{LOOPBACK}:{port}" for port in ports)
    edges = [start_edge(running, directory / str(port), port, edge_peers=peers) for port in ports]
    yield ports
    for edge in edges:
        edge.stop()


@dataclass(frozen=True)
class Burst:
    """The responses to many requests."""

    answers: Sequence[Answer]
    seconds: float

    @property
    def passed(self) -> int:
        return sum(answer.status != TOO_MANY for answer in self.answers)

    @property
    def rejected(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.status == TOO_MANY]

    def is_limited_to(self, limit: int, *, whole: bool = True) -> bool:
        """Whether at most the limit passed; with `whole`, also not fewer."""
        most = limit + math.ceil(self.seconds * limit / 60) + 1
        return (limit if whole else 0) <= self.passed <= most


def burst(port: int, count: int, source: str, *fields: str, method: str = "GET", path: str = NOWHERE) -> Burst:
    begun = time.monotonic()
    request = request_line(method, path, *fields, close=False)
    return Burst(in_turn(port, [request] * count, source, seconds=60), time.monotonic() - begun)


@pytest.fixture(scope="module")
def token(forger: Forger, victim: Victim, edge: int) -> Callable[..., str]:
    """Returns a factory for access tokens of new accounts. The edge has the keys to verify them."""

    def make(*, admin: bool = False) -> str:
        roles = ["CUSTOMER", "ADMIN"] if admin else ["CUSTOMER"]
        changed = {"sub": str(uuid4()), "sid": str(uuid4()), "admin": admin, "roles": roles}
        return forger.signed(forger.claims(victim.session.token, **changed))

    wait_until_keys_are_fetched(edge, make)
    return make


def wait_until_keys_are_fetched(port: int, token: Callable[..., str]) -> None:
    """Waits until the edge has fetched the keys, and the limit of a token is that of an account."""

    def limit() -> str:
        answer = burst(port, 1, new_address(), f"authorization: Bearer {token()}").answers[0]
        return answer.headers["x-ratelimit-limit"]

    # Each replica reports its share of the limit.
    eventually(lambda: int(limit()) > PUBLIC, "the edge has the keys")


def test_an_anonymous_client_has_a_hundred_requests_and_gets_the_limit_in_headers(edge: int) -> None:
    found = burst(edge, PUBLIC + 40, new_address(), path="/api/stores?pageSize=1")
    assert found.is_limited_to(PUBLIC), found.passed
    first, last = found.answers[0], found.rejected[-1]
    assert first.status == 200
    assert first.headers["x-ratelimit-limit"] == str(PUBLIC)
    assert int(first.headers["x-ratelimit-remaining"]) == PUBLIC - 1
    assert last.headers["x-ratelimit-remaining"] == "0"
    assert int(last.headers["x-ratelimit-reset"]) <= 60
    assert int(last.headers["retry-after"]) >= 1
    error = json.loads(last.body)
    assert (error["code"], error["details"][0]["reason"]) == (8, "RATE_LIMITED")


@pytest.mark.parametrize(
    "name", ["x-forwarded-for", "x-real-ip", "forwarded", "x-envoy-external-address", "x-auth-sub", "x-auth-admin",
             "x-jwt-payload", "x-client-ip", "true-client-ip", "cf-connecting-ip"],
)  # fmt: skip
def test_headers_of_a_client_do_not_select_its_bucket(edge: int, name: str) -> None:
    begun, source = time.monotonic(), new_address()
    requests = [
        request_line("GET", NOWHERE, f"{name}: {value}", close=False)
        for number in range(PUBLIC + 50)
        for value in (f"198.51.100.{number}" if name not in {"x-auth-sub", "x-auth-admin"} else "true",)
    ]
    found = Burst(in_turn(edge, requests, source), time.monotonic() - begun)
    assert found.is_limited_to(PUBLIC), found.passed


def test_each_address_has_its_own_bucket(edge: int) -> None:
    for source in (new_address(), new_address()):
        assert burst(edge, PUBLIC + 20, source).is_limited_to(PUBLIC)


def test_a_customer_has_a_thousand_requests_from_all_addresses_together(edge: int, token: Callable[..., str]) -> None:
    mine, other = f"authorization: Bearer {token()}", f"authorization: Bearer {token()}"
    with ThreadPoolExecutor(max_workers=2) as pool:
        begun = time.monotonic()
        halves = list(pool.map(lambda source: burst(edge, 600, source, mine), (new_address(), new_address())))
        seconds = time.monotonic() - begun
    whole = Burst([answer for half in halves for answer in half.answers], seconds)
    assert whole.is_limited_to(CUSTOMER), whole.passed
    assert not burst(edge, 10, new_address(), other).rejected


def test_an_admin_has_five_thousand_requests(edge: int, token: Callable[..., str]) -> None:
    found = burst(edge, ADMIN + 200, new_address(), f"authorization: Bearer {token(admin=True)}")
    assert found.is_limited_to(ADMIN), found.passed


def test_an_invalid_token_has_the_bucket_of_an_anonymous_client(edge: int, token: Callable[..., str]) -> None:
    source = new_address()
    forged = [f"authorization: Bearer {token()[:-6]}AAAAAA", "authorization: Bearer x", "cookie: at=x.y.z"]
    begun = time.monotonic()
    requests = [request_line("GET", NOWHERE, forged[number % 3], close=False) for number in range(PUBLIC + 50)]
    assert Burst(in_turn(edge, requests, source), time.monotonic() - begun).is_limited_to(PUBLIC)


@pytest.mark.parametrize("with_token", [False, True])
def test_brute_force_limited_methods_share_a_low_limit(edge: int, token: Callable[..., str], with_token: bool) -> None:
    source = new_address()
    fields = ["content-type: application/json", "content-length: 2"]
    fields += [f"authorization: Bearer {token()}"] if with_token else []
    paths = ("/api/auth/login", "/api/auth/verify", "/api//auth/password/reset", "/api/auth/password/forgot/")
    begun = time.monotonic()
    requests = [request_line("POST", paths[number % 4], *fields, close=False) + b"{}" for number in range(GUESSES + 20)]
    found = Burst(in_turn(edge, requests, source, seconds=60), time.monotonic() - begun)
    assert found.is_limited_to(GUESSES), found.passed
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in found.rejected)
    assert burst(edge, 1, source, path="/api/stores?pageSize=1").answers[0].status == 200


def test_webhooks_have_their_own_bucket(edge: int) -> None:
    source = new_address()
    assert burst(edge, PUBLIC + 20, source).rejected
    begun = time.monotonic()
    request = request_line("POST", "/api/payments/webhook", "content-length: 1", close=False) + b"x"
    found = Burst(in_turn(edge, [request] * 150, source, seconds=60), time.monotonic() - begun)
    assert not found.rejected
    assert found.answers[0].headers["x-ratelimit-limit"] == str(WEBHOOKS)


def test_two_replicas_of_the_edge_share_the_limits_of_one(pair: tuple[int, int], token: Callable[..., str]) -> None:
    def both(count: int, source: str, *fields: str) -> Burst:
        begun = time.monotonic()
        with ThreadPoolExecutor(max_workers=2) as pool:
            halves = list(pool.map(lambda port: burst(port, count, source, *fields), pair))
        return Burst([answer for half in halves for answer in half.answers], time.monotonic() - begun)

    bearer = f"authorization: Bearer {token()}"
    for port in pair:
        wait_until_keys_are_fetched(port, token)
    assert both(PUBLIC + 20, new_address()).is_limited_to(PUBLIC)
    assert both(CUSTOMER + 50, new_address(), bearer).is_limited_to(CUSTOMER)


def test_the_local_stack_has_the_default_limits(running: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PUBLIC", "USER", "ADMIN"):
        monkeypatch.delenv(f"{name}_PER_MINUTE", raising=False)
    settings = Processes(RunDirectory(running.run_dir), running.edge_port).edge.settings
    assert not {"public_per_minute", "user_per_minute", "admin_per_minute"} & set(settings)
