"""Column lists from row types, and parameters from new rows, so that no list of columns is written twice.

A row that a statement returns is a NamedTuple; a row that a statement inserts is a dataclass. `Annotated[int,
SqlType("smallint")]` names the PostgreSQL type of a field where the usual one does not fit.
"""

from __future__ import annotations

import dataclasses
import json
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache, partial
from operator import attrgetter
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

from psycopg.types.json import Jsonb
from sqlalchemy import Column, Table

_SQL_TYPES: dict[Any, str] = {
    UUID: "uuid",
    str: "text",
    int: "bigint",
    bool: "boolean",
    float: "double precision",
    Decimal: "numeric",
    datetime: "timestamptz",
    date: "date",
    time: "time",
    timedelta: "interval",
    bytes: "bytea",
    dict: "jsonb",
    list: "jsonb",
}


@dataclass(frozen=True, slots=True)
class SqlType:
    """The PostgreSQL type of a field of a new row."""

    name: str


@cache
def field_names(row: type) -> tuple[str, ...]:
    """The fields of a NamedTuple or a dataclass, in their order."""
    if hasattr(row, "_fields"):
        return tuple(row._fields)
    return tuple(field.name for field in dataclasses.fields(row))


def table_columns(row: type, table: Table, **instead: Any) -> list[Any]:
    """The columns of `table` that the row type names, for `select()` and `returning()`; `instead` replaces some.

    Raises LookupError for a field that is no column.
    """
    for name in field_names(row):
        if name not in instead and name not in table.columns:
            raise LookupError(f"{row.__name__}.{name} is no column of {table.name}")
    chosen: list[Column[Any]] = [
        instead[name].label(name) if name in instead else table.columns[name] for name in field_names(row)
    ]
    return chosen


def column_names(row: type, table: str = "") -> str:
    """`id, name` or `stores.id, stores.name`, for SQL text: what a SELECT or RETURNING lists, what an INSERT names."""
    prefix = f"{table}." if table else ""
    return ", ".join(f"{prefix}{name}" for name in field_names(row))


def placeholders(row: type) -> str:
    """`%(id)s, %(name)s`, for the VALUES of an INSERT; its parameters are those of `parameters`."""
    return ", ".join(f"%({name})s" for name in field_names(row))


def column_definitions(row: type) -> str:
    """`id uuid, name text`, for `json_to_recordset(...) AS new(...)`."""
    return ", ".join(f"{name} {sql_type}" for name, sql_type in _sql_types(row).items())


def unnest(row: type, alias: str = "new") -> str:
    """`unnest(%(id)s::uuid[], %(name)s::text[]) AS new(id, name)`; its parameters are those of `arrays`."""
    arguments = ", ".join(f"%({name})s::{sql_type}[]" for name, sql_type in _sql_types(row).items())
    return f"unnest({arguments}) AS {alias}({column_names(row)})"


def parameters(row: Any) -> dict[str, Any]:
    """The values of a new row by its fields."""
    kind: Any = type(row)
    names = field_names(kind)
    return dict(zip(names, _values(kind)(row), strict=True))


def column_values(changes: Mapping[Any, Any]) -> dict[str, Any]:
    """Changed columns, whose names are Literals, as parameters of a statement."""
    return dict(changes)


def arrays(row: type, rows: Iterable[Any]) -> dict[str, list[Any]]:
    """The values of new rows, one list a field: the parameters of `unnest`."""
    columns = list(zip(*map(_values(row), rows), strict=True))
    return {name: list(columns[place]) if columns else [] for place, name in enumerate(field_names(row))}


def json_rows(rows: Iterable[Any]) -> Jsonb:
    """New rows as one JSON array: the parameter of `jsonb_to_recordset`."""
    return Jsonb([parameters(row) for row in rows], dumps=_dumps)


_dumps = partial(json.dumps, default=str, ensure_ascii=False)


@cache
def _values(row: type) -> Any:
    names = field_names(row)
    if len(names) == 1:
        only = attrgetter(*names)
        return lambda new: (only(new),)
    return attrgetter(*names)


@cache
def _sql_types(row: type) -> Mapping[str, str]:
    hints = get_type_hints(row, include_extras=True)
    return {name: _sql_type(hints[name]) for name in field_names(row)}


def _sql_type(hint: Any) -> str:
    arguments: Sequence[Any] = get_args(hint)
    if get_origin(hint) is Annotated:
        named = [extra.name for extra in arguments[1:] if isinstance(extra, SqlType)]
        return named[0] if named else _sql_type(arguments[0])
    if get_origin(hint) in (Union, types.UnionType):
        (only,) = (argument for argument in arguments if argument is not types.NoneType)
        return _sql_type(only)
    return _SQL_TYPES[get_origin(hint) or hint]
