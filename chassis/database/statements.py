"""SQL compiled once, at import, with the type of the rows that it returns.

`Statement[T]` is what a query module declares. `T` is a NamedTuple whose fields are the statement's columns, in their
order; the type of the only column (`value=UUID`); or None for a statement whose rows are not read. A statement whose
columns differ from its row type fails at its first use, and a contract test compares all of them with the schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, Never, TypeVar, overload

from psycopg import AsyncCursor
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_DIALECT: Final = PGDialect_psycopg()  # type: ignore[no-untyped-call]


class RowMismatch(TypeError):
    """The columns of a result are not the fields of the statement's row type."""


class Statement(Generic[T_co]):
    """SQL with `%(name)s` parameters, ready to run. `row` is a NamedTuple, `value` the type of a single column."""

    __slots__ = ("_constants", "_is_checked", "_processors", "row", "text", "value")

    def __init__(
        self,
        text: str,
        *,
        row: type[T_co] | None = None,
        value: type[T_co] | None = None,
        constants: Mapping[str, Any] | None = None,
        processors: Mapping[str, Callable[[Any], Any]] | None = None,
    ) -> None:
        self.text = text.encode()
        self.row: Any = row
        self.value = value
        self._constants = dict(constants or {})
        self._processors = tuple((processors or {}).items())
        self._is_checked = False

    def bind(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """The parameters as psycopg takes them: constants of the statement added, JSON wrapped."""
        if self._constants:
            parameters = {**self._constants, **parameters}
        for name, process in self._processors:
            parameters[name] = process(parameters[name])
        return parameters

    def make_row(self, cursor: AsyncCursor[Any]) -> Callable[[Sequence[Any]], T_co]:
        """psycopg's row factory for this statement. Raises RowMismatch when columns and row type differ."""
        if not self._is_checked:
            if cursor.description is None:
                return _no_row
            if self.row is None and self.value is None:
                return _undeclared_row
            self._check([column.name for column in cursor.description])
            self._is_checked = True
        return self.row._make if self.row is not None else _first

    def _check(self, columns: list[str]) -> None:
        if self.value is not None:
            if len(columns) != 1:
                raise RowMismatch(f"one column expected, got {columns}: {self.text.decode()}")
        elif columns != list(self.row._fields):
            raise RowMismatch(f"{self.row.__name__} has {list(self.row._fields)}, the statement returns {columns}")


def _first(values: Sequence[Any]) -> Any:
    return values[0]


def _no_row(_: Sequence[Any]) -> Never:
    raise RowMismatch("the statement returns no rows")


def _undeclared_row(_: Sequence[Any]) -> Never:
    raise RowMismatch("the statement returns rows, but declares neither row= nor value=")


@overload
def statement(clause: ClauseElement, *, columns: Sequence[str] | None = None) -> Statement[None]: ...
@overload
def statement(clause: ClauseElement, *, row: type[T], columns: Sequence[str] | None = None) -> Statement[T]: ...
@overload
def statement(clause: ClauseElement, *, value: type[T], columns: Sequence[str] | None = None) -> Statement[T]: ...
def statement(
    clause: ClauseElement,
    *,
    row: type[Any] | None = None,
    value: type[Any] | None = None,
    columns: Sequence[str] | None = None,
) -> Statement[Any]:
    """Compiles a Core statement. `columns` names the columns that an insert or update sets from parameters.

    Lists are compared with `== any_(bindparam(...))`: an IN that expands per call cannot be compiled once.
    """
    compiled = clause.compile(dialect=_DIALECT, column_keys=list(columns) if columns is not None else None)
    assert isinstance(compiled, SQLCompiler)
    if compiled.post_compile_params:
        raise ValueError(f"compare lists with any_(), not IN: {compiled}")
    constants: dict[str, Any] = {}
    processors: dict[str, Callable[[Any], Any]] = {}
    for bind, name in compiled.bind_names.items():
        if not bind.required and bind.value is not None:
            constants[name] = bind.value
        process = bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT)
        if process is not None:
            processors[name] = process
    return Statement(str(compiled), row=row, value=value, constants=constants, processors=processors)


@overload
def sql(text: str) -> Statement[None]: ...
@overload
def sql(text: str, *, row: type[T]) -> Statement[T]: ...
@overload
def sql(text: str, *, value: type[T]) -> Statement[T]: ...
def sql(text: str, *, row: type[Any] | None = None, value: type[Any] | None = None) -> Statement[Any]:
    """Plain SQL, for statements whose meaning Core would hide. `%` that is no parameter is written `%%`."""
    return Statement(text, row=row, value=value)
