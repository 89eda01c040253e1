"""How background tasks end."""

from __future__ import annotations

import asyncio
from typing import Any


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancels the tasks until all have ended, whatever they ended by.

    Once is not enough: Python 3.11's `wait_for` may swallow a cancellation that comes together with its result, and a
    task that never notices it runs on beside the pools and connections that are closed under it.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=1.0)
    await asyncio.gather(*tasks, return_exceptions=True)
