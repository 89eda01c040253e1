"""Rotation of keys beside running replicas: what older keys sealed and indexed is sealed and indexed by the newest.

Found by the `Sealed` mark of the model's columns. Each row is written only if it is still as it was read, so a replica
that writes at the same time loses nothing; a pass that finds every row done is the end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, MetaData, Table, bindparam, select, tuple_, update

from chassis.database import Database, Row, statement
from chassis.database.tables import ENCRYPTED
from chassis.security.encryption import DecryptionError, FieldCipher

BATCH = 200
# Replicas that still write with the old keys would make another pass find work for ever; they are told of instead.
PASSES = 5


@dataclass
class Rotated:
    """What was done to one table. `broken` rows hold something that no key opens; they stay as they are."""

    table: str
    rows: int = 0
    broken: int = 0


async def rotate(db: Database, cipher: FieldCipher, metadata: MetaData, tell: Callable[[Rotated], None]) -> bool:
    """Rewrites every table with sealed columns, a batch of rows a transaction. False when something was left undone."""
    complete = True
    for table in metadata.sorted_tables:
        columns = [column for column in table.columns if column.info.get(ENCRYPTED)]
        if columns:
            done, result = await _rotate_table(db, cipher, _SealedTable(table, columns))
            complete = complete and done
            tell(result)
    return complete


async def _rotate_table(db: Database, cipher: FieldCipher, table: _SealedTable) -> tuple[bool, Rotated]:
    total = Rotated(table.name)
    for _ in range(PASSES):
        changed, total.broken = await _pass(db, cipher, table)
        total.rows += changed
        if not changed:
            return total.broken == 0, total
    return False, total


async def _pass(db: Database, cipher: FieldCipher, table: _SealedTable) -> tuple[int, int]:
    """Rows that this walk over the table rewrote, and rows that no key opens."""
    changed = broken = 0
    rows = await db.all(table.first, limit=BATCH)
    while rows:
        renewed = []
        for row in rows:
            try:
                renewed.append(table.renewed(row, cipher))
            except DecryptionError:
                broken += 1
        wanted = [parameters for parameters in renewed if parameters is not None]
        if wanted:
            async with db.transaction() as tx:
                await tx.many(table.replace, wanted)
            changed += len(wanted)
        rows = await db.all(table.following, limit=BATCH, **table.place(rows[-1]))
    return changed, broken


class _SealedTable:
    """The statements of one table and what a row of it becomes."""

    def __init__(self, table: Table, sealed: list[Column[Any]]) -> None:
        self.name = table.name
        self._keys = [column.name for column in table.primary_key]
        self._sealed = [column.name for column in sealed]
        self._indexed = {name for name in self._sealed if f"{name}_index" in table.columns}
        written = [*self._sealed]
        for name in sorted(self._indexed):
            written += [f"{name}_index", f"{name}_index_next"]
        keys = list(table.primary_key)
        page = select(*keys, *(table.columns[name] for name in written)).order_by(*keys).limit(bindparam("limit"))
        after = tuple_(*(bindparam(f"after_{column.name}", type_=column.type) for column in keys))
        self.first = statement(page)
        self.following = statement(page.where(tuple_(*keys) > after))
        unchanged = [
            column.is_not_distinct_from(bindparam(f"old_{column.name}", type_=column.type)) for column in sealed
        ]
        self.replace = statement(
            update(table)
            .where(*(column == bindparam(f"key_{column.name}", type_=column.type) for column in keys), *unchanged)
            .values({name: bindparam(f"new_{name}", type_=table.columns[name].type) for name in written})
        )

    def place(self, row: Row) -> dict[str, Any]:
        """Where the next page starts."""
        return {f"after_{name}": getattr(row, name) for name in self._keys}

    def renewed(self, row: Row, cipher: FieldCipher) -> dict[str, Any] | None:
        """Parameters of `replace`; None when the row is as the newest keys would have it. Raises DecryptionError."""
        new: dict[str, Any] = {}
        for name in self._sealed:
            sealed, context = getattr(row, name), f"{self.name}.{name}"
            new[name] = sealed
            if sealed is None:
                continue
            text = cipher.decrypt(sealed, context)
            if cipher.key_id(bytes(sealed)) != cipher.newest:
                new[name] = cipher.encrypt(text, context)
            if name in self._indexed:
                key = "/".join(str(getattr(row, column)) for column in self._keys)
                new |= cipher.index(text, context) if text else cipher.index_of_nothing(key, context)
        if all(_same(value, getattr(row, name)) for name, value in new.items()):
            return None
        for name in self._indexed:
            new.setdefault(f"{name}_index", None)
            new.setdefault(f"{name}_index_next", None)
        return {
            **{f"new_{name}": value for name, value in new.items()},
            **{f"old_{name}": getattr(row, name) for name in self._sealed},
            **{f"key_{name}": getattr(row, name) for name in self._keys},
        }


def _same(new: bytes | None, old: bytes | None) -> bool:
    return new == old if new is None or old is None else bytes(new) == bytes(old)
