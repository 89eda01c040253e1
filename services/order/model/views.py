"""Results of use cases that are more than one row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from services.order.model.contacts import Contact, Location
from services.order.model.pricing import Price
from services.order.rows import OrderHeadRow, OrderRow, TimelineRow


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order; `contact` is None when the caller may not see it."""

    order: OrderRow
    contact: Contact | None


@dataclass(frozen=True, slots=True)
class QuotedPrice:
    """A signed price and its expiry."""

    token: str
    expires_at: datetime
    price: Price
    points_used: int
    estimated_delivery: datetime


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """An entry of the history; only staff see the account of its author."""

    row: TimelineRow
    shows_account: bool


@dataclass(frozen=True, slots=True)
class CourierPosition:
    """A decrypted row of `order_tracking`."""

    id: UUID
    order_id: UUID
    location: Location
    status: str
    message: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Tracking:
    """The state of an order and the positions of its courier, newest first."""

    order: OrderHeadRow
    positions: list[CourierPosition]


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """The caller may watch the order; events follow."""


@dataclass(frozen=True, slots=True)
class StreamIdle:
    """Nothing has happened for one heartbeat interval."""


@dataclass(frozen=True, slots=True)
class StreamClosed:
    """The last event: CLOSED when the order is closed, RECONNECT to continue at another replica."""

    reason: Literal["CLOSED", "RECONNECT"]


StreamEvent: TypeAlias = StreamOpened | TimelineEntry | CourierPosition | StreamIdle | StreamClosed
