"""Inputs of the use cases, as the servicer reads them from requests and the event handlers from events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, TypeAlias
from uuid import UUID

from services.analytics.model.facts import OrderFact, StoreFact
from services.analytics.model.period import Period
from services.analytics.rows import NewEvent, NewProduct, NewRegistration, NewStockOut

Step: TypeAlias = Literal["hour", "day", "week", "month"]
# What one event changes in the fact of its order.
Change: TypeAlias = Callable[[OrderFact], OrderFact]


@dataclass(frozen=True, slots=True)
class IngestEvents:
    """A batch of events: as they were published, and what follows from them."""

    events: Sequence[NewEvent]
    changes: Mapping[UUID, Sequence[Change]]
    products: Sequence[NewProduct]
    stock_outs: Sequence[NewStockOut]
    registrations: Sequence[NewRegistration]
    stores: Sequence[StoreFact]


@dataclass(frozen=True, slots=True)
class ResolvePeriod:
    """The dates and the store of a request; None means the default dates, all stores."""

    store_id: UUID | None
    from_date: date | None
    to_date: date | None


@dataclass(frozen=True, slots=True)
class ListProducts:
    """A page of products by sales, after (sales, product id) of the previous page."""

    period: Period
    limit: int
    after: tuple[Decimal, UUID] | None = None


@dataclass(frozen=True, slots=True)
class CreateReport:
    """A report of a period; `step` applies to reports of sales."""

    kind: str
    period: Period
    step: Step


@dataclass(frozen=True, slots=True)
class RecordClientEvent:
    """An event of an app; `size` is that of the whole message in bytes."""

    name: str
    visit_id: UUID | None
    store_id: UUID | None
    product_id: UUID | None
    properties: Mapping[str, str]
    size: int
