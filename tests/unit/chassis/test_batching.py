"""Natural batching: alone at once, together under load."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from chassis.batching import Batcher


class Flushes:
    """Doubles numbers and remembers how they came."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        await self.gate.wait()
        if 13 in items:
            raise ValueError("13")
        return [item * 2 for item in items]


async def test_one_alone_is_flushed_at_once() -> None:
    flush = Flushes()
    assert await Batcher(flush, 10).do(4) == 8
    assert flush.batches == [[4]]


async def test_what_arrives_during_a_flush_goes_in_the_next() -> None:
    flush = Flushes()
    batcher = Batcher(flush, 3)
    flush.gate.clear()
    first = asyncio.create_task(batcher.do(0))
    await asyncio.sleep(0)
    others = [asyncio.create_task(batcher.do(number)) for number in range(1, 6)]
    await asyncio.sleep(0)
    flush.gate.set()
    assert await asyncio.gather(first, *others) == [0, 2, 4, 6, 8, 10]
    assert flush.batches == [[0], [1, 2, 3], [4, 5]]


async def test_an_item_that_fails_fails_alone() -> None:
    flush = Flushes()
    batcher = Batcher(flush, 10)
    flush.gate.clear()
    first = asyncio.create_task(batcher.do(0))
    await asyncio.sleep(0)
    others = [asyncio.create_task(batcher.do(number)) for number in (12, 13, 14)]
    await asyncio.sleep(0)
    flush.gate.set()
    assert await first == 0
    assert await others[0] == 24
    with pytest.raises(ValueError, match="13"):
        await others[1]
    assert await others[2] == 28


async def test_a_caller_that_goes_away_disturbs_nobody() -> None:
    flush = Flushes()
    batcher = Batcher(flush, 10)
    flush.gate.clear()
    flushed = asyncio.create_task(batcher.do(1))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(batcher.do(2))
    staying = asyncio.create_task(batcher.do(3))
    await asyncio.sleep(0)
    flushed.cancel()
    waiting.cancel()
    await asyncio.sleep(0)
    flush.gate.set()
    assert await staying == 6
    assert flush.batches == [[1], [3]]
