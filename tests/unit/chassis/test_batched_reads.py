"""Batched reads: each caller gets its own rows from one statement."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from chassis.database import sql
from chassis.database.batched_reads import BatchedRead

ROWS = {("a", 1): ["a1"], ("a", 2): ["a2", "a2 again"], ("b", 1): ["b1"]}


class Database:
    """Returns rows from ROWS and records the parameters."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    async def all(self, _: object, **parameters: Any) -> list[SimpleNamespace]:
        self.calls.append(parameters)
        keys = zip(parameters["places"], parameters["letters"], parameters["numbers"], strict=True)
        return [
            SimpleNamespace(place=place, text=text)
            for place, letter, number in reversed(list(keys))
            for text in ROWS.get((letter, number), [])
        ]


async def test_each_caller_gets_its_own_rows_from_one_statement() -> None:
    db = Database()
    read = BatchedRead(db, sql("SELECT"), "letters", "numbers")  # type: ignore[arg-type]
    both, one, none = await asyncio.gather(read.all([("a", 1), ("a", 2)]), read.one("b", 1), read.one("c", 9))
    assert {row.text for row in both} == {"a1", "a2", "a2 again"}
    assert one.text == "b1"
    assert none is None
    assert db.calls == [{"places": [0, 0, 1, 2], "letters": ["a", "a", "b", "c"], "numbers": [1, 2, 1, 9]}]
