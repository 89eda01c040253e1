"""Random requests for a limited time: none causes an internal error, and none returns data of another account.

FUZZ_SECONDS and FUZZ_SEED set the duration and the seed, which each run prints.
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
# Internal details that no error may contain: source, statements, drivers, paths.
INTERNALS = (
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
# Settings of the whole platform, which other tests use, and sessions, which the senders need.
EXCLUDED = (
    r"(POST|PUT|PATCH|DELETE) /api/(loyalty|notifications/(templates|send)|analytics)|password|logout|sessions|/watch"
)
# Possible on a busy machine; a fault persists when the request is repeated.
TRANSIENT = {503, 504}


@dataclass
class Found:
    answers: dict[int, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Sender:
    """A caller, and the secrets that this caller may not read."""

    name: str
    who: Session | None
    ids: tuple[str, ...]
    secrets: tuple[str, ...]


@pytest.mark.timeout(SECONDS + 240)
def test_random_requests_cause_no_internal_error_and_leak_no_secret(
    running: Platform, victim: Victim, mallory: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    product_id, rest = running.new_product(stock=500), running.rest
    own = rest.post("/api/orders", running.cart(product_id), mallory, key=str(uuid4()))
    theirs = (victim.session.customer_id, victim.order["id"], victim.address_id, victim.order["payment"]["id"])
    known = (mallory.customer_id, own["id"], own["payment"]["id"], product_id, running.store_id)
    senders = [
        Sender("anonymous", None, known + theirs, (*victim.marks, mallory.email)),
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
        counts = ", ".join(f"{count} x {code}" for code, count in sorted(found.answers.items()))
        print(f"\nseed {SEED}: {sent} requests in {SECONDS:.0f} s: {counts}")
    assert not found.faults, f"seed {SEED}:\n" + "\n".join(found.faults[:20])
    assert not found.leaks, f"seed {SEED}:\n" + "\n".join(found.leaks[:20])
    assert sent > 4 * SECONDS, "too few requests to prove anything"
    assert running.rest.get(f"/api/orders/{victim.order['id']}", victim.session)["status"] == victim.order["status"]


def attack(platform: Platform, sender: Sender, seed: int, until: float, found: Found) -> None:
    # Managers and admins could change data that other tests use: their random writes are limited.
    guarded = {"a manager": r"|^(POST|PUT|PATCH|DELETE) ", "an admin": r"|/api/stores|customers/|/status$|refund"}
    generator = Generator(seed, sender.ids, excluded=EXCLUDED + guarded.get(sender.name, ""))
    with httpx.Client(base_url=platform.processes.edge_url, timeout=30.0) as client:
        while time.monotonic() < until:
            attempt = generator.attempt()
            answer = send(client, attempt, sender.who)
            if answer is None:
                continue
            if answer.status_code in TRANSIENT:
                again = send(client, attempt, sender.who)
                answer = again if again is not None else answer
            found.answers[answer.status_code] = found.answers.get(answer.status_code, 0) + 1
            if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
                found.faults.append(f"{answer.status_code} for {sender.name}: {attempt}\n   {answer.text[:300]}")
            content = answer.text + str(answer.headers)
            internals = INTERNALS if answer.status_code >= httpx.codes.BAD_REQUEST else ()
            leaked = [text for text in (*sender.secrets, *internals) if text in content]
            if leaked and not any(text in str(attempt) for text in leaked):
                found.leaks.append(f"{leaked} to {sender.name}: {attempt}\n   {answer.text[:300]}")


def send(client: httpx.Client, attempt: Attempt, who: Session | None) -> httpx.Response | None:
    """The response; None when the client could not encode the request, or when the edge closed the connection."""
    headers = {name: value.encode("utf-8", "replace") for name, value in attempt.headers.items()}
    if who is not None and "authorization" not in headers:
        headers["authorization"] = f"Bearer {who.token}".encode()
    try:
        return client.request(attempt.method, attempt.path, headers=headers, content=attempt.body)
    except (httpx.InvalidURL, httpx.LocalProtocolError, httpx.RemoteProtocolError, httpx.WriteError, httpx.ReadError):
        return None
