"""Cancellation of background tasks."""

from __future__ import annotations

import asyncio
from typing import Any


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancels the tasks and waits until all have ended, by whatever exception.

    It cancels repeatedly: Python 3.11's `wait_for` may swallow a cancellation that arrives with its result, and the
    task would run on with closed pools and connections.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=1.0)
    await asyncio.gather(*tasks, return_exceptions=True)
