"""Watched orders as streams of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

from chassis.rpc.call import Caller
from services.order import queries
from services.order.app import OrderApp
from services.order.model import states
from services.order.model.views import StreamClosed, StreamEvent, StreamIdle, StreamOpened, TimelineEntry
from services.order.usecases.access import Viewer, get_order_head
from services.order.usecases.tracking import decrypt_position

PAGE = 200


async def watch_order(app: OrderApp, caller: Caller, order_id: UUID, after_version: int) -> AsyncIterator[StreamEvent]:
    """The history after the version, then each change. Raises NotFound unless the caller may see the order."""
    viewer = Viewer.of(caller)
    is_staff = bool(viewer.jobs_for(await get_order_head(app, viewer, order_id)))
    seen = after_version
    deadline = asyncio.get_running_loop().time() + app.settings.watch_seconds
    position_id: UUID | None = None
    with app.watchers.watch(order_id) as wakeup:
        yield StreamOpened()
        while True:
            wakeup.clear()
            rows = await app.db.all(
                queries.orders.LIST_TIMELINE, order_id=order_id, after_version=seen, internal=is_staff, limit=PAGE
            )
            for row in rows:
                seen = row.version
                yield TimelineEntry(row, shows_account=is_staff)
            if len(rows) == PAGE:
                continue
            position = await app.db.one(queries.changes.LIST_POSITIONS, order_id=order_id, limit=1)
            if position is not None and position.id != position_id:
                position_id = position.id
                yield decrypt_position(app, position)
            if await _is_complete(app, order_id, seen, is_staff):
                yield StreamClosed("CLOSED")
                return
            async for idle in _wait(wakeup, app.settings.heartbeat_seconds, deadline):
                yield idle
            if app.watchers.is_closing or asyncio.get_running_loop().time() >= deadline:
                yield StreamClosed("RECONNECT")
                return


async def _is_complete(app: OrderApp, order_id: UUID, seen: int, is_staff: bool) -> bool:
    """Whether the order is closed and its history was sent: a change after the history was read is sent first."""
    order = await app.db.one(queries.orders.GET_ORDER_HEAD, id=order_id)
    if order is None:
        return True
    if order.status not in states.CLOSED:
        return False
    later = await app.db.one(
        queries.orders.LIST_TIMELINE, order_id=order_id, after_version=seen, internal=is_staff, limit=1
    )
    return later is None


async def _wait(wakeup: asyncio.Event, heartbeat: float, deadline: float) -> AsyncIterator[StreamIdle]:
    """Heartbeats until the order may have changed or the deadline is reached."""
    while not wakeup.is_set():
        remaining = deadline - asyncio.get_running_loop().time()
        if remaining <= 0:
            return
        try:
            await asyncio.wait_for(wakeup.wait(), min(heartbeat, remaining))
        except TimeoutError:
            yield StreamIdle()
