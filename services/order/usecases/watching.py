"""An order as a stream of server-sent events.

`event: status` is a line of the history, with the order's version as its id; `Last-Event-ID` resumes after it.
`event: position` is the courier's latest position, without an id: only the newest matters. A comment keeps silent
streams open. `event: end` says why the stream closes: CLOSED for good, RECONNECT to go on elsewhere.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from services.order.app import OrderApp
from services.order.model import states
from services.order.queries import changing, reading
from services.order.usecases.viewing import Viewer, head
from services.order.wire import orders

CONTENT_TYPE = "text/event-stream"
PAGE = 200
MAX_VERSION = 2**31 - 1
# Milliseconds after which a browser comes again when a stream ends.
RETRY_MS = 1000


def last_seen(header: str) -> int:
    """The version after which to resume; anything that is no version means from the beginning."""
    return int(header) if header.isascii() and header.isdigit() and int(header[:10]) <= MAX_VERSION else 0


async def watch(app: OrderApp, viewer: Viewer, order_id: UUID, seen: int) -> AsyncIterator[HttpBody]:
    """The order's history after version `seen`, then what happens to it, in order. Raises NotFound unless visible."""
    row = await head(app, viewer, order_id)
    for_staff = bool(viewer.jobs_for(row))
    deadline = asyncio.get_running_loop().time() + app.settings.watch_seconds
    position_id: UUID | None = None
    with app.watchers.watching(order_id) as woken:
        yield _chunk(f"retry: {RETRY_MS}\n\n")
        while True:
            woken.clear()
            entries = await app.db.all(
                reading.TIMELINE, order_id=order_id, after_version=seen, internal=for_staff, limit=PAGE
            )
            for entry in entries:
                seen = entry.version
                yield _event("status", orders.timeline_entry(entry, for_staff=for_staff), seen)
            if len(entries) == PAGE:
                continue
            newest = await _newest_position(app, order_id)
            if newest is not None and newest.id != position_id:
                position_id = newest.id
                yield _event("position", orders.position(newest, app.cipher))
            if await _is_closed(app, order_id, seen, for_staff):
                yield _end("CLOSED")
                return
            async for beat in _silence(woken, app.settings.heartbeat_seconds, deadline):
                yield beat
            if app.watchers.closing or asyncio.get_running_loop().time() >= deadline:
                yield _end("RECONNECT")
                return


async def _newest_position(app: OrderApp, order_id: UUID) -> Any | None:
    return await app.db.one(changing.POSITIONS, order_id=order_id, limit=1)


async def _is_closed(app: OrderApp, order_id: UUID, seen: int, for_staff: bool) -> bool:
    """Closed, and everything told: a step that came after the history was read is told first."""
    row = await app.db.one(reading.OWN_HEAD, id=order_id)
    if row is None:
        return True
    if row.status not in states.CLOSED:
        return False
    later = await app.db.one(reading.TIMELINE, order_id=order_id, after_version=seen, internal=for_staff, limit=1)
    return later is None


async def _silence(woken: asyncio.Event, heartbeat: float, deadline: float) -> AsyncIterator[HttpBody]:
    """Comments until something may have happened or the stream's life is over."""
    while not woken.is_set():
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            return
        try:
            await asyncio.wait_for(woken.wait(), min(heartbeat, left))
        except TimeoutError:
            yield _chunk(": alive\n\n")


def _event(name: str, message: Message, version: int | None = None) -> HttpBody:
    data = json.dumps(MessageToDict(message, always_print_fields_with_no_presence=True), ensure_ascii=False)
    identity = f"id: {version}\n" if version is not None else ""
    return _chunk(f"event: {name}\n{identity}data: {data}\n\n")


def _end(reason: str) -> HttpBody:
    return _chunk(f'event: end\ndata: {{"reason": "{reason}"}}\n\n')


def _chunk(text: str) -> HttpBody:
    return HttpBody(content_type=CONTENT_TYPE, data=text.encode())
