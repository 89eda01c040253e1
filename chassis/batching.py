"""Natural batching: what arrives while a flush is under way goes together in the next one.

An idle batcher flushes in the same turn of the loop, so nobody waits for company or a timer; under load many share one
round trip and one commit. Only for what nobody waits for there is a `linger`.
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

    A result that is an exception is raised to its item's caller. When a flush of several fails, each is done alone, so
    that one bad item harms only itself. Each flush waits `linger` seconds for company.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]],
        limit: int = 64,
        linger: float = 0.0,
    ) -> None:
        self._flush, self._limit, self._linger = flush, limit, linger
        self._waiting: deque[_Waiting[Item, Result]] = deque()
        self._is_busy = False
        self._flushing: asyncio.Task[None] | None = None

    async def do(self, item: Item) -> Result:
        """Does the item with whatever else is waiting. Raises what its flush raises, or answers for it.

        A caller that goes away takes its item out again, unless its flush has begun.
        """
        waiting: _Waiting[Item, Result] = _Waiting(item, asyncio.get_running_loop().create_future(), copy_context())
        self._waiting.append(waiting)
        if not self._is_busy:
            self._begin()
        return await waiting.result

    def _begin(self) -> None:
        self._is_busy = True
        if self._linger and len(self._waiting) < self._limit:
            asyncio.get_running_loop().call_later(self._linger, self._start)
        else:
            self._start()

    def _start(self) -> None:
        # The youngest request lends its context, and so its trace and the most time that is left to any of them.
        youngest = self._waiting[min(self._limit, len(self._waiting)) - 1]
        self._flushing = asyncio.get_running_loop().create_task(self._flush_waiting(), context=youngest.context)
        self._flushing.add_done_callback(self._go_on)

    def _go_on(self, _: asyncio.Task[None]) -> None:
        self._is_busy = False
        if self._waiting:
            self._begin()

    async def _flush_waiting(self) -> None:
        # Taken here and not in `_start`: requests that the loop found in the same turn go together.
        taken = [self._waiting.popleft() for _ in range(min(self._limit, len(self._waiting)))]
        batch = [waiting for waiting in taken if not waiting.result.done()]
        if batch and not await self._settle(batch):
            await asyncio.gather(
                *(asyncio.get_running_loop().create_task(self._alone(each), context=each.context) for each in batch)
            )

    async def _settle(self, batch: Sequence[_Waiting[Item, Result]]) -> bool:
        """False when the flush of several failed and nobody has an answer."""
        try:
            results = await self._flush([waiting.item for waiting in batch])
        except Exception as error:
            if len(batch) > 1:
                return False
            batch[0].answer(error)
        else:
            for waiting, result in zip(batch, results, strict=True):
                waiting.answer(result)
        return True

    async def _alone(self, waiting: _Waiting[Item, Result]) -> None:
        if not waiting.result.done():
            await self._settle([waiting])


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[Item, Result]):
    item: Item
    result: asyncio.Future[Result]
    context: Context

    def answer(self, result: Result | Exception) -> None:
        if self.result.done():
            return
        if isinstance(result, Exception):
            self.result.set_exception(result)
        else:
            self.result.set_result(result)
