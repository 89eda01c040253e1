"""Every process is killed once while people order. `CHAOS_SEED` repeats a campaign, `CHAOS_ROUNDS` lengthens it."""

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
from devstack.rest import Unexpected
from devstack.screen import console
from tests.chaos.books import Books
from tests.chaos.load import GIFT, Buyer
from tests.e2e.platform import Platform

VICTIMS = (*SERVICES, "postgres", "nats", "edge")
BUYERS = 4
PRODUCTS = 3
STOCK = 1000
# Retries of a service that found its peers dead wait up to five minutes.
SETTLE_SECONDS = 400.0
LOOK_SECONDS = 2.0


@pytest.mark.timeout(3600)
def test_whatever_dies_under_load_no_rupee_unit_point_or_event_is_lost(platform: Platform) -> None:
    seed = os.environ.get("CHAOS_SEED") or uuid4().hex[:8]
    console.print(f"\nCHAOS_SEED={seed}")
    dice = random.Random(seed)
    products = [platform.new_product(STOCK) for _ in range(PRODUCTS)]
    buyers = [_buyer(platform, products, random.Random(f"{seed}-{number}")) for number in range(BUYERS)]
    platform.staff("manager")

    _campaign(platform, buyers, dice)

    books = Books(platform, buyers, products, STOCK)
    for buyer in buyers:
        _every_key_has_one_answer(platform, buyer, books)
    assert _settled(books) == []


def _buyer(platform: Platform, products: list[str], dice: random.Random) -> Buyer:
    who = platform.new_customer()
    gift = {"customerId": who.customer_id, "points": GIFT, "reason": "to spend in the storm"}
    platform.rest.post("/api/loyalty/earn", gift, platform.admin)
    return Buyer(platform, who.email, products, dice)


def _campaign(platform: Platform, buyers: list[Buyer], dice: random.Random) -> None:
    """Kills each victim in turn and starts it again, while the buyers go on."""
    end = threading.Event()
    with ThreadPoolExecutor(max_workers=len(buyers)) as pool:
        shopping = [pool.submit(buyer.go_on_until, end) for buyer in buyers]
        try:
            for _ in range(int(os.environ.get("CHAOS_ROUNDS", "1"))):
                for victim in dice.sample(VICTIMS, len(VICTIMS)):
                    end.wait(dice.uniform(1.0, 4.0))
                    console.print(f"  SIGKILL {victim}")
                    platform.kill(victim)
                    platform.make_whole()
        finally:
            end.set()
        for future in shopping:
            future.result()
    keys = sum(len(buyer.carts) for buyer in buyers)
    console.print(f"  {keys} carts; " + "; ".join(str(dict(buyer.troubles)) for buyer in buyers))
    assert keys > BUYERS
    assert [fault for buyer in buyers for fault in buyer.faults] == []


def _settled(books: Books) -> list[str]:
    """What still does not add up when recovery has had its time."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while differences := books.differences():
        if time.monotonic() > deadline:
            break
        console.print(f"  {len(differences)} differences yet, such as: {differences[0]}", soft_wrap=True)
        time.sleep(LOOK_SECONDS)
    return differences


def _every_key_has_one_answer(platform: Platform, buyer: Buyer, books: Books) -> None:
    """Sent again, each key gives its order or its refusal; there is no order without a key."""
    placed = set()
    for key, cart in buyer.carts.items():
        try:
            order = platform.place(buyer.who, cart, key)
        except Unexpected as refusal:
            if refusal.status != httpx.codes.CONFLICT:
                raise
        else:
            assert order["id"] not in placed
            placed.add(order["id"])
    assert {order["id"] for order in books.orders(buyer)} == placed
