"""Rows that requests look up at the same time come from one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chassis.batching import Batcher
from chassis.db import Database, Row, Statement

Key = tuple[Any, ...]


class Lookup:
    """Looks up rows by keys, together with whatever else is looked up at the moment.

    The statement takes an array for each part of a key, by `names`, and `places`, which tells whose key it is; it
    returns `place` with each row: `FROM unnest((SELECT %(places)s::int[]), (SELECT %(ids)s::uuid[])) AS wanted(place,
    id)`. The sub-selects hide the arrays' lengths: PostgreSQL would plan anew for each that it sees.
    """

    def __init__(self, db: Database, what: Statement, *names: str) -> None:
        self._db, self._what, self._names = db, what, names
        self._batcher: Batcher[Sequence[Key], list[Row]] = Batcher(self._flush)

    async def one(self, *key: Any) -> Row | None:
        """The row of this key, or None."""
        rows = await self.all([key])
        return rows[0] if rows else None

    async def all(self, keys: Sequence[Key]) -> list[Row]:
        """The rows of these keys, in no order."""
        return await self._batcher.do(keys)

    async def _flush(self, asked: Sequence[Sequence[Key]]) -> Sequence[list[Row]]:
        parts = zip(*(key for keys in asked for key in keys), strict=True)
        arrays: dict[str, Any] = {name: list(part) for name, part in zip(self._names, parts, strict=True)}
        found: list[list[Row]] = [[] for _ in asked]
        places = [place for place, keys in enumerate(asked) for _ in keys]
        for row in await self._db.all(self._what, places=places, **arrays):
            found[row.place].append(row)
        return found
