"""Accepted passwords, and the cost of hashing."""

from __future__ import annotations

import asyncio

import pytest

from services.customer.errors import TooManyAttempts, WeakPassword
from services.customer.passwords import Passwords, check_password

FULL_WIDTH = "".join(chr(0xFEE0 + ord(letter)) for letter in "PASSWORD123")


@pytest.mark.parametrize(
    "password",
    [
        "Password123",
        "QWERTYUIOP",
        "1234567890",
        "0987654321",
        "abcdefghijk",
        "aaaaaaaaaa",
        "ababababab",
        FULL_WIDTH,
    ],
)
def test_a_common_password_is_rejected(password: str) -> None:
    with pytest.raises(WeakPassword):
        check_password(password, "asha@example.in", "password")


def test_the_name_of_the_email_is_rejected_from_four_letters_on() -> None:
    with pytest.raises(WeakPassword):
        check_password("ASHA.jain is great", "asha.jain@example.in", "password")
    check_password("a quiet afternoon", "a@example.in", "password")


@pytest.mark.parametrize(
    "password", ["Nimbu-Namak-2026", "शिकंजी और गर्मी", "correct horse battery", "🍋🧂🧊🌶️🥤 cold drink"]
)
def test_a_good_password_of_any_script_is_accepted(password: str) -> None:
    check_password(password, "asha@example.in", "password")


@pytest.fixture
def hasher() -> Passwords:
    return Passwords(threads=2, queue=2)


async def test_a_hash_is_argon2id_with_the_documented_cost(hasher: Passwords) -> None:
    stored = await hasher.hash("a quiet afternoon")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await hasher.verify(stored, "a quiet afternoon")
    assert not await hasher.verify(stored, "another afternoon")
    assert not hasher.is_outdated(stored)


async def test_without_a_stored_hash_no_password_matches(hasher: Passwords) -> None:
    assert not await hasher.verify(None, "no account has this password")
    assert not await hasher.verify("not a hash", "anything")


async def test_a_full_queue_rejects_immediately_and_empties_again(hasher: Passwords) -> None:
    outcomes = await asyncio.gather(*(hasher.hash("a quiet afternoon") for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(outcome, str) for outcome in outcomes) == 4
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 6
    assert await hasher.hash("a quiet afternoon")


async def test_a_client_that_disconnects_does_not_free_its_thread(hasher: Passwords) -> None:
    tasks = [asyncio.create_task(hasher.hash("a quiet afternoon")) for _ in range(4)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    with pytest.raises(TooManyAttempts):
        await hasher.hash("a quiet afternoon")
