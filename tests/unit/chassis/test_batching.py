"""Batching: a single item is flushed immediately, concurrent items in one batch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar

import pytest

from chassis.batching import Batcher


class Flushes:
    """Doubles numbers and records the batches."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.gate = asyncio.Event(), asyncio.Event()
        self.gate.set()

    async def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        self.begun.set()
        await self.gate.wait()
        if 13 in items:
            raise ValueError("13")
        return [item * 2 for item in items]


async def test_a_single_item_is_flushed_immediately() -> None:
    flush = Flushes()
    assert await Batcher(flush, 10).do(4) == 8
    assert flush.batches == [[4]]


async def test_items_of_one_turn_of_the_event_loop_are_one_batch() -> None:
    flush = Flushes()
    batcher = Batcher(flush, 10)
    assert await asyncio.gather(*(batcher.do(number) for number in (1, 2, 3))) == [2, 4, 6]
    assert flush.batches == [[1, 2, 3]]


async def test_items_that_arrive_during_a_flush_are_the_next_batch() -> None:
    flush = Flushes()
    batcher = Batcher(flush, 3)
    first = await start_flush(flush, batcher, 0)
    others = [asyncio.create_task(batcher.do(number)) for number in range(1, 6)]
    await asyncio.sleep(0)
    flush.gate.set()
    assert await asyncio.gather(first, *others) == [0, 2, 4, 6, 8, 10]
    assert flush.batches == [[0], [1, 2, 3], [4, 5]]


async def test_with_a_batch_delay_a_single_item_waits_for_others() -> None:
    flush = Flushes()
    batcher = Batcher(flush, 10, delay=0.05)
    first = asyncio.create_task(batcher.do(1))
    await asyncio.sleep(0.01)
    assert await asyncio.gather(first, batcher.do(2)) == [2, 4]
    assert flush.batches == [[1, 2]]


async def test_a_failing_item_does_not_fail_the_others() -> None:
    flush = Flushes()
    batcher = Batcher(flush, 10)
    others = [asyncio.create_task(batcher.do(number)) for number in (12, 13, 14)]
    assert await others[0] == 24
    with pytest.raises(ValueError, match="13"):
        await others[1]
    assert await others[2] == 28
    assert flush.batches == [[12, 13, 14], [12], [13], [14]]


async def test_an_exception_among_the_results_is_raised_for_its_item() -> None:
    async def halve(items: Sequence[int]) -> list[int | Exception]:
        return [ValueError(str(item)) if item % 2 else item // 2 for item in items]

    batcher: Batcher[int, int] = Batcher(halve)
    even, odd = asyncio.create_task(batcher.do(4)), asyncio.create_task(batcher.do(5))
    assert await even == 2
    with pytest.raises(ValueError, match="5"):
        await odd


async def test_a_flush_runs_in_the_context_of_its_newest_item() -> None:
    who: ContextVar[str] = ContextVar("who")
    seen: list[tuple[str, list[str]]] = []
    gate = asyncio.Event()

    async def flush(items: Sequence[str]) -> list[str]:
        seen.append((who.get(), list(items)))
        await gate.wait()
        if len(items) > 1:
            raise ValueError
        return list(items)

    batcher: Batcher[str, str] = Batcher(flush)

    async def do(name: str) -> None:
        who.set(name)
        await batcher.do(name)

    tasks = [asyncio.create_task(do("first"))]
    while not seen:
        await asyncio.sleep(0)
    tasks += [asyncio.create_task(do(name)) for name in ("older", "newer")]
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*tasks)
    assert seen[:2] == [("first", ["first"]), ("newer", ["older", "newer"])]
    assert sorted(seen[2:]) == [("newer", ["newer"]), ("older", ["older"])]


async def test_a_cancelled_caller_does_not_affect_the_others() -> None:
    flush = Flushes()
    batcher = Batcher(flush, 10)
    flushed = await start_flush(flush, batcher, 1)
    waiting = asyncio.create_task(batcher.do(2))
    staying = asyncio.create_task(batcher.do(3))
    await asyncio.sleep(0)
    flushed.cancel()
    waiting.cancel()
    await asyncio.sleep(0)
    flush.gate.set()
    assert await staying == 6
    assert flush.batches == [[1], [3]]


async def start_flush(flush: Flushes, batcher: Batcher[int, int], item: int) -> asyncio.Task[int]:
    """Starts the flush of an item, which waits for the gate."""
    flush.gate.clear()
    task = asyncio.create_task(batcher.do(item))
    await flush.begun.wait()
    return task
