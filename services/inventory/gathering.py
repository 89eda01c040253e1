"""Natural batching: what arrives while a flush is under way goes in the next one.

Alone an item is flushed at once; under load many share a round trip and a commit. Nothing waits for a timer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Gathering(Generic[Item, Answer]):
    """Gives items to `flush`, up to `most` at a time and one flush at a time; `flush` answers each in its order."""

    def __init__(self, flush: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]], most: int) -> None:
        self._flush, self._most = flush, most
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._flushing: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> Answer:
        """The answer for this item. A caller that goes away does not take its item out again."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush_waiting())
        return await answer

    async def finish(self) -> None:
        """Waits until nothing is waiting."""
        while self._flushing is not None:
            await asyncio.wait([self._flushing])

    async def _flush_waiting(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
                await self._flush_batch(batch)
        finally:
            self._flushing = None

    async def _flush_batch(self, batch: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._flush([item for item, _ in batch])
        except Exception as error:
            if len(batch) > 1:  # one of them may be to blame: each gets its own
                for one in batch:
                    await self._flush_batch([one])
                return
            _settle(batch[0][1], error=error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            _settle(future, answer=answer)


def _settle(future: asyncio.Future[Answer], *, answer: Answer | None = None, error: Exception | None = None) -> None:
    if future.done():  # the caller has gone
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(answer)  # type: ignore[arg-type]
