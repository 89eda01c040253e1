"""What PostgreSQL is asked while a block runs, as its own log tells: every statement of every database.

with overheard(processes.postgres) as heard:
    ...
heard.statements()
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from devstack.postgres import Postgres

# As log_line_prefix of devstack/postgres.py writes it; lines of one entry after the first begin with a tab.
_ENTRY = re.compile(r"^\S+ \S+ \S+ \[(?P<process>\d+)\] \S+?@(?P<database>\S+) (?P<kind>[A-Z]+):  ")
_EXECUTED = re.compile(r"(?:execute [^:]+|statement): ")
_PARAMETER = re.compile(r"\$(\d+) = (?:NULL|'((?:[^']|'')*)')")
_WRITING = re.compile(r"\b(INSERT INTO|DELETE FROM|(?<!FOR )(?<!KEY )UPDATE)\b")
_BRACKETS = {"BEGIN", "COMMIT", "ROLLBACK"}
# Relays, leases, readiness and consumers: what no request asks for.
_BY_ITSELF = re.compile(r"\binbox\b|\bleases\b|\balembic_version\b|(?:FROM|UPDATE) outbox\b|pg_notify")


@dataclass(frozen=True)
class Statement:
    """One execution; one round trip."""

    database: str
    # The server's process: what one connection does is in its order.
    process: int
    text: str
    # By number, from 1; None is NULL.
    parameters: dict[int, str | None]

    @property
    def is_bracket(self) -> bool:
        """BEGIN, COMMIT or ROLLBACK."""
        return self.text.strip(" ;").upper() in _BRACKETS

    @property
    def writes(self) -> bool:
        return _WRITING.search(self.text) is not None


class Heard:
    """What was logged since some moment."""

    def __init__(self, log: Path) -> None:
        self._log, self._start = log, log.stat().st_size

    def forget(self) -> None:
        """What was heard until now does not count."""
        self._start = self._log.stat().st_size

    def statements(self) -> list[Statement]:
        """In the order in which they were begun."""
        with self._log.open("rb") as file:
            file.seek(self._start)
            entries = _entries(file.read().decode(errors="replace"))
        found: list[Statement] = []
        for kind, process, database, text in entries:
            if kind == "LOG" and (executed := _EXECUTED.match(text)):
                found.append(Statement(database, process, text[executed.end() :], {}))
            elif kind == "DETAIL" and found and found[-1].process == process:
                found[-1].parameters.update(_parameters(text))
        return found


def transactions(statements: Iterable[Statement]) -> Iterator[list[Statement]]:
    """What was committed together, with its BEGIN and COMMIT; a statement by itself is a transaction of one."""
    begun: dict[int, list[Statement]] = {}
    for statement in statements:
        if statement.process not in begun and not statement.is_bracket:
            yield [statement]
            continue
        parts = begun.setdefault(statement.process, [])
        parts.append(statement)
        if len(parts) > 1 and statement.is_bracket:
            yield begun.pop(statement.process)


def of_requests(statements: Iterable[Statement]) -> Iterator[list[Statement]]:
    """The transactions that requests asked for: without those of relays, consumers and leases."""
    for transaction in transactions(statements):
        if not any(_BY_ITSELF.search(statement.text) for statement in transaction):
            yield transaction


@contextmanager
def overheard(postgres: Postgres) -> Iterator[Heard]:
    """Has the server log every statement during the block."""
    with psycopg.connect(postgres.admin_url(), autocommit=True) as admin:
        admin.execute("ALTER SYSTEM SET log_statement = 'all'")
        try:
            _reload(admin, postgres, "all")
            yield Heard(postgres.log)
        finally:
            admin.execute("ALTER SYSTEM RESET log_statement")
            _reload(admin, postgres, "none")


def _reload(admin: psycopg.Connection[tuple[object, ...]], postgres: Postgres, wanted: str) -> None:
    """Returns when new connections have the setting: all others have been told by then."""
    admin.execute("SELECT pg_reload_conf()")
    while True:
        with psycopg.connect(postgres.admin_url()) as newcomer:
            if newcomer.execute("SHOW log_statement").fetchone() == (wanted,):
                return


def _entries(log: str) -> Iterator[tuple[str, int, str, str]]:
    """(kind, process, database, text) of each entry of a connection."""
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


def _parameters(detail: str) -> dict[int, str | None]:
    return {
        int(found[1]): found[2].replace("''", "'") if found[2] is not None else None
        for found in _PARAMETER.finditer(detail)
    }
