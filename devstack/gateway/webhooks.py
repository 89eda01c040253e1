"""Webhooks: signed over their bytes, queued with their cause, repeated with growing pauses until answered with 2xx."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time

import httpx

from devstack.gateway.books import Books, Json, new_id
from devstack.gateway.settings import Settings

FIRST_RETRY_SECONDS = 0.5
LONGEST_RETRY_SECONDS = 30.0
DELIVERY_TIMEOUT_SECONDS = 10.0
GIVE_UP_AFTER_SECONDS = 24 * 3600.0
PARALLEL_DELIVERIES = 16


def signature(secret: str, message: bytes) -> str:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


class Webhooks:
    """What the merchant is still to be told. It shares the books' file, so that a cause and its webhook are written
    together."""

    def __init__(self, books: Books, settings: Settings) -> None:
        self._db = books.db
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

    def announce(self, event: str, **entities: Json) -> None:
        """Queues one, in the transaction of its cause."""
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
        self._queue(new_id("evt"), json.dumps(message, separators=(",", ":")).encode())

    def wake(self) -> None:
        """What was announced is committed: deliver it now."""
        self._wake.set()

    async def deliver(self) -> None:
        """Runs until cancelled. Deliveries of one round run side by side, so their order is not kept."""
        async with httpx.AsyncClient(timeout=DELIVERY_TIMEOUT_SECONDS, trust_env=False) as client:
            while True:
                self._wake.clear()
                due = self._due()
                await asyncio.gather(*(self._send(client, *webhook) for webhook in due))
                if due:
                    continue
                try:
                    await asyncio.wait_for(self._wake.wait(), self._seconds_to_next())
                except TimeoutError:
                    continue

    def undelivered(self) -> int:
        (count,) = self._db.execute("SELECT count(*) FROM webhooks WHERE delivered IS NULL").fetchone()
        return int(count)

    async def _send(self, client: httpx.AsyncClient, event_id: str, body: bytes, tries: int) -> None:
        headers = {
            "content-type": "application/json",
            "user-agent": "Razorpay-Webhook/v1",
            "x-razorpay-event-id": event_id,
            "x-razorpay-signature": signature(self._settings.webhook_secret, body),
        }
        copies = 2 if self._settings.faults.duplicate_webhooks else 1
        try:
            answers = await asyncio.gather(
                *(client.post(self._settings.webhook_url, content=body, headers=headers) for _ in range(copies))
            )
        except httpx.HTTPError:
            self._failed(event_id, tries)
            return
        if all(answer.is_success for answer in answers):
            self._delivered(event_id)
        else:
            self._failed(event_id, tries)

    def _queue(self, event_id: str, body: bytes) -> None:
        now = time.time()
        self._db.execute(
            "INSERT INTO webhooks (event_id, body, created, due) VALUES (?, ?, ?, ?)", (event_id, body, now, now)
        )

    def _due(self) -> list[tuple[str, bytes, int]]:
        return self._db.execute(
            "SELECT event_id, body, tries FROM webhooks WHERE delivered IS NULL AND due <= ? AND created > ? "
            "ORDER BY due LIMIT ?",
            (time.time(), time.time() - GIVE_UP_AFTER_SECONDS, PARALLEL_DELIVERIES),
        ).fetchall()

    def _seconds_to_next(self) -> float:
        (due,) = self._db.execute(
            "SELECT min(due) FROM webhooks WHERE delivered IS NULL AND created > ?",
            (time.time() - GIVE_UP_AFTER_SECONDS,),
        ).fetchone()
        return LONGEST_RETRY_SECONDS if due is None else max(0.0, float(due) - time.time())

    def _delivered(self, event_id: str) -> None:
        self._db.execute("UPDATE webhooks SET delivered = ? WHERE event_id = ?", (time.time(), event_id))

    def _failed(self, event_id: str, tries: int) -> None:
        pause = min(FIRST_RETRY_SECONDS * 2**tries, LONGEST_RETRY_SECONDS)
        self._db.execute(
            "UPDATE webhooks SET tries = tries + 1, due = ? WHERE event_id = ?", (time.time() + pause, event_id)
        )
