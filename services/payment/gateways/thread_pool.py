"""Bounded thread pool for the blocking SDKs of the gateways."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from services.payment.gateways.port import GatewayUnavailable

T = TypeVar("T")


class GatewayThreadPool:
    """Runs blocking calls in threads. The timeout includes the wait for a free thread.

    A call that exceeds the timeout continues in its thread until the SDK's own timeout ends it. A call that has not
    started by then never starts.
    """

    def __init__(self, size: int, timeout_seconds: float) -> None:
        self.timeout_seconds = timeout_seconds
        self._executor = ThreadPoolExecutor(size, thread_name_prefix="gateway")

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`. Raises GatewayUnavailable after the timeout."""
        try:
            async with asyncio.timeout(self.timeout_seconds):
                return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        except TimeoutError:
            raise GatewayUnavailable(f"no response within {self.timeout_seconds} s") from None

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
