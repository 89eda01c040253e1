"""How background tasks end."""

from __future__ import annotations

import asyncio

from chassis import tasks


async def test_a_task_that_swallows_a_cancellation_ends_all_the_same() -> None:
    swallowed = 0

    async def work() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(60.0)
            except asyncio.CancelledError:
                if swallowed:
                    raise
                swallowed += 1

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await tasks.cancel(task)
    assert task.cancelled()
    assert swallowed == 1


async def test_what_has_failed_does_not_fail_the_end() -> None:
    async def fail() -> None:
        raise ValueError

    failed, waiting = asyncio.create_task(fail()), asyncio.create_task(asyncio.sleep(60.0))
    await asyncio.sleep(0)
    await tasks.cancel(failed, waiting)
    assert isinstance(failed.exception(), ValueError)
    assert waiting.cancelled()
