"""A small bounded pool for the gateways' own libraries, which block."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from services.payment.gateways.port import NoAnswer

T = TypeVar("T")


class Threads:
    """Runs blocking calls beside the event loop, each at most `seconds`, waiting for a free thread included.

    A call that takes longer is given up here and ends in its thread by the library's own time-out; one that has not
    begun by then never does.
    """

    def __init__(self, size: int, seconds: float) -> None:
        self.seconds = seconds
        self._pool = ThreadPoolExecutor(size, thread_name_prefix="gateway")

    async def run(self, work: Callable[[], T]) -> T:
        """Raises NoAnswer when time is up."""
        try:
            async with asyncio.timeout(self.seconds):
                return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except TimeoutError:
            raise NoAnswer(f"no answer within {self.seconds} s") from None

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
