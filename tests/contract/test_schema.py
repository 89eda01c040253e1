"""Databases: the migrated schema has every element of the schema of the design document, or a listed difference."""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase

from chassis.database import migrations
from chassis.database.tables import service_metadata
from tests.contract.catalogue import Fact, facts, foreign_keys_without_index, is_indexed, partitions
from tests.contract.contracts import ROOT, SERVICES
from tests.contract.schema_differences import ALLOWED, REPEATED
from tests.harness import Platform

SEED = Path(__file__).with_name("seed_schema.sql")
DATABASES = {
    "store_management_db": "store",
    "inventory_db": "inventory",
    "order_db": "order",
    "customer_db": "customer",
    "payment_db": "payment",
    "loyalty_db": "loyalty",
}
CHASSIS_TABLES = set(service_metadata().tables)


def seed_schemas() -> dict[str, str]:
    """The design document's statements, by service."""
    parts = re.split(r"^-- database: (\w+)$", SEED.read_text(), flags=re.MULTILINE)
    return {DATABASES[name]: statements for name, statements in zip(parts[1::2], parts[2::2], strict=True)}


class Databases:
    """Temporary databases: the schema of the design document, and the migrated schema of each service."""

    def __init__(self, platform: Platform) -> None:
        self._postgres = platform.postgres
        self._urls: dict[str, str] = {}

    def seed(self, service: str) -> str:
        def load(url: str) -> None:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(seed_schemas()[service].encode())

        return self._filled(f"contract_seed_{service}", service, load)

    def migrated(self, service: str) -> str:
        return self._filled(f"contract_{service}", service, lambda url: migrations.migrate(service, url))

    def _filled(self, name: str, service: str, fill: Callable[[str], None]) -> str:
        if name not in self._urls:
            self._postgres.drop_database(name)
            self._postgres.create_database(name, service)
            url = self._postgres.url(service, name)
            fill(url)
            self._urls[name] = url
        return self._urls[name]


@pytest.fixture(scope="module")
def databases(servers: Platform) -> Databases:
    return Databases(servers)


def test_the_design_document_has_25_tables_in_six_databases(databases: Databases) -> None:
    tables = [fact for service in seed_schemas() for fact in facts(databases.seed(service)) if fact.kind == "table"]
    assert len(tables) == 25
    assert len(seed_schemas()) == 6


@pytest.mark.parametrize("service", seed_schemas())
def test_every_element_of_the_design_document_exists_or_is_a_listed_difference(
    databases: Databases, service: str
) -> None:
    missing = facts(databases.seed(service)) - facts(databases.migrated(service))
    unexplained = [fact for fact in sorted(missing) if fact.key not in ALLOWED[service]]
    assert unexplained == [], _side_by_side(unexplained, facts(databases.migrated(service)))


@pytest.mark.parametrize("service", seed_schemas())
def test_every_listed_difference_exists(databases: Databases, service: str) -> None:
    missing = facts(databases.seed(service)) - facts(databases.migrated(service))
    stale = set(ALLOWED[service]) - {fact.key for fact in missing}
    assert stale == set(), "these are listed but equal the design document"


@pytest.mark.parametrize("service", seed_schemas())
def test_another_index_covers_each_index_that_was_dropped_as_redundant(databases: Databases, service: str) -> None:
    dropped = {fact for fact in facts(databases.seed(service)) if ALLOWED[service].get(fact.key) == REPEATED}
    url = databases.migrated(service)
    assert [fact.key for fact in dropped if not is_indexed(url, fact.table, _columns(fact))] == []


def _columns(index: Fact) -> list[str]:
    """The columns of an index by its definition."""
    listed = index.content[index.content.index("(") + 1 : index.content.rindex(")")]
    return [column.split()[0] for column in listed.split(", ")]


@pytest.mark.parametrize("service", SERVICES)
def test_every_foreign_key_has_an_index(databases: Databases, service: str) -> None:
    assert foreign_keys_without_index(databases.migrated(service)) == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_database_has_the_chassis_tables(databases: Databases, service: str) -> None:
    assert {fact.table for fact in facts(databases.migrated(service))} >= CHASSIS_TABLES


@pytest.mark.parametrize("service", SERVICES)
def test_the_model_equals_the_migrated_schema(databases: Databases, service: str) -> None:
    url = databases.migrated(service)
    parts = partitions(url)

    def is_compared(item: Any, name: str | None, kind: str, reflected: bool, _: Any) -> bool:
        if kind == "table":
            return not (reflected and (name == "alembic_version" or name in parts))
        if kind == "foreign_key_constraint":
            # PostgreSQL lists a foreign key to a partitioned table once for each partition.
            return not (reflected and item.elements[0].target_fullname.split(".")[0] in parts)
        return True

    engine = create_engine(migrations.engine_url(url))
    try:
        with engine.connect() as connection:
            options = {"compare_type": True, "include_object": is_compared}
            context = MigrationContext.configure(connection, opts=options)
            assert compare_metadata(context, _model(service)) == [], (
                f"the migrations and services/{service}/model differ"
            )
    finally:
        engine.dispose()


def _model(service: str) -> Any:
    """The metadata of the declarative base of the service."""
    package = importlib.import_module(f"services.{service}.model")
    names = [module.name for module in pkgutil.iter_modules(getattr(package, "__path__", []), f"{package.__name__}.")]
    for module in [package, *map(importlib.import_module, names)]:
        for found in vars(module).values():
            if isinstance(found, type) and issubclass(found, DeclarativeBase) and DeclarativeBase in found.__bases__:
                return found.metadata
    raise AssertionError(f"services.{service}.model has no declarative base")


@pytest.mark.parametrize("service", SERVICES)
def test_migrating_again_changes_nothing(databases: Databases, service: str) -> None:
    before = facts(databases.migrated(service))
    migrations.migrate(service, databases.migrated(service))
    assert facts(databases.migrated(service)) == before


def test_two_concurrent_migrations_do_not_disturb_each_other(databases: Databases, servers: Platform) -> None:
    servers.postgres.create_database("contract_twice", "loyalty")
    url = servers.postgres.url("loyalty", "contract_twice")
    program = f"from chassis.database.migrations import migrate; migrate('loyalty', {url!r})"
    running = [subprocess.Popen([sys.executable, "-c", program], cwd=ROOT) for _ in range(2)]
    assert [process.wait(timeout=60) for process in running] == [0, 0]
    assert facts(url) == facts(databases.migrated("loyalty"))


def test_no_service_may_open_the_database_of_another(servers: Platform) -> None:
    for service in SERVICES:
        other = SERVICES[SERVICES.index(service) - 1]
        name = next((name for name, owner in DATABASES.items() if owner == other), f"{other}_db")
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(servers.postgres.url(service, name))


def _side_by_side(missing: list[Fact], found: set[Fact]) -> str:
    """The definitions of the design document beside those of the database."""
    by_key = {fact.key: fact.content for fact in found}
    return "\n" + "\n".join(f"{fact.key}\n  seed: {fact.content}\n  here: {by_key.get(fact.key)}" for fact in missing)
