"""What a service's code works with: settings, databases, channels to other services, keys."""

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
        # For reads that may be stale; the primary when no replica is configured.
        self.read_db = self._database(settings.read_url) if settings.read_url else self.db
        self.files = IdentityFiles(settings.tls_dir)
        self.channels = Channels(self.files, settings.peers, settings.peer_target)
        self.cipher = FieldCipher.parse(settings.field_keys.get_secret_value(), settings.index_key.get_secret_value())
        self.signing_key = decode_key(settings.signing_key.get_secret_value())
        self.pages = Pages(self.signing_key)
        self._background: set[asyncio.Task[Any]] = set()

    def _database(self, url: Any) -> Database:
        return Database(
            url.get_secret_value(),
            size=self.settings.database_pool_size,
            application=self.name,
            outbox=self.outbox,
        )

    async def start(self) -> None:
        """Opens what the subclass needs; the database is open, requests are not served yet."""

    async def drain(self) -> None:
        """Called when draining begins: ends streams that would last longer than the drain."""

    async def stop(self) -> None:
        """Closes what `start` opened; requests are not served any more."""

    def on_missed_events(self) -> None:
        """Called after NATS was unreachable: subscribers missed events, so caches must be emptied."""

    async def run_shielded(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs `work` to its end even when the waiting client disconnects; shutdown waits for it."""
        return await asyncio.shield(self._start_task(work))

    def run_in_background(self, work: Coroutine[Any, Any, object]) -> None:
        """Runs `work` after the response; shutdown waits for it, a failure is logged.

        It is lost when the process dies: record work that must be done first, so that a periodic job finds it.
        """
        self._start_task(work).add_done_callback(self._log_failure)

    def _start_task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._remove_task)
        return task

    def _remove_task(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as retrieved: without a waiting client asyncio would log a warning

    def _log_failure(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.warning("background work failed", error=f"{type(error).__name__}: {error}")

    async def wait_for_background_work(self, seconds: float) -> None:
        """Waits for shielded and background work, at most `seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._background:
                    await asyncio.wait(self._background)

    async def open(self) -> None:
        """Opens the databases, then what the subclass needs."""
        await self.db.open()
        if self.read_db is not self.db:
            await self.read_db.open()
        await self.start()

    async def close(self) -> None:
        """Closes everything, the databases last."""
        await self.stop()
        await self.channels.close()
        await self.db.close()
        if self.read_db is not self.db:
            await self.read_db.close()
