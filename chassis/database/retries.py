"""Repeats a transaction that PostgreSQL ended to break a deadlock.

A use case locks rows in one order. A consumer handles many events in one transaction, in the order of their arrival,
and can deadlock with another transaction on the same rows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from psycopg.errors import DeadlockDetected

T = TypeVar("T")

ATTEMPTS: Final = 4


async def retry_on_deadlock(transaction: Callable[[], Awaitable[T]]) -> T:
    """Runs a whole transaction, again when it was the deadlock's victim; at most 4 attempts."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await transaction()
        except DeadlockDetected:
            continue
    return await transaction()
