"""Migrates the nine databases in one process, before any service starts."""

from __future__ import annotations

import hashlib

import psycopg

from devstack.certificates import SERVICES
from devstack.postgres import Postgres
from devstack.run_directory import ROOT


def compute_fingerprint() -> str:
    """A hash of all migration files. Fast, because it imports no service."""
    content = hashlib.sha256()
    for path in sorted(ROOT.glob("services/*/migrations/versions/*.py")):
        content.update(f"{path.relative_to(ROOT)}\0".encode())
        content.update(path.read_bytes())
    return content.hexdigest()


def list_outdated(postgres: Postgres) -> list[str]:
    """Services whose database is not at the newest revision of this checkout."""
    from chassis.database.migrations import head

    return [service for service in SERVICES if _read_revision(postgres.url(service)) != head(service)]


def migrate(postgres: Postgres, service: str) -> None:
    """Applies the service's missing migrations."""
    from chassis.database.migrations import migrate as apply

    apply(service, postgres.url(service))


def _read_revision(url: str) -> str | None:
    with psycopg.connect(url) as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except psycopg.errors.UndefinedTable:
            return None
    return str(row[0]) if row else None
