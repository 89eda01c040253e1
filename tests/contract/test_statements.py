"""Statements: PostgreSQL accepts each on the migrated schema, and its columns are the fields of its row type."""

from __future__ import annotations

from typing import Any, get_type_hints

import psycopg
import pytest

from tests.contract.contracts import SERVICES
from tests.contract.statements import is_loaded_as, result_columns, statements_of
from tests.contract.test_schema import Databases
from tests.harness import Platform


@pytest.fixture(scope="module")
def databases(servers: Platform) -> Databases:
    return Databases(servers)


@pytest.mark.parametrize("service", SERVICES)
def test_every_statement_returns_the_fields_of_its_row_type(databases: Databases, service: str) -> None:
    """A misspelt or reordered column, a column of another type, and a statement without a row type are found here."""
    wrong: list[str] = []
    with psycopg.connect(databases.migrated(service), autocommit=True) as connection:
        statements = {**statements_of("chassis"), **statements_of(f"services.{service}")}
        assert len(statements) > 30
        for name, what in statements.items():
            try:
                columns = result_columns(connection, what)
            except AssertionError as error:
                wrong.append(f"{name}: {error}")
                continue
            wrong += [f"{name}: {problem}" for problem in _problems(what, columns)]
    assert not wrong, "\n".join(wrong)


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
