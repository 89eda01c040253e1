"""Webhooks: signed, queued in the transaction of their cause, retried with increasing delays until a 2xx response."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time

import httpx

from devstack.gateway.ledger import Json, Ledger, make_id
from devstack.gateway.settings import Settings

FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 30.0
DELIVERY_TIMEOUT_SECONDS = 10.0
MAX_AGE_SECONDS = 24 * 3600.0
PARALLEL_DELIVERIES = 16


def sign(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


class Webhooks:
    """Queue of webhooks in the database of the ledger: a cause and its webhook are written in one transaction."""

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        self._db = ledger.db
        self._settings = settings
        self._wake = asyncio.Event()
        self._db.executescript(
            """
            CREATE TABLE IF NOT EXISTS webhooks (
                event_id TEXT PRIMARY KEY, body BLOB NOT NULL, created REAL NOT NULL, due REAL NOT NULL,
                tries INTEGER NOT NULL DEFAULT 0, delivered REAL
            );
            CREATE INDEX IF NOT EXISTS webhooks_due ON webhooks (due) WHERE delivered IS NULL;
            """
        )

    def enqueue(self, event: str, **entities: Json) -> None:
        """Queues a webhook, in the transaction of its cause."""
        if self._settings.faults.drop_webhooks:
            return
        message = {
            "entity": "event",
            "account_id": "acc_LocalMerchant0",
            "event": event,
            "contains": list(entities),
            "payload": {name: {"entity": entity} for name, entity in entities.items()},
            "created_at": int(time.time()),
        }
        self._queue(make_id("evt"), json.dumps(message, separators=(",", ":")).encode())

    def wake(self) -> None:
        """Starts delivery after the commit of queued webhooks."""
        self._wake.set()

    async def deliver(self) -> None:
        """Delivers due webhooks until cancelled. Deliveries run in parallel, so their order is not preserved."""
        async with httpx.AsyncClient(timeout=DELIVERY_TIMEOUT_SECONDS, trust_env=False) as client:
            while True:
                self._wake.clear()
                due = self._read_due()
                await asyncio.gather(*(self._send(client, *webhook) for webhook in due))
                if due:
                    continue
                try:
                    await asyncio.wait_for(self._wake.wait(), self._seconds_to_next())
                except TimeoutError:
                    continue

    def count_undelivered(self) -> int:
        (count,) = self._db.execute("SELECT count(*) FROM webhooks WHERE delivered IS NULL").fetchone()
        return int(count)

    async def _send(self, client: httpx.AsyncClient, event_id: str, body: bytes, tries: int) -> None:
        headers = {
            "content-type": "application/json",
            "user-agent": "Razorpay-Webhook/v1",
            "x-razorpay-event-id": event_id,
            "x-razorpay-signature": sign(self._settings.webhook_secret, body),
        }
        copies = 2 if self._settings.faults.duplicate_webhooks else 1
        try:
            answers = await asyncio.gather(
                *(client.post(self._settings.webhook_url, content=body, headers=headers) for _ in range(copies))
            )
        except httpx.HTTPError:
            self._mark_failed(event_id, tries)
            return
        if all(answer.is_success for answer in answers):
            self._mark_delivered(event_id)
        else:
            self._mark_failed(event_id, tries)

    def _queue(self, event_id: str, body: bytes) -> None:
        now = time.time()
        self._db.execute(
            "INSERT INTO webhooks (event_id, body, created, due) VALUES (?, ?, ?, ?)", (event_id, body, now, now)
        )

    def _read_due(self) -> list[tuple[str, bytes, int]]:
        return self._db.execute(
            "SELECT event_id, body, tries FROM webhooks WHERE delivered IS NULL AND due <= ? AND created > ? "
            "ORDER BY due LIMIT ?",
            (time.time(), time.time() - MAX_AGE_SECONDS, PARALLEL_DELIVERIES),
        ).fetchall()

    def _seconds_to_next(self) -> float:
        (due,) = self._db.execute(
            "SELECT min(due) FROM webhooks WHERE delivered IS NULL AND created > ?",
            (time.time() - MAX_AGE_SECONDS,),
        ).fetchone()
        return LONGEST_RETRY_SECONDS if due is None else max(0.0, float(due) - time.time())

    def _mark_delivered(self, event_id: str) -> None:
        self._db.execute("UPDATE webhooks SET delivered = ? WHERE event_id = ?", (time.time(), event_id))

    def _mark_failed(self, event_id: str, tries: int) -> None:
        pause = min(FIRST_RETRY_SECONDS * 2**tries, LONGEST_RETRY_SECONDS)
        self._db.execute(
            "UPDATE webhooks SET tries = tries + 1, due = ? WHERE event_id = ?", (time.time() + pause, event_id)
        )
