"""Rotation of keys beside running replicas: re-encrypts and re-indexes with the newest keys what older keys wrote.

Columns are found by the `Encrypted` mark of the model. A row is written only if it is unchanged since it was read, so a
concurrent update is never lost. A pass that changes no row ends the rotation.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, MetaData, Table, bindparam, select, tuple_, update

from chassis.database import Database, statement
from chassis.database.tables import ENCRYPTED
from chassis.security.encryption import DecryptionError, FieldCipher

BATCH = 200
# Replicas that still write with the old keys would cause passes without end; the result reports them instead.
PASSES = 5


@dataclass
class Rotated:
    """The result for one table. `broken` rows hold a value that no key decrypts; they stay unchanged."""

    table: str
    rows: int = 0
    broken: int = 0


async def rotate(db: Database, cipher: FieldCipher, metadata: MetaData, report: Callable[[Rotated], None]) -> bool:
    """Rewrites every table with encrypted columns, one transaction per batch. False when rows were left out."""
    complete = True
    for table in metadata.sorted_tables:
        columns = [column for column in table.columns if column.info.get(ENCRYPTED)]
        if columns:
            done, result = await _rotate_table(db, cipher, _EncryptedTable(table, columns))
            complete = complete and done
            report(result)
    return complete


async def _rotate_table(db: Database, cipher: FieldCipher, table: _EncryptedTable) -> tuple[bool, Rotated]:
    total = Rotated(table.name)
    for _ in range(PASSES):
        changed, total.broken = await _pass(db, cipher, table)
        total.rows += changed
        if not changed:
            return total.broken == 0, total
    return False, total


async def _pass(db: Database, cipher: FieldCipher, table: _EncryptedTable) -> tuple[int, int]:
    """The number of rows that one pass rewrote, and of rows that no key decrypts."""
    changed = broken = 0
    rows = await db.all(table.first, limit=BATCH)
    while rows:
        rewritten = []
        for row in rows:
            try:
                rewritten.append(table.rewritten(row, cipher))
            except DecryptionError:
                broken += 1
        wanted = [parameters for parameters in rewritten if parameters is not None]
        if wanted:
            async with db.transaction() as tx:
                await tx.many(table.replace, wanted)
            changed += len(wanted)
        rows = await db.all(table.following, limit=BATCH, **table.place(rows[-1]))
    return changed, broken


class _EncryptedTable:
    """The statements of one table, and the new values of a row."""

    def __init__(self, table: Table, encrypted: list[Column[Any]]) -> None:
        self.name = table.name
        self._keys = [column.name for column in table.primary_key]
        self._encrypted = [column.name for column in encrypted]
        self._indexed = {name for name in self._encrypted if f"{name}_index" in table.columns}
        written = [*self._encrypted]
        for name in sorted(self._indexed):
            written += [f"{name}_index", f"{name}_index_next"]
        keys = list(table.primary_key)
        page = select(*keys, *(table.columns[name] for name in written)).order_by(*keys).limit(bindparam("limit"))
        after = tuple_(*(bindparam(f"after_{column.name}", type_=column.type) for column in keys))
        row: type[Any] = namedtuple("row", [*self._keys, *written])  # type: ignore[misc]
        self.first = statement(page, row=row)
        self.following = statement(page.where(tuple_(*keys) > after), row=row)
        unchanged = [
            column.is_not_distinct_from(bindparam(f"old_{column.name}", type_=column.type)) for column in encrypted
        ]
        self.replace = statement(
            update(table)
            .where(*(column == bindparam(f"key_{column.name}", type_=column.type) for column in keys), *unchanged)
            .values({name: bindparam(f"new_{name}", type_=table.columns[name].type) for name in written})
        )

    def place(self, row: Any) -> dict[str, Any]:
        """The key at which the next page starts."""
        return {f"after_{name}": getattr(row, name) for name in self._keys}

    def rewritten(self, row: Any, cipher: FieldCipher) -> dict[str, Any] | None:
        """Parameters of `replace`; None when the row has the newest keys already. Raises DecryptionError."""
        new: dict[str, Any] = {}
        for name in self._encrypted:
            value, context = getattr(row, name), f"{self.name}.{name}"
            new[name] = value
            if value is None:
                continue
            text = cipher.decrypt(value, context)
            if cipher.key_id(value) != cipher.newest:
                new[name] = cipher.encrypt(text, context)
            if name in self._indexed:
                key = "/".join(str(getattr(row, column)) for column in self._keys)
                new |= cipher.index(text, context) if text else cipher.index_of_nothing(key, context)
        if all(value == getattr(row, name) for name, value in new.items()):
            return None
        for name in self._indexed:
            new.setdefault(f"{name}_index", None)
            new.setdefault(f"{name}_index_next", None)
        return {
            **{f"new_{name}": value for name, value in new.items()},
            **{f"old_{name}": getattr(row, name) for name in self._encrypted},
            **{f"key_{name}": getattr(row, name) for name in self._keys},
        }
