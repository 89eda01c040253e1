"""Events of a watched order as server-sent events.

`event: status` is an entry of the history, with the version of the order as its id; `Last-Event-ID` resumes after it.
`event: position` is the latest position of the courier, without id, since only the latest matters. A comment keeps idle
streams open. `event: end` says why the stream ends: CLOSED for good, RECONNECT to continue at another replica.
"""

from __future__ import annotations

import json

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from services.order.model.views import CourierPosition, StreamClosed, StreamEvent, StreamIdle, TimelineEntry
from services.order.wire.orders import position_to_proto, timeline_entry_to_proto

CONTENT_TYPE = "text/event-stream"
# Milliseconds until a browser reconnects after the end of a stream.
RETRY_MS = 1000


def stream_event_to_proto(event: StreamEvent) -> HttpBody:
    if isinstance(event, TimelineEntry):
        return _event_to_proto("status", timeline_entry_to_proto(event), event.row.version)
    if isinstance(event, CourierPosition):
        return _event_to_proto("position", position_to_proto(event))
    if isinstance(event, StreamClosed):
        return _chunk(f'event: end\ndata: {{"reason": "{event.reason}"}}\n\n')
    return _chunk(": alive\n\n" if isinstance(event, StreamIdle) else f"retry: {RETRY_MS}\n\n")


def _event_to_proto(name: str, message: Message, version: int | None = None) -> HttpBody:
    data = json.dumps(MessageToDict(message, always_print_fields_with_no_presence=True), ensure_ascii=False)
    event_id = f"id: {version}\n" if version is not None else ""
    return _chunk(f"event: {name}\n{event_id}data: {data}\n\n")


def _chunk(text: str) -> HttpBody:
    return HttpBody(content_type=CONTENT_TYPE, data=text.encode())
