"""Reads by key that several requests need at the same time, in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, Protocol, TypeVar

from chassis.batching import Batcher
from chassis.database.pool import Database
from chassis.database.statements import Statement

Key = tuple[Any, ...]


class PlacedRow(Protocol):
    """A row that says which request it answers."""

    @property
    def place(self) -> int: ...


RowT = TypeVar("RowT", bound=PlacedRow)


class BatchedRead(Generic[RowT]):
    """Reads rows by key, together with the keys of other requests that wait.

    The statement takes an array for each part of a key, by `names`, and `places`, the request of each key.
    It returns `place` with each row:

        FROM unnest((SELECT %(places)s::int[]), (SELECT %(ids)s::uuid[])) AS wanted(place, id)

    The sub-selects hide the lengths of the arrays, so that PostgreSQL plans once and not for each length.
    """

    def __init__(self, db: Database, what: Statement[RowT], *names: str) -> None:
        self._db, self._what, self._names = db, what, names
        self._batcher: Batcher[Sequence[Key], list[RowT]] = Batcher(self._flush)

    async def one(self, *key: Any) -> RowT | None:
        """The row of this key, or None."""
        rows = await self.all([key])
        return rows[0] if rows else None

    async def all(self, keys: Sequence[Key]) -> list[RowT]:
        """The rows of these keys, in no order."""
        return await self._batcher.do(keys)

    async def _flush(self, requests: Sequence[Sequence[Key]]) -> Sequence[list[RowT]]:
        parts = zip(*(key for keys in requests for key in keys), strict=True)
        arrays: dict[str, Any] = {name: list(part) for name, part in zip(self._names, parts, strict=True)}
        found: list[list[RowT]] = [[] for _ in requests]
        places = [place for place, keys in enumerate(requests) for _ in keys]
        for row in await self._db.all(self._what, places=places, **arrays):
            found[row.place].append(row)
        return found
