"""Cancellation of background tasks."""

from __future__ import annotations

import asyncio

from chassis import tasks


async def test_a_task_that_suppresses_a_cancellation_is_cancelled_again() -> None:
    suppressed = 0

    async def work() -> None:
        nonlocal suppressed
        while True:
            try:
                await asyncio.sleep(60.0)
            except asyncio.CancelledError:
                if suppressed:
                    raise
                suppressed += 1

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await tasks.cancel(task)
    assert task.cancelled()
    assert suppressed == 1


async def test_a_failed_task_does_not_prevent_the_cancellation_of_others() -> None:
    async def fail() -> None:
        raise ValueError

    failed, waiting = asyncio.create_task(fail()), asyncio.create_task(asyncio.sleep(60.0))
    await asyncio.sleep(0)
    await tasks.cancel(failed, waiting)
    assert isinstance(failed.exception(), ValueError)
    assert waiting.cancelled()
