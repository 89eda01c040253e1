"""Natural batching: what arrives while a flush is under way goes together in the next one.

An idle batcher flushes at once, so nobody waits for company or a timer; under load many share one round trip and one
commit.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """`flush` does up to `limit` items at once and answers a result each, in their order; one flush at a time.

    When a flush of several fails, each is done alone, so that one bad item harms only itself.
    """

    def __init__(self, flush: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]], limit: int = 64) -> None:
        self._flush, self._limit = flush, limit
        self._waiting: deque[_Waiting[Item, Result]] = deque()
        self._flushing: asyncio.Task[None] | None = None

    async def do(self, item: Item) -> Result:
        """Does the item with whatever else is waiting. Raises what its flush raises.

        A caller that goes away takes its item out again, unless its flush has begun.
        """
        waiting: _Waiting[Item, Result] = _Waiting(item, asyncio.get_running_loop().create_future(), copy_context())
        self._waiting.append(waiting)
        if self._flushing is None:
            self._begin()
        return await waiting.result

    def _begin(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(self._limit, len(self._waiting)))]
        # The trace of the first request is that of the flush.
        self._flushing = asyncio.get_running_loop().create_task(self._settle(batch), context=batch[0].context)
        self._flushing.add_done_callback(self._go_on)

    def _go_on(self, _: asyncio.Task[None]) -> None:
        self._flushing = None
        if self._waiting:
            self._begin()

    async def _settle(self, everything: Sequence[_Waiting[Item, Result]]) -> None:
        batch = [waiting for waiting in everything if not waiting.result.done()]
        if not batch:
            return
        try:
            results = await self._flush([waiting.item for waiting in batch])
        except Exception as error:
            if len(batch) > 1:
                for waiting in batch:
                    await self._settle([waiting])
            elif not batch[0].result.done():
                batch[0].result.set_exception(error)
        else:
            for waiting, result in zip(batch, results, strict=True):
                if not waiting.result.done():
                    waiting.result.set_result(result)


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Item, Result]):
    item: Item
    result: asyncio.Future[Result]
    context: Context
