"""Passwords: which are accepted, and argon2id outside the event loop."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.customer.errors import TooManyAttempts, WeakPassword

T = TypeVar("T")

# Parameters of the OWASP Password Storage Cheat Sheet: 19 MiB, two passes, one lane; 22 ms on one core.
TIME_COST = 2
MEMORY_KIB = 19 * 1024
LANES = 1
BUSY_RETRY_SECONDS = 2.0

MIN_DISTINCT = 5
_MIN_NAME_LENGTH = 4
# Frequently leaked passwords of ten characters or more that the rules below do not reject.
_COMMON = frozenset({
    "password12", "password123", "password1234", "password12345", "password123456", "passw0rd123", "passw0rd1234",
    "p@ssw0rd123", "p@ssword123", "qwertyuiop", "qwerty12345", "qwerty123456", "qwertyuiop123", "1q2w3e4r5t",
    "1q2w3e4r5t6y", "1qaz2wsx3edc", "zaq12wsxcde", "q1w2e3r4t5", "asdfghjkl1", "asdfghjkl123", "zxcvbnm123",
    "iloveyou123", "iloveyou12", "sunshine123", "princess123", "football123", "baseball123", "superman123",
    "welcome1234", "welcome123", "welcome@123", "admin12345", "admin123456", "administrator", "changeme123",
    "letmein1234", "india12345", "india@1234", "india@12345", "bharat1234", "krishna123", "krishna1234",
    "hanuman123", "ganesha123", "mahavir123", "sairam1234", "cricket123", "jaishreeram", "jaimatadi1",
    "omsairam123", "abcd123456", "abc1234567", "abcdef1234", "abcdefghij", "a123456789", "1234567890a",
    "test123456", "testing123", "master1234", "monkey1234", "dragon1234", "shadow1234", "mustang123", "michael123",
    "jennifer123", "starwars123", "jainshikanji", "jainshikanji123",
})  # fmt: skip
_RUNS = ("01234567890123456789", "98765432109876543210", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm")


def normalise_password(password: str) -> str:
    """One form of what the same keys produce on different devices."""
    return unicodedata.normalize("NFKC", password)


def check_password(password: str, email: str, field: str) -> None:
    """Rejects passwords that are guessed first. Raises WeakPassword on `field`."""
    folded = normalise_password(password).casefold()
    name = email.partition("@")[0].casefold()
    if folded in _COMMON or any(folded in run for run in _RUNS):
        raise WeakPassword(field, "is one of the most common passwords")
    if len(set(folded)) < MIN_DISTINCT:
        raise WeakPassword(field, f"must contain at least {MIN_DISTINCT} different characters")
    if len(name) >= _MIN_NAME_LENGTH and name in folded:
        raise WeakPassword(field, "must not contain the name in the email")


class Passwords:
    """Hashes and verifies on few threads. One hash takes 19 MiB and 22 ms, so a flood of logins must queue or fail."""

    def __init__(self, threads: int, queue: int) -> None:
        self._hasher = PasswordHasher(time_cost=TIME_COST, memory_cost=MEMORY_KIB, parallelism=LANES)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._free_slots = threads + queue
        # Compared for unknown accounts, so that they take as long as known ones.
        self._placeholder_hash = self._hasher.hash("no account has this password")

    async def hash(self, password: str) -> str:
        """The hash with its parameters and salt. Raises TooManyAttempts when the queue is full, as `verify`."""
        return await self._run(lambda: self._hasher.hash(normalise_password(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password has the stored hash. Without a stored hash: False, after the same time."""
        matches = await self._run(lambda: self._matches(stored or self._placeholder_hash, password))
        return matches and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether the hash has other parameters than new hashes."""
        return self._hasher.check_needs_rehash(stored)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, normalise_password(password))
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._free_slots <= 0:
            raise TooManyAttempts(BUSY_RETRY_SECONDS)
        self._free_slots -= 1
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        # The thread is busy to the end, also when the client disconnects.
        running.add_done_callback(self._free_slot)
        return await asyncio.shield(running)

    def _free_slot(self, _: object) -> None:
        self._free_slots += 1

    def close(self) -> None:
        """Stops the threads and drops the queue."""
        self._threads.shutdown(wait=False, cancel_futures=True)
