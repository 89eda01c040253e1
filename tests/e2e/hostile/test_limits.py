"""The seed's own rate limits, through an edge that has them, in front of the services of the running stack.

A bucket is full at first and fills again evenly, so in so many seconds nobody gets more than the limit and what has
flowed in since.
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
from tests.e2e.hostile.forging import Forger
from tests.e2e.hostile.wire import Answer, in_turn, request_line
from tests.e2e.platform import Platform, eventually

PUBLIC, CUSTOMER, ADMIN, GUESSES, WEBHOOKS = 100, 1000, 5000, 30, 3000
# Answered by the edge alone, behind its limits: the limit is tried and not the services.
NOWHERE = "/api/nowhere"
TOO_MANY = 429

_hosts = iter(f"127.0.{part}.{host}" for part in range(1, 9) for host in range(1, 250))


def new_address() -> str:
    """A client address of this machine that nobody has used: all of 127.0.0.0/8 is loopback."""
    return next(_hosts)


def real_edge(platform: Platform, directory: Path, port: int, **settings: object) -> Edge:
    """An edge like the stack's, with the limits that it has by itself."""
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
    edge = real_edge(running, tmp_path_factory.mktemp("limits") / "edge", free_port())
    yield edge.port
    edge.stop()


@pytest.fixture(scope="module")
def pair(running: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """The ports of two replicas of one edge."""
    directory, ports = tmp_path_factory.mktemp("limits"), (free_port(), free_port())
    peers = ",".join(f"{LOOPBACK}:{port}" for port in ports)
    edges = [real_edge(running, directory / str(port), port, edge_peers=peers) for port in ports]
    yield ports
    for edge in edges:
        edge.stop()


@dataclass(frozen=True)
class Burst:
    """What came of many requests at once."""

    answers: Sequence[Answer]
    seconds: float

    @property
    def passed(self) -> int:
        return sum(answer.status != TOO_MANY for answer in self.answers)

    @property
    def refused(self) -> list[Answer]:
        return [answer for answer in self.answers if answer.status == TOO_MANY]

    def keeps(self, limit: int, *, whole: bool = True) -> bool:
        """Whether no more passed than the limit allows; with `whole`, no fewer either."""
        most = limit + math.ceil(self.seconds * limit / 60) + 1
        return (limit if whole else 0) <= self.passed <= most


def burst(port: int, count: int, source: str, *fields: str, method: str = "GET", path: str = NOWHERE) -> Burst:
    begun = time.monotonic()
    request = request_line(method, path, *fields, close=False)
    return Burst(in_turn(port, [request] * count, source, seconds=60), time.monotonic() - begun)


@pytest.fixture(scope="module")
def token(forger: Forger, victim: Victim, edge: int) -> Callable[..., str]:
    """Makes access tokens of accounts that nobody has used, which this edge knows how to read."""

    def make(*, admin: bool = False) -> str:
        roles = ["CUSTOMER", "ADMIN"] if admin else ["CUSTOMER"]
        changed = {"sub": str(uuid4()), "sid": str(uuid4()), "admin": admin, "roles": roles}
        return forger.signed(forger.claims(victim.session.token, **changed))

    knows_customers(edge, make)
    return make


def knows_customers(port: int, token: Callable[..., str]) -> None:
    """Returns when the edge has fetched the keys and sees an account where there is one."""

    def limit() -> str:
        answer = burst(port, 1, new_address(), f"authorization: Bearer {token()}").answers[0]
        return answer.headers["x-ratelimit-limit"]

    # Replicas share a limit out, so one of them states its part.
    eventually(lambda: int(limit()) > PUBLIC, "the edge has the keys")


def test_a_stranger_has_a_hundred_requests_and_is_told_so(edge: int) -> None:
    found = burst(edge, PUBLIC + 40, new_address(), path="/api/stores?pageSize=1")
    assert found.keeps(PUBLIC), found.passed
    first, last = found.answers[0], found.refused[-1]
    assert first.status == 200
    assert first.headers["x-ratelimit-limit"] == str(PUBLIC)
    assert int(first.headers["x-ratelimit-remaining"]) == PUBLIC - 1
    assert last.headers["x-ratelimit-remaining"] == "0"
    assert int(last.headers["x-ratelimit-reset"]) <= 60
    assert int(last.headers["retry-after"]) >= 1
    told = json.loads(last.body)
    assert (told["code"], told["details"][0]["reason"]) == (8, "RATE_LIMITED")


@pytest.mark.parametrize(
    "name", ["x-forwarded-for", "x-real-ip", "forwarded", "x-envoy-external-address", "x-auth-sub", "x-auth-admin",
             "x-jwt-payload", "x-client-ip", "true-client-ip", "cf-connecting-ip"],
)  # fmt: skip
def test_what_a_client_says_of_itself_gives_it_no_other_bucket(edge: int, name: str) -> None:
    begun, source = time.monotonic(), new_address()
    requests = [
        request_line("GET", NOWHERE, f"{name}: {value}", close=False)
        for number in range(PUBLIC + 50)
        for value in (f"198.51.100.{number}" if name not in {"x-auth-sub", "x-auth-admin"} else "true",)
    ]
    found = Burst(in_turn(edge, requests, source), time.monotonic() - begun)
    assert found.keeps(PUBLIC), found.passed


def test_each_address_has_its_own_share(edge: int) -> None:
    for source in (new_address(), new_address()):
        assert burst(edge, PUBLIC + 20, source).keeps(PUBLIC)


def test_a_customer_has_a_thousand_wherever_the_requests_come_from(edge: int, token: Callable[..., str]) -> None:
    mine, other = f"authorization: Bearer {token()}", f"authorization: Bearer {token()}"
    with ThreadPoolExecutor(max_workers=2) as pool:
        begun = time.monotonic()
        halves = list(pool.map(lambda source: burst(edge, 600, source, mine), (new_address(), new_address())))
        seconds = time.monotonic() - begun
    whole = Burst([answer for half in halves for answer in half.answers], seconds)
    assert whole.keeps(CUSTOMER), whole.passed
    assert not burst(edge, 10, new_address(), other).refused


def test_an_admin_has_five_thousand(edge: int, token: Callable[..., str]) -> None:
    found = burst(edge, ADMIN + 200, new_address(), f"authorization: Bearer {token(admin=True)}")
    assert found.keeps(ADMIN), found.passed


def test_a_token_that_is_none_is_a_stranger_s(edge: int, token: Callable[..., str]) -> None:
    source = new_address()
    forged = [f"authorization: Bearer {token()[:-6]}AAAAAA", "authorization: Bearer x", "cookie: at=x.y.z"]
    begun = time.monotonic()
    requests = [request_line("GET", NOWHERE, forged[number % 3], close=False) for number in range(PUBLIC + 50)]
    assert Burst(in_turn(edge, requests, source), time.monotonic() - begun).keeps(PUBLIC)


@pytest.mark.parametrize("known", [False, True])
def test_guesses_at_passwords_and_codes_share_a_low_limit(edge: int, token: Callable[..., str], known: bool) -> None:
    source = new_address()
    fields = ["content-type: application/json", "content-length: 2"]
    fields += [f"authorization: Bearer {token()}"] if known else []
    paths = ("/api/auth/login", "/api/auth/verify", "/api//auth/password/reset", "/api/auth/password/forgot/")
    begun = time.monotonic()
    requests = [request_line("POST", paths[number % 4], *fields, close=False) + b"{}" for number in range(GUESSES + 20)]
    found = Burst(in_turn(edge, requests, source, seconds=60), time.monotonic() - begun)
    assert found.keeps(GUESSES), found.passed
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in found.refused)
    assert burst(edge, 1, source, path="/api/stores?pageSize=1").answers[0].status == 200


def test_webhooks_have_a_bucket_of_their_own(edge: int) -> None:
    source = new_address()
    assert burst(edge, PUBLIC + 20, source).refused
    begun = time.monotonic()
    request = request_line("POST", "/api/payments/webhook", "content-length: 1", close=False) + b"x"
    found = Burst(in_turn(edge, [request] * 150, source, seconds=60), time.monotonic() - begun)
    assert not found.refused
    assert found.answers[0].headers["x-ratelimit-limit"] == str(WEBHOOKS)


def test_several_edges_let_through_no_more_than_one(pair: tuple[int, int], token: Callable[..., str]) -> None:
    def both(count: int, source: str, *fields: str) -> Burst:
        begun = time.monotonic()
        with ThreadPoolExecutor(max_workers=2) as pool:
            halves = list(pool.map(lambda port: burst(port, count, source, *fields), pair))
        return Burst([answer for half in halves for answer in half.answers], time.monotonic() - begun)

    bearer = f"authorization: Bearer {token()}"
    for port in pair:
        knows_customers(port, token)
    assert both(PUBLIC + 20, new_address()).keeps(PUBLIC)
    assert both(CUSTOMER + 50, new_address(), bearer).keeps(CUSTOMER)


def test_the_stack_that_people_start_has_the_limits_of_the_seed(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PUBLIC", "USER", "ADMIN"):
        monkeypatch.delenv(f"{name}_PER_MINUTE", raising=False)
    settings = Processes(RunDirectory(running.run_dir), running.edge_port).edge.settings
    assert not {"public_per_minute", "user_per_minute", "admin_per_minute"} & set(settings)
