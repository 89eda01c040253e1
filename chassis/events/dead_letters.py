"""The operators' service for dead letters: list, show, replay, discard."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from google.protobuf import json_format
from google.protobuf.empty_pb2 import Empty
from jainshikanji.operations.v1 import dead_letter_service_pb2 as pb
from jainshikanji.operations.v1.dead_letter_service_pb2_grpc import DeadLetterServiceServicer

from chassis.database import Database, sql
from chassis.database.rows import column_names
from chassis.errors import Conflict, NotFound
from chassis.events.bus import EventMeta, publisher
from chassis.events.consumer import Consumer
from chassis.rpc.call import current_call
from chassis.rpc.pagination import Pages
from chassis.timestamps import timestamp_to_proto

log = structlog.get_logger(__name__)


class DeadLetterSummaryRow(NamedTuple):
    """A dead letter without its payload."""

    event_id: UUID
    type: str
    occurred_at: datetime
    dead_at: datetime
    attempts: int
    error: str


class DeadLetterRow(NamedTuple):
    """A dead letter with its payload."""

    event_id: UUID
    type: str
    key: str
    version: int
    payload: bytes
    occurred_at: datetime
    dead_at: datetime
    attempts: int
    error: str


LIST = sql(
    """
    SELECT event_id, type, occurred_at, dead_at, attempts, error FROM dead_letters
    WHERE %(after_at)s::timestamptz IS NULL OR (dead_at, event_id) < (%(after_at)s::timestamptz, %(after_id)s::uuid)
    ORDER BY dead_at DESC, event_id DESC LIMIT %(limit)s
    """,
    row=DeadLetterSummaryRow,
)
SHOW = sql(
    f"SELECT {column_names(DeadLetterRow)} FROM dead_letters WHERE event_id = %(event_id)s",  # noqa: S608 - columns above
    row=DeadLetterRow,
)
DELETE = sql("DELETE FROM dead_letters WHERE event_id = %(event_id)s")
FAILED = sql(
    "UPDATE dead_letters SET attempts = attempts + 1, error = %(error)s, dead_at = now() WHERE event_id = %(event_id)s"
)


class ReplayFailed(Conflict):
    """The event was handled again and failed again; the message says why."""


class DeadLetterServicer(DeadLetterServiceServicer):
    def __init__(self, db: Database, pages: Pages, consumer: Consumer) -> None:
        self._db, self._pages, self._consumer = db, pages, consumer

    async def ListDeadLetters(self, request: pb.ListDeadLettersRequest, context: Any) -> pb.ListDeadLettersResponse:
        page = self._pages.open(request, default_size=50)
        at, event_id = page.after or (None, None)
        rows = await self._db.all(LIST, after_at=at, after_id=event_id, limit=page.limit)
        token = page.next_token(rows, lambda row: (row.dead_at.isoformat(), str(row.event_id)))
        return pb.ListDeadLettersResponse(dead_letters=map(_to_proto, page.trim(rows)), next_page_token=token)

    async def GetDeadLetter(self, request: pb.GetDeadLetterRequest, context: Any) -> pb.DeadLetter:
        row = await self._find(request.event_id)
        letter = _to_proto(row)
        letter.payload_json = json_format.MessageToJson(self._consumer.decode(row.type, row.payload))
        return letter

    async def ReplayDeadLetter(self, request: pb.ReplayDeadLetterRequest, context: Any) -> Empty:
        row = await self._find(request.event_id)
        meta = EventMeta(row.event_id, row.type, publisher(row.type), row.key, row.version, row.occurred_at)
        try:
            await self._consumer.apply([(self._consumer.decode(row.type, row.payload), meta)])
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            await self._db.run(FAILED, event_id=row.event_id, error=reason[:2000])
            raise ReplayFailed(reason) from error
        await self._db.run(DELETE, event_id=row.event_id)
        return Empty()

    async def DiscardDeadLetter(self, request: pb.DiscardDeadLetterRequest, context: Any) -> Empty:
        row = await self._find(request.event_id)
        await self._db.run(DELETE, event_id=row.event_id)
        log.warning(
            "dead letter discarded",
            event_id=request.event_id,
            type=row.type,
            reason=request.reason,
            by=current_call().caller.service,
        )
        return Empty()

    async def _find(self, event_id: str) -> DeadLetterRow:
        row = await self._db.one(SHOW, event_id=UUID(event_id))
        if row is None:
            raise NotFound
        return row


def _to_proto(row: DeadLetterSummaryRow | DeadLetterRow) -> pb.DeadLetter:
    return pb.DeadLetter(
        event_id=str(row.event_id),
        type=row.type,
        occurred_at=timestamp_to_proto(row.occurred_at),
        dead_at=timestamp_to_proto(row.dead_at),
        attempts=row.attempts,
        error=row.error,
    )
