"""All statements that PostgreSQL executes during a block, read from its log.

with log_statements(processes.postgres) as log:
    ...
log.statements()
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from devstack.postgres import Postgres

# The format of log_line_prefix in devstack/postgres.py. Continuation lines begin with a tab.
_ENTRY = re.compile(r"^\S+ \S+ \S+ \[(?P<process>\d+)\] \S+?@(?P<database>\S+) (?P<kind>[A-Z]+):  ")
_EXECUTED = re.compile(r"(?:execute [^:]+|statement): ")
_PARAMETER = re.compile(r"\$(\d+) = (?:NULL|'((?:[^']|'')*)')")
_WRITING = re.compile(r"\b(INSERT INTO|DELETE FROM|(?<!FOR )(?<!KEY )UPDATE)\b")
_TRANSACTION_CONTROL = {"BEGIN", "COMMIT", "ROLLBACK"}
# Statements of relays, leases, readiness checks and consumers, which belong to no request.
_BACKGROUND = re.compile(r"\binbox\b|\bleases\b|\balembic_version\b|(?:FROM|UPDATE) outbox\b|pg_notify")


@dataclass(frozen=True)
class Statement:
    """One execution; one round trip."""

    database: str
    # Process id of the backend: the statements of one connection are in order.
    process: int
    text: str
    # By number, starting at 1; None is NULL.
    parameters: dict[int, str | None]

    @property
    def is_transaction_control(self) -> bool:
        """BEGIN, COMMIT or ROLLBACK."""
        return self.text.strip(" ;").upper() in _TRANSACTION_CONTROL

    @property
    def writes(self) -> bool:
        return _WRITING.search(self.text) is not None


class StatementLog:
    """Statements in PostgreSQL's log since this object was created or cleared."""

    def __init__(self, log: Path) -> None:
        self._log, self._start = log, log.stat().st_size

    def clear(self) -> None:
        """Ignores the statements so far."""
        self._start = self._log.stat().st_size

    def statements(self) -> list[Statement]:
        """All statements, in order of their start."""
        with self._log.open("rb") as file:
            file.seek(self._start)
            entries = _parse_entries(file.read().decode(errors="replace"))
        found: list[Statement] = []
        for kind, process, database, text in entries:
            if kind == "LOG" and (executed := _EXECUTED.match(text)):
                found.append(Statement(database, process, text[executed.end() :], {}))
            elif kind == "DETAIL" and found and found[-1].process == process:
                found[-1].parameters.update(_parse_parameters(text))
        return found


def group_by_transaction(statements: Iterable[Statement]) -> Iterator[list[Statement]]:
    """Groups statements by transaction, with BEGIN and COMMIT; a single statement is a transaction of its own."""
    begun: dict[int, list[Statement]] = {}
    for statement in statements:
        if statement.process not in begun and not statement.is_transaction_control:
            yield [statement]
            continue
        parts = begun.setdefault(statement.process, [])
        parts.append(statement)
        if len(parts) > 1 and statement.is_transaction_control:
            yield begun.pop(statement.process)


def select_request_transactions(statements: Iterable[Statement]) -> Iterator[list[Statement]]:
    """The transactions of requests, without those of relays, consumers and leases."""
    for transaction in group_by_transaction(statements):
        if not any(_BACKGROUND.search(statement.text) for statement in transaction):
            yield transaction


@contextmanager
def log_statements(postgres: Postgres) -> Iterator[StatementLog]:
    """Logs every statement of the server during the block."""
    with psycopg.connect(postgres.admin_url(), autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET log_statement = 'all'")
        try:
            _reload(admin, postgres, "all")
            yield StatementLog(postgres.log)
        finally:
            admin.execute("ALTER SYSTEM RESET log_statement")
            _reload(admin, postgres, "none")


def _reload(admin: psycopg.Connection[tuple[object, ...]], postgres: Postgres, wanted: str) -> None:
    """Reloads the configuration and waits until new connections have the setting."""
    admin.execute("SELECT pg_reload_conf()")
    while True:
        with psycopg.connect(postgres.admin_url()) as connection:
            if connection.execute("SHOW log_statement").fetchone() == (wanted,):
                return


def _parse_entries(log: str) -> Iterator[tuple[str, int, str, str]]:
    """Kind, process, database and text of each log entry of a connection."""
    entry: re.Match[str] | None = None
    lines: list[str] = []
    for line in log.splitlines():
        if line.startswith("\t"):
            lines.append(line[1:])
            continue
        if entry is not None:
            yield entry["kind"], int(entry["process"]), entry["database"], "\n".join(lines)
        entry = _ENTRY.match(line)
        lines = [line[entry.end() :]] if entry is not None else []
    if entry is not None:
        yield entry["kind"], int(entry["process"]), entry["database"], "\n".join(lines)


def _parse_parameters(detail: str) -> dict[int, str | None]:
    return {
        int(found[1]): found[2].replace("''", "'") if found[2] is not None else None
        for found in _PARAMETER.finditer(detail)
    }
