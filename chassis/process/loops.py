"""Periodic jobs: each runs in the replica that holds its lease, so in one replica at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from prometheus_client import Counter

from chassis.database import Database
from chassis.database.lease import Lease

log = structlog.get_logger(__name__)

RUNS = Counter("loop_runs_total", "Runs of periodic jobs", ["service", "loop", "outcome"])


@dataclass(frozen=True, slots=True)
class Loop:
    """Calls `run(app)` every `every` seconds, and immediately when the event of `wake(app)` is set."""

    name: str
    every: float
    run: Callable[[Any], Awaitable[object]]
    wake: Callable[[Any], asyncio.Event] | None = None

    async def keep_running(self, service: str, app: Any, db: Database) -> None:
        """Until cancelled. A failed run is logged; the next run starts at its usual time."""
        lease = Lease(db, f"loop:{self.name}")
        woken = self.wake(app) if self.wake else asyncio.Event()
        # An alert sees an increase only of a series that exists before it.
        for outcome in ("done", "failed"):
            RUNS.labels(service, self.name, outcome)
        while True:
            try:
                async with lease.held():
                    while lease.is_held():
                        woken.clear()
                        await self._run_once(service, app)
                        await _wait(woken, self.every)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                log.warning("periodic job has no lease", loop=self.name, error=str(error) or type(error).__name__)
                await asyncio.sleep(1.0)

    async def _run_once(self, service: str, app: Any) -> None:
        try:
            await self.run(app)
        except BaseException as error:
            if not isinstance(error, Exception) and not _is_stray_cancellation(error):
                raise
            RUNS.labels(service, self.name, "failed").inc()
            log.warning("periodic job failed", loop=self.name, error=str(error) or type(error).__name__, exc_info=error)
        else:
            RUNS.labels(service, self.name, "done").inc()


def _is_stray_cancellation(error: BaseException) -> bool:
    """Whether a closed channel, and not a cancellation of this task, caused the error; the job must go on."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and not task.cancelling()


async def _wait(woken: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(woken.wait(), seconds)
    except TimeoutError:
        return
