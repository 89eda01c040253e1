"""Schema changes: Alembic scripts of a service, applied as a step of their own before the service starts.

A service holds only `migrations/versions/NNNN_what.py`; revision ids are the four digits, so the newest file is the
head and readiness can compare without loading Alembic. Changes expand first and contract a release later: a replica is
ready on its own head or any later one.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import create_engine

from chassis.database import timeouts

_SCRIPT = re.compile(r"^(\d{4})_\w+\.py$")
_CONNECT_SECONDS = 5
# Alembic's `op` belongs to the process, not to the caller.
_one_at_a_time = threading.Lock()


def versions_of(service: str) -> Path:
    return Path(str(files(f"services.{service}"))) / "migrations" / "versions"


def head(service: str) -> str:
    """The newest revision that this build of the service has."""
    return max(match[1] for path in versions_of(service).iterdir() if (match := _SCRIPT.match(path.name)))


def engine_url(database_url: str) -> str:
    """The psycopg dialect's form of a PostgreSQL URL."""
    return re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", database_url)


class SchemaBehind(RuntimeError):
    """The database has no schema yet, or an older one than this build's."""


def wait_until_reachable(database_url: str, seconds: float) -> None:
    """Returns when the database takes connections. Raises what it says when it still does not after so many seconds."""
    _wait(lambda: psycopg.connect(database_url, connect_timeout=_CONNECT_SECONDS).close(), seconds)


def wait_until_migrated(service: str, database_url: str, seconds: float) -> None:
    """Returns when the database has this build's schema or a later one.

    Raises SchemaBehind, or what the database says, when that is still not so after so many seconds.
    """
    _wait(lambda: _check_schema(service, database_url), seconds)


def _check_schema(service: str, database_url: str) -> None:
    with psycopg.connect(database_url, connect_timeout=_CONNECT_SECONDS) as connection:
        try:
            row = connection.execute("SELECT max(version_num) FROM alembic_version").fetchone()
        except psycopg.errors.UndefinedTable:
            row = None
    found = row[0] if row else None
    if found is None or found < head(service):
        raise SchemaBehind(f"{service}: the schema is {found or 'not there'}, this build needs {head(service)}")


def _wait(attempt: Callable[[], None], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            attempt()
        except (psycopg.OperationalError, SchemaBehind):
            if time.monotonic() >= deadline:
                raise
            time.sleep(1.0)
        else:
            return


def migrate(service: str, database_url: str, target: str = "head") -> None:
    """Brings the database to the target revision, each script in a transaction of its own.

    An advisory lock keeps two migrators apart; a script waits at most `timeouts.LOCK` for a table, so that it fails
    instead of holding up the service that is running, and may work as long as it must. Whoever migrates is the
    service's login, which sets its timeouts here.
    """
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(versions_of(service).parent))
    scripts = ScriptDirectory(str(versions_of(service).parent), version_locations=[str(versions_of(service))])

    def upgrade(revision: Any, _: Any) -> Any:
        if target == "head" and revision and max(revision) > head(service):
            return []  # a later build has been here; its schema serves this one too
        return scripts._upgrade_revs(target, revision)

    engine = create_engine(engine_url(database_url))
    try:
        with (
            _one_at_a_time,
            engine.connect() as connection,
            EnvironmentContext(config, scripts, fn=upgrade) as environment,
        ):
            for setting in timeouts.MIGRATION_SESSION:
                connection.exec_driver_sql(setting)
            connection.exec_driver_sql("SELECT pg_advisory_lock(hashtext('migrate'))")
            connection.exec_driver_sql(f"SET lock_timeout = '{timeouts.LOCK}'")
            for setting in timeouts.login_statements():
                connection.exec_driver_sql(setting)
            connection.commit()
            environment.configure(connection=connection, transaction_per_migration=True)
            with environment.begin_transaction():
                environment.run_migrations()
    finally:
        engine.dispose()


def create_chassis_tables() -> None:
    """The chassis's tables as of revision 0001 of every service. A later change to them is a later function here."""
    from alembic import op

    op.execute(_TABLES_0001)


_TABLES_0001 = """
CREATE TABLE outbox (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id UUID NOT NULL UNIQUE,
    type TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL DEFAULT 0,
    payload BYTEA NOT NULL,
    trace_parent TEXT,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    published_at TIMESTAMP WITH TIME ZONE
);
CREATE INDEX idx_outbox_unpublished ON outbox (seq) WHERE published_at IS NULL;

CREATE TABLE inbox (
    event_id UUID PRIMARY KEY,
    handled_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now()
);
CREATE INDEX idx_inbox_handled_at ON inbox (handled_at);

CREATE TABLE dead_letters (
    event_id UUID PRIMARY KEY,
    type TEXT NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    payload BYTEA NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    dead_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    attempts INTEGER NOT NULL,
    error TEXT NOT NULL
);
CREATE INDEX idx_dead_letters_dead_at ON dead_letters (dead_at, event_id);

CREATE TABLE idempotency_keys (
    caller TEXT NOT NULL,
    method TEXT NOT NULL,
    key TEXT NOT NULL,
    body_hash BYTEA NOT NULL,
    result_id UUID,
    refusal BYTEA,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
    PRIMARY KEY (caller, method, key)
);
CREATE INDEX idx_idempotency_keys_created_at ON idempotency_keys (created_at);

CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    holder UUID NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL
);
"""
