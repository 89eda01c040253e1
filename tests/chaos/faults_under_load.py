"""Kills every process once under load. `CHAOS_SEED` repeats a run, `CHAOS_ROUNDS` sets the number of rounds."""

from __future__ import annotations

import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest

from devstack.certificates import SERVICES
from devstack.rest import UnexpectedResponse
from devstack.screen import console
from tests.chaos.buyers import GIFT, Buyer
from tests.chaos.reconciliation import Reconciliation
from tests.e2e.platform import Platform

VICTIMS = (*SERVICES, "postgres", "nats", "edge")
BUYERS = 4
PRODUCTS = 3
STOCK = 1000
# Retries after a failed call to another service wait up to five minutes.
SETTLE_SECONDS = 400.0
POLL_SECONDS = 2.0


@pytest.mark.timeout(3600)
def test_no_money_stock_points_or_events_are_lost_when_processes_are_killed(platform: Platform) -> None:
    seed = os.environ.get("CHAOS_SEED") or uuid4().hex[:8]
    console.print(f"\nCHAOS_SEED={seed}")
    rng = random.Random(seed)
    products = [platform.new_product(STOCK) for _ in range(PRODUCTS)]
    buyers = [_make_buyer(platform, products, random.Random(f"{seed}-{number}")) for number in range(BUYERS)]
    platform.staff("manager")

    _run_faults(platform, buyers, rng)

    reconciliation = Reconciliation(platform, buyers, products, STOCK)
    for buyer in buyers:
        _check_idempotency(platform, buyer, reconciliation)
    assert _wait_for_agreement(reconciliation) == []


def _make_buyer(platform: Platform, products: list[str], rng: random.Random) -> Buyer:
    who = platform.new_customer()
    gift = {"customerId": who.customer_id, "points": GIFT, "reason": "chaos test"}
    platform.rest.post("/api/loyalty/earn", gift, platform.admin)
    return Buyer(platform, who.email, products, rng)


def _run_faults(platform: Platform, buyers: list[Buyer], rng: random.Random) -> None:
    """Kills and restarts each process in turn, while buyers place orders."""
    end = threading.Event()
    with ThreadPoolExecutor(max_workers=len(buyers)) as pool:
        runs = [pool.submit(buyer.buy_until, end) for buyer in buyers]
        try:
            for _ in range(int(os.environ.get("CHAOS_ROUNDS", "1"))):
                for victim in rng.sample(VICTIMS, len(VICTIMS)):
                    end.wait(rng.uniform(1.0, 4.0))
                    console.print(f"  SIGKILL {victim}")
                    platform.kill(victim)
                    platform.make_whole()
        finally:
            end.set()
        for future in runs:
            future.result()
    keys = sum(len(buyer.carts) for buyer in buyers)
    console.print(f"  {keys} carts; " + "; ".join(str(dict(buyer.outages)) for buyer in buyers))
    assert keys > BUYERS
    assert [error for buyer in buyers for error in buyer.unexpected_errors] == []


def _wait_for_agreement(reconciliation: Reconciliation) -> list[str]:
    """The differences that remain after the recovery time."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while differences := reconciliation.find_differences():
        if time.monotonic() > deadline:
            break
        console.print(f"  {len(differences)} differences remain, for example: {differences[0]}", soft_wrap=True)
        time.sleep(POLL_SECONDS)
    return differences


def _check_idempotency(platform: Platform, buyer: Buyer, reconciliation: Reconciliation) -> None:
    """A repeated request returns the order or error of its key; every order has a key."""
    placed = set()
    for key, cart in buyer.carts.items():
        try:
            order = platform.place(buyer.who, cart, key)
        except UnexpectedResponse as error:
            if error.status != httpx.codes.CONFLICT:
                raise
        else:
            assert order["id"] not in placed
            placed.add(order["id"])
    assert {order["id"] for order in reconciliation.list_orders(buyer)} == placed
