"""Storage of orders, payments and refunds in one SQLite file."""

from __future__ import annotations

import json
import secrets
import sqlite3
import string
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from devstack.gateway.errors import RazorpayError

Json = dict[str, Any]

ALPHABET = string.ascii_letters + string.digits
ID_LENGTH = 14


def make_id(prefix: str) -> str:
    return f"{prefix}_" + "".join(secrets.choice(ALPHABET) for _ in range(ID_LENGTH))


class Ledger:
    """Entities as JSON, by id, kind, parent and receipt."""

    def __init__(self, path: str) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.executescript(
            """
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = NORMAL;
            CREATE TABLE IF NOT EXISTS entities (
                id TEXT PRIMARY KEY, kind TEXT NOT NULL, parent TEXT, receipt TEXT, idempotency_key TEXT UNIQUE,
                body TEXT NOT NULL
            );
            CREATE INDEX IF NOT EXISTS entities_parent ON entities (kind, parent);
            CREATE INDEX IF NOT EXISTS entities_receipt ON entities (kind, receipt);
            """
        )

    def close(self) -> None:
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction. Code inside must not await."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def put(self, entity: Json, *, parent: str | None = None, idempotency_key: str | None = None) -> None:
        self.db.execute(
            "INSERT INTO entities VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            (entity["id"], entity["entity"], parent, entity.get("receipt"), idempotency_key, json.dumps(entity)),
        )

    def get(self, kind: str, entity_id: str) -> Json:
        row = self.db.execute("SELECT body FROM entities WHERE kind = ? AND id = ?", (kind, entity_id)).fetchone()
        if row is None:
            raise RazorpayError("The id provided does not exist")
        entity: Json = json.loads(row[0])
        return entity

    def find_by_idempotency_key(self, key: str) -> Json | None:
        row = self.db.execute("SELECT body FROM entities WHERE idempotency_key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else None

    def list_children(self, kind: str, parent: str) -> list[Json]:
        rows = self.db.execute(
            "SELECT body FROM entities WHERE kind = ? AND parent = ? ORDER BY rowid DESC", (kind, parent)
        )
        return [json.loads(row[0]) for row in rows]

    def list_by_kind(self, kind: str, receipt: str | None, count: int, skip: int) -> list[Json]:
        rows = self.db.execute(
            "SELECT body FROM entities WHERE kind = ?1 AND (?2 IS NULL OR receipt = ?2) "
            "ORDER BY rowid DESC LIMIT ?3 OFFSET ?4",
            (kind, receipt, count, skip),
        )
        return [json.loads(row[0]) for row in rows]
