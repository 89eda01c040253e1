"""Natural batching: items that arrive while a flush is in progress form the next batch.

An idle batcher flushes in the same turn of the event loop, so a single request never waits for others or for a timer;
under load many requests share one round trip and one commit. Only background work may set a `delay`.
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
    """`flush` processes up to `limit` items and returns a result for each, in their order; one flush at a time.

    A result that is an exception is raised to the caller of its item. When a flush of several items fails, each item is
    flushed alone, so that one bad item affects only its own caller. Each flush is delayed by `delay` seconds.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]],
        limit: int = 64,
        delay: float = 0.0,
    ) -> None:
        self._flush, self._limit, self._delay = flush, limit, delay
        self._waiting: deque[_Waiting[Item, Result]] = deque()
        self._is_busy = False
        self._flushing: asyncio.Task[None] | None = None

    async def do(self, item: Item) -> Result:
        """Processes the item with the other waiting items. Raises what the flush raises or returns for it.

        When the caller is cancelled before the flush has begun, its item is left out.
        """
        waiting: _Waiting[Item, Result] = _Waiting(item, asyncio.get_running_loop().create_future(), copy_context())
        self._waiting.append(waiting)
        if not self._is_busy:
            self._begin()
        return await waiting.result

    def _begin(self) -> None:
        self._is_busy = True
        if self._delay and len(self._waiting) < self._limit:
            asyncio.get_running_loop().call_later(self._delay, self._start)
        else:
            self._start()

    def _start(self) -> None:
        # The context of the newest request: its trace, and the latest deadline of the batch.
        newest = self._waiting[min(self._limit, len(self._waiting)) - 1]
        self._flushing = asyncio.get_running_loop().create_task(self._flush_waiting(), context=newest.context)
        self._flushing.add_done_callback(self._go_on)

    def _go_on(self, _: asyncio.Task[None]) -> None:
        self._is_busy = False
        if self._waiting:
            self._begin()

    async def _flush_waiting(self) -> None:
        # Taken here and not in `_start`: requests of the same turn of the event loop share a batch.
        taken = [self._waiting.popleft() for _ in range(min(self._limit, len(self._waiting)))]
        batch = [waiting for waiting in taken if not waiting.result.done()]
        if batch and not await self._flush_batch(batch):
            loop = asyncio.get_running_loop()
            await asyncio.gather(*(loop.create_task(self._flush_alone(each), context=each.context) for each in batch))

    async def _flush_batch(self, batch: Sequence[_Waiting[Item, Result]]) -> bool:
        """False when the flush of several items failed and none has a result."""
        try:
            results = await self._flush([waiting.item for waiting in batch])
        except Exception as error:
            if len(batch) > 1:
                return False
            batch[0].set_result(error)
        else:
            for waiting, result in zip(batch, results, strict=True):
                waiting.set_result(result)
        return True

    async def _flush_alone(self, waiting: _Waiting[Item, Result]) -> None:
        if not waiting.result.done():
            await self._flush_batch([waiting])


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Item, Result]):
    item: Item
    result: asyncio.Future[Result]
    context: Context

    def set_result(self, result: Result | Exception) -> None:
        if self.result.done():
            return
        if isinstance(result, Exception):
            self.result.set_exception(result)
        else:
            self.result.set_result(result)
