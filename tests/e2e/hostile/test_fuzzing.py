"""Random requests for a bounded time: none is a fault of the platform, and none learns what is not its sender's.

FUZZ_SECONDS and FUZZ_SEED choose how long and from where; the seed of a run is printed with what it found.
"""

from __future__ import annotations

import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
import pytest

from devstack.rest import Session
from tests.e2e.hostile.conftest import Victim
from tests.e2e.hostile.random_requests import Attempt, Generator
from tests.e2e.platform import Platform

SECONDS = float(os.environ.get("FUZZ_SECONDS", "30"))
SEED = int(os.environ.get("FUZZ_SEED", random.SystemRandom().getrandbits(32)))
# What only the inside knows: source, statements, drivers, places, versions.
INSIDE = (
    "Traceback",
    'File "',
    "psycopg",
    "sqlalchemy",
    "asyncio",
    "SELECT ",
    "INSERT INTO",
    "/services/",
    ".py",
    "grpc_",
)
# Settings of the whole platform, on which other tests rely, and sessions, without which the rest would be refused.
LEAVE_ALONE = (
    r"(POST|PUT|PATCH|DELETE) /api/(loyalty|notifications/(templates|send)|analytics)|password|logout|sessions|/watch"
)
# A machine that is busy may answer late; a fault answers again and again.
PASSING = {503, 504}


@dataclass
class Found:
    answers: dict[int, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Sender:
    """Who sends, and what that person may not read."""

    name: str
    who: Session | None
    ids: tuple[str, ...]
    secrets: tuple[str, ...]


@pytest.mark.timeout(SECONDS + 240)
def test_random_requests_find_no_fault_and_no_secret(
    running: Platform, victim: Victim, mallory: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    product_id, rest = running.new_product(stock=500), running.rest
    own = rest.post("/api/orders", running.cart(product_id), mallory, key=str(uuid4()))
    theirs = (victim.session.customer_id, victim.order["id"], victim.address_id, victim.order["payment"]["id"])
    known = (mallory.customer_id, own["id"], own["payment"]["id"], product_id, running.store_id)
    senders = [
        Sender("nobody", None, known + theirs, (*victim.marks, mallory.email)),
        Sender("a customer", mallory, known + theirs, victim.marks),
        Sender(
            "a manager", running.staff("manager"), (product_id, running.store_id, own["id"]), (victim.session.token,)
        ),
        Sender("an admin", running.admin, (product_id, str(uuid4())), (victim.session.token,)),
    ]
    found, until = Found(), time.monotonic() + SECONDS
    with ThreadPoolExecutor(max_workers=len(senders)) as pool:
        for done in [pool.submit(attack, running, sender, SEED + n, until, found) for n, sender in enumerate(senders)]:
            done.result()
    sent = sum(found.answers.values())
    with capsys.disabled():
        told = ", ".join(f"{count} x {code}" for code, count in sorted(found.answers.items()))
        print(f"\nseed {SEED}: {sent} requests in {SECONDS:.0f} s: {told}")
    assert not found.faults, f"seed {SEED}:\n" + "\n".join(found.faults[:20])
    assert not found.leaks, f"seed {SEED}:\n" + "\n".join(found.leaks[:20])
    assert sent > 4 * SECONDS, "too slow to say anything"
    assert running.rest.get(f"/api/orders/{victim.order['id']}", victim.session)["status"] == victim.order["status"]


def attack(platform: Platform, sender: Sender, seed: int, until: float, found: Found) -> None:
    # Staff of the whole platform change what others rely on: they read at random, and write to what is nobody's.
    guarded = {"a manager": r"|^(POST|PUT|PATCH|DELETE) ", "an admin": r"|/api/stores|customers/|/status$|refund"}
    generator = Generator(seed, sender.ids, leave_alone=LEAVE_ALONE + guarded.get(sender.name, ""))
    with httpx.Client(base_url=platform.processes.edge_url, timeout=30.0) as client:
        while time.monotonic() < until:
            attempt = generator.attempt()
            answer = send(client, attempt, sender.who)
            if answer is None:
                continue
            if answer.status_code in PASSING:
                again = send(client, attempt, sender.who)
                answer = again if again is not None else answer
            found.answers[answer.status_code] = found.answers.get(answer.status_code, 0) + 1
            if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
                found.faults.append(f"{answer.status_code} for {sender.name}: {attempt}\n   {answer.text[:300]}")
            said = answer.text + str(answer.headers)
            inside = INSIDE if answer.status_code >= httpx.codes.BAD_REQUEST else ()
            leaked = [text for text in (*sender.secrets, *inside) if text in said]
            if leaked and not any(text in str(attempt) for text in leaked):
                found.leaks.append(f"{leaked} to {sender.name}: {attempt}\n   {answer.text[:300]}")


def send(client: httpx.Client, attempt: Attempt, who: Session | None) -> httpx.Response | None:
    """The answer; None when the request could not even be written down, or the edge hung up on it."""
    headers = {name: value.encode("utf-8", "replace") for name, value in attempt.headers.items()}
    if who is not None and "authorization" not in headers:
        headers["authorization"] = f"Bearer {who.token}".encode()
    try:
        return client.request(attempt.method, attempt.path, headers=headers, content=attempt.body)
    except (httpx.InvalidURL, httpx.LocalProtocolError, httpx.RemoteProtocolError, httpx.WriteError, httpx.ReadError):
        return None
