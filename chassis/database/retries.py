"""Repeats what PostgreSQL ended to break a deadlock.

A use case locks its rows in one order, but a consumer handles many events in one transaction, in the order in which
they came, and can so cross another transaction on the same rows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from psycopg.errors import DeadlockDetected

T = TypeVar("T")

ATTEMPTS: Final = 4


async def retry_on_deadlock(transaction: Callable[[], Awaitable[T]]) -> T:
    """Runs one whole transaction again when it was the victim; it has left nothing behind."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await transaction()
        except DeadlockDetected:
            continue
    return await transaction()
