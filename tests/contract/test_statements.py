"""Statements: PostgreSQL accepts each on the migrated schema, and its columns are the fields of its row type."""

from __future__ import annotations

from typing import Any, get_type_hints

import psycopg
import pytest

from chassis.database import Statement
from tests.contract.contracts import SERVICES
from tests.contract.statements import is_loaded_as, result_columns, statements_of
from tests.contract.test_schema import Databases
from tests.harness import Platform


@pytest.fixture(scope="module")
def databases(servers: Platform) -> Databases:
    return Databases(servers)


@pytest.mark.parametrize("service", SERVICES)
def test_every_statement_returns_the_fields_of_its_row_type(databases: Databases, service: str) -> None:
    """Finds misspelt and reordered columns, columns of another type, and rows without a type."""
    statements = statements_of(f"services.{service}")
    assert len(statements) > 15
    assert _wrong(databases.migrated(service), statements) == []


def test_the_statements_of_the_chassis_return_the_fields_of_their_row_types(databases: Databases) -> None:
    """On a database with monthly partitions, whose function the chassis calls."""
    assert _wrong(databases.migrated("notification"), statements_of("chassis")) == []


def _wrong(url: str, statements: dict[str, Statement[Any]]) -> list[str]:
    wrong: list[str] = []
    with psycopg.connect(url, autocommit=True) as connection:
        for name, what in statements.items():
            try:
                columns = result_columns(connection, what)
            except AssertionError as error:
                wrong.append(f"{name}: {error}")
            else:
                wrong += [f"{name}: {problem}" for problem in _problems(what, columns)]
    return wrong


def _problems(what: Any, columns: list[tuple[str, str]]) -> list[str]:
    if what.value is not None:
        if len(columns) != 1:
            return [f"returns {len(columns)} columns, not one value"]
        return [] if is_loaded_as(what.value, columns[0][1]) else [f"returns {columns[0][1]}, not {what.value}"]
    if what.row is None:
        return [f"returns {[name for name, _ in columns]} and has no row type"] if columns else []
    hints = get_type_hints(what.row, include_extras=True)
    if [name for name, _ in columns] != list(what.row._fields):
        return [f"returns {[name for name, _ in columns]}, {what.row.__name__} has {list(what.row._fields)}"]
    return [
        f"{name} is {sql_type}, {what.row.__name__}.{name} is {hints[name]}"
        for name, sql_type in columns
        if not is_loaded_as(hints[name], sql_type)
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_no_statement_selects_every_column(service: str) -> None:
    """A column that a later migration adds must not reach statements of running replicas."""
    selecting = [
        name
        for name, what in statements_of(f"services.{service}").items()
        if what.text.decode().rstrip().endswith("*") or b"SELECT * FROM unnest" in what.text
    ]
    assert selecting == []
