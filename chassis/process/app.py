"""What a service's code works with: settings, database, peers, keys."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import structlog

from chassis.database import Database
from chassis.events.outbox import Outbox
from chassis.process.settings import ServiceSettings
from chassis.rpc.channels import Channels
from chassis.rpc.pagination import Pages
from chassis.security.encryption import FieldCipher, decode_key
from chassis.security.tls import IdentityFiles

T = TypeVar("T")


class App:
    """One per process. A service that needs more subclasses it and names the subclass in its composition root."""

    settings_class: type[ServiceSettings] = ServiceSettings

    def __init__(self, name: str, settings: Any) -> None:
        self.name = name
        self.settings = settings
        self.log = structlog.get_logger(name)
        self.outbox = Outbox()
        self.db = self._database(settings.database_url)
        # Where stale reads do no harm; the primary when no replica is set.
        self.read_db = self._database(settings.read_url) if settings.read_url else self.db
        self.files = IdentityFiles(settings.tls_dir)
        self.channels = Channels(self.files, settings.peers, settings.peer_target)
        self.cipher = FieldCipher.parse(settings.field_keys.get_secret_value(), settings.index_key.get_secret_value())
        self.signing_key = decode_key(settings.signing_key.get_secret_value())
        self.pages = Pages(self.signing_key)
        self._unfinished: set[asyncio.Task[Any]] = set()

    def _database(self, url: Any) -> Database:
        return Database(
            url.get_secret_value(),
            size=self.settings.database_pool_size,
            application=self.name,
            outbox=self.outbox,
        )

    async def start(self) -> None:
        """Opens what the subclass needs; the database is open, the service does not serve yet."""

    async def drain(self) -> None:
        """Called when draining begins: streams that would outlast it are told to end themselves."""

    async def stop(self) -> None:
        """Closes what `start` opened; nothing is served any more."""

    def bus_gap(self) -> None:
        """Called after NATS was away: what listeners would have heard is unknown, so caches are emptied."""

    async def run_shielded(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs `work` to its end even when the client that waits for it goes away; shutdown waits for it too."""
        return await asyncio.shield(self._begin(work))

    def run_in_background(self, work: Coroutine[Any, Any, object]) -> None:
        """Runs `work` when its client has the answer already; shutdown waits for it, a failure is logged.

        A process that dies does not get to it: what must happen is recorded first, so that a loop finds it.
        """
        self._begin(work).add_done_callback(self._log_failure)

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._unfinished.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._unfinished.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has seen it; nobody waiting is no reason for a warning

    def _log_failure(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.warning("work after an answer failed", error=f"{type(error).__name__}: {error}")

    async def finish(self, seconds: float) -> None:
        """Waits for run_shielded work and what it left for later, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._unfinished:
                    await asyncio.wait(self._unfinished)

    async def open(self) -> None:
        await self.db.open()
        if self.read_db is not self.db:
            await self.read_db.open()
        await self.start()

    async def close(self) -> None:
        await self.stop()
        await self.channels.close()
        await self.db.close()
        if self.read_db is not self.db:
            await self.read_db.close()
