"""Columns of bytes are encrypted and marked for key rotation, or OTHERWISE lists their content."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import pytest
from sqlalchemy import LargeBinary
from sqlalchemy.orm import DeclarativeBase

from chassis.database.tables import ENCRYPTED, service_metadata
from tests.contract.contracts import SERVICES

# Not encrypted: nothing personal can be read from them.
OTHERWISE = {
    "customers.email_index": "blind index",
    "customers.email_index_next": "blind index",
    "customers.phone_index": "blind index",
    "customers.phone_index_next": "blind index",
    "staff.email_index": "blind index",
    "staff.email_index_next": "blind index",
    "payment_methods.token_index": "blind index",
    "payment_methods.token_index_next": "blind index",
    "codes.code_hash": "keyed digest",
    "throttles.key": "keyed digest",
    "coupon_guesses.guesser": "keyed digest",
    "payment_events.digest": "digest",
    "sessions.rotation_salt": "random; useless without the token",
    "signing_keys.public_key": "public",
    "reports.content": "figures",
}
CHASSIS = service_metadata().tables


def metadata(service: str) -> Any:
    package = importlib.import_module(f"services.{service}.model")
    for module in pkgutil.iter_modules(getattr(package, "__path__", []), f"{package.__name__}."):
        importlib.import_module(module.name)
    return next(
        base for base in DeclarativeBase.__subclasses__() if base.__module__.startswith(package.__name__)
    ).metadata


def byte_columns() -> list[Any]:
    return [
        column
        for service in SERVICES
        for table in metadata(service).tables.values()
        if table.name not in CHASSIS
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    ]


def test_a_column_of_bytes_is_encrypted_or_its_content_is_listed() -> None:
    names = {f"{column.table.name}.{column.name}" for column in byte_columns() if not column.info.get(ENCRYPTED)}
    assert names == set(OTHERWISE)


def test_a_column_with_a_blind_index_has_both_indexes_and_both_are_unique() -> None:
    for column in byte_columns():
        index = f"{column.name}_index"
        if column.info.get(ENCRYPTED) and index in column.table.columns:
            unique = {name for name in (index, f"{index}_next") if _is_unique(column.table, name)}
            assert unique == {index, f"{index}_next"}, column


def _is_unique(table: Any, name: str) -> bool:
    groups = [set(index.columns.keys()) for index in table.indexes if index.unique]
    groups += [set(item.columns.keys()) for item in table.constraints if type(item).__name__ == "UniqueConstraint"]
    return any(name in group for group in groups)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_with_encrypted_columns_can_rotate_their_keys(service: str) -> None:
    declared = importlib.import_module(f"services.{service}.__main__").SERVICE
    has_encrypted_columns = any(
        column.info.get(ENCRYPTED) for table in metadata(service).tables.values() for column in table.columns
    )
    assert (declared.tables is not None) == has_encrypted_columns
