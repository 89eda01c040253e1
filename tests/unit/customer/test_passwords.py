"""Which passwords are accepted, and what hashing costs the process."""

from __future__ import annotations

import asyncio

import pytest

from services.customer import passwords
from services.customer.model import TooManyAttempts, WeakPassword
from services.customer.passwords import Passwords

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
def test_a_password_that_is_guessed_first_is_refused(password: str) -> None:
    with pytest.raises(WeakPassword):
        passwords.check(password, "asha@example.in", "password")


def test_the_name_in_the_email_is_refused_only_when_it_says_something() -> None:
    with pytest.raises(WeakPassword):
        passwords.check("ASHA.jain is great", "asha.jain@example.in", "password")
    passwords.check("a quiet afternoon", "a@example.in", "password")


@pytest.mark.parametrize(
    "password", ["Nimbu-Namak-2026", "शिकंजी और गर्मी", "correct horse battery", "🍋🧂🧊🌶️🥤 cold drink"]
)
def test_a_good_password_of_any_script_is_accepted(password: str) -> None:
    passwords.check(password, "asha@example.in", "password")


@pytest.fixture
def hasher() -> Passwords:
    return Passwords(threads=2, queue=2)


async def test_a_hash_names_argon2id_with_the_stated_cost(hasher: Passwords) -> None:
    kept = await hasher.hash("a quiet afternoon")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await hasher.verify(kept, "a quiet afternoon")
    assert not await hasher.verify(kept, "another afternoon")
    assert not hasher.is_outdated(kept)


async def test_without_a_kept_hash_nothing_matches(hasher: Passwords) -> None:
    assert not await hasher.verify(None, "nobody has this password")
    assert not await hasher.verify("not a hash", "anything")


async def test_more_than_may_wait_are_refused_at_once_and_room_comes_back(hasher: Passwords) -> None:
    outcomes = await asyncio.gather(*(hasher.hash("a quiet afternoon") for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(outcome, str) for outcome in outcomes) == 4
    assert sum(isinstance(outcome, TooManyAttempts) for outcome in outcomes) == 6
    assert await hasher.hash("a quiet afternoon")


async def test_a_client_that_goes_away_does_not_free_the_thread_it_uses(hasher: Passwords) -> None:
    tasks = [asyncio.create_task(hasher.hash("a quiet afternoon")) for _ in range(4)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    with pytest.raises(TooManyAttempts):
        await hasher.hash("a quiet afternoon")
