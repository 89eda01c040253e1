"""Tables, columns, constraints and indexes of a PostgreSQL database, read from its catalogue and comparable."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

_TABLES = """
    SELECT c.relname FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
"""
_COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
           concat(pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attnum > 0 AND NOT a.attisdropped
      AND c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
"""
_CONSTRAINTS = """
    SELECT c.relname, k.conname, k.contype::text, pg_get_constraintdef(k.oid, true)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    WHERE k.contype IN ('p', 'u', 'c', 'f', 'x') AND k.conparentid = 0
      AND c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
"""
_INDEXES = """
    SELECT c.relname, i.relname, pg_get_indexdef(x.indexrelid)
    FROM pg_index x JOIN pg_class c ON c.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x'))
"""
# Foreign keys whose columns are not the first columns of any index that covers all rows.
_BARE_FOREIGN_KEYS = """
    SELECT c.relname, k.conname, pg_get_constraintdef(k.oid, true)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    WHERE k.contype = 'f' AND k.conparentid = 0
      AND c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND NOT EXISTS (
        SELECT FROM pg_index x
        WHERE x.indrelid = k.conrelid AND x.indpred IS NULL
          AND (x.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey
      )
"""
# The columns of every full index of a table, in their order; expressions have no name and end the list.
_INDEXED = """
    SELECT (
        SELECT coalesce(array_agg(a.attname::text ORDER BY k.at), '{}')
        FROM unnest(x.indkey::int2[]) WITH ORDINALITY AS k (number, at)
        JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.number
    )
    FROM pg_index x WHERE x.indrelid = %s::regclass AND x.indpred IS NULL AND 0 <> ALL (x.indkey::int2[])
"""


@dataclass(frozen=True, order=True)
class Fact:
    """One element of a schema, identified by table, kind and name; `content` is its definition."""

    table: str
    kind: str
    name: str
    content: str

    @property
    def key(self) -> str:
        """Without the content: `orders column customer_email`."""
        return f"{self.table} {self.kind} {self.name}"


def facts(url: str) -> set[Fact]:
    """Tables, columns, constraints and indexes of a database's public schema; partitions count as their parent."""
    found: set[Fact] = set()
    with psycopg.connect(url) as connection:
        for (table,) in connection.execute(_TABLES):
            found.add(Fact(table, "table", "", ""))
        for table, name, kind, not_null, default in connection.execute(_COLUMNS):
            content = f"{kind}{' NOT NULL' if not_null else ''}{' DEFAULT ' + default if default else ''}"
            found.add(Fact(table, "column", name, content))
        for table, name, kind, definition in connection.execute(_CONSTRAINTS):
            kind_name = {"p": "primary key", "u": "unique", "c": "check", "f": "foreign key", "x": "exclusion"}[kind]
            found.add(Fact(table, kind_name, name, definition))
        for table, name, definition in connection.execute(_INDEXES):
            found.add(Fact(table, "index", name, _index(definition)))
    return found


def _index(definition: str) -> str:
    """The part of `CREATE INDEX name ON public.table USING ...` after the table."""
    unique = "UNIQUE " if definition.startswith("CREATE UNIQUE") else ""
    return unique + definition[definition.index(" USING ") + 1 :]


def foreign_keys_without_index(url: str) -> list[str]:
    """Foreign keys without an index: a delete of the referenced row scans the whole table."""
    with psycopg.connect(url) as connection:
        return [f"{table}: {definition}" for table, _, definition in connection.execute(_BARE_FOREIGN_KEYS)]


def is_indexed(url: str, table: str, columns: list[str]) -> bool:
    """Whether an index begins with these columns, those of unique constraints and primary keys included."""
    with psycopg.connect(url) as connection:
        return any(index[: len(columns)] == columns for (index,) in connection.execute(_INDEXED, [table]))


def partitions(url: str) -> set[str]:
    """Tables that are partitions of another one."""
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT relname FROM pg_class WHERE relispartition AND relkind IN ('r', 'p')")
        return {name for (name,) in rows}
