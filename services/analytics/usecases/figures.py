"""Figures of a period: which stores, which days, in which zone, and what was sold."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from chassis import Call, clock
from chassis.database import Row
from chassis.errors import InvalidArgument, NotFound, PermissionDenied
from chassis.money import round_half_up
from chassis.timestamps import parse_optional_date
from services.analytics import clients, queries
from services.analytics.app import AnalyticsApp
from services.analytics.model.period import PLATFORM_ZONE, Period
from services.analytics.usecases.taking_in import know_store

LONGEST_DAYS: Final = 366
DEFAULT_DAYS: Final = 30
LONGEST_BY_HOUR: Final = 31
TOP_PRODUCTS: Final = 5
TOP_CUSTOMERS: Final = 20


async def period(app: AnalyticsApp, call: Call, store_id: str, from_date: str, to_date: str) -> Period:
    """The period a request asks for. NotFound, PermissionDenied for its store; InvalidArgument for its dates."""
    zone, store_ids, everywhere = PLATFORM_ZONE, call.scope.tenants, call.scope.everything
    if store_id:
        zone, store_ids, everywhere = await _zone_of(app, call, UUID(store_id)), [UUID(store_id)], False
    today = clock.now().astimezone(ZoneInfo(zone)).date()
    last = _date("toDate", to_date) or today
    first = _date("fromDate", from_date) or last - timedelta(days=DEFAULT_DAYS - 1)
    if first > last:
        raise InvalidArgument("fromDate", "must not be after toDate")
    if (last - first).days >= LONGEST_DAYS:
        raise InvalidArgument("fromDate", f"must not be more than {LONGEST_DAYS} days before toDate")
    return Period(first, last, zone, UUID(store_id) if store_id else None, everywhere, store_ids)


async def _zone_of(app: AnalyticsApp, call: Call, store_id: UUID) -> str:
    """The store's zone. NotFound for another's store, PermissionDenied for the own one with another job."""
    if not call.scope.everything and store_id not in call.scope.tenants:
        if any(grant.tenant_id == store_id for grant in call.caller.grants):
            raise PermissionDenied
        raise NotFound
    known = await app.db.one(queries.STORE, store_id=store_id)
    if known is not None:
        return str(known.time_zone)
    found = await clients.stores(app.channels, [store_id])
    if not found:
        raise NotFound
    async with app.db.transaction() as tx:
        await know_store(tx, found[0], 1)
    return found[0].time_zone


def _date(field: str, text: str) -> date | None:
    found = parse_optional_date(field, text)
    # A period before that reaches beyond the calendar would have no midnight.
    if found is not None and not date(1970, 1, 1) <= found <= date(9000, 1, 1):
        raise InvalidArgument(field, "is out of range")
    return found


async def totals(app: AnalyticsApp, wanted: Period) -> Row:
    """The measures of the whole period."""
    row = await app.read_db.one(queries.TOTALS, **wanted.of_days())
    assert row is not None
    return row


async def sales(app: AnalyticsApp, wanted: Period, step: str) -> list[Row]:
    """The measures by hour, day, week or month; steps without orders are left out."""
    if step == "hour" and wanted.days > LONGEST_BY_HOUR:
        raise InvalidArgument("interval", f"by hour at most {LONGEST_BY_HOUR} days")
    return await app.read_db.all(queries.SALES[step], **wanted.of_days())


async def products(
    app: AnalyticsApp, wanted: Period, *, limit: int, after: tuple[Decimal, UUID] | None = None
) -> list[Row]:
    """Products by sales, highest first, below the given place."""
    after_sales, after_id = after or (None, None)
    return await app.read_db.all(
        queries.PRODUCTS,
        **wanted.of_days(),
        **{name: value for name, value in wanted.of_moments().items() if name in ("start", "end")},
        after_sales=after_sales,
        after_id=after_id,
        limit=limit,
    )


@dataclass(frozen=True, slots=True)
class Customers:
    """Who ordered in a period, and those of the highest revenue."""

    counts: Row
    top: list[Row]

    @property
    def new(self) -> int:
        """Those who had never ordered before."""
        return int(self.counts.customers - self.counts.came_back)

    @property
    def average_revenue(self) -> Decimal:
        """What one of them brought; 0 of nobody."""
        return round_half_up(self.counts.revenue / self.counts.customers) if self.counts.customers else Decimal("0.00")


async def customers(app: AnalyticsApp, wanted: Period, limit: int = 0) -> Customers:
    """The customers of the period; `limit` 0 is TOP_CUSTOMERS."""
    return Customers(
        *await asyncio.gather(customer_counts(app, wanted), top_customers(app, wanted, limit or TOP_CUSTOMERS))
    )


async def customer_counts(app: AnalyticsApp, wanted: Period) -> Row:
    """How many ordered, came back and came again, and what they brought."""
    row = await app.read_db.one(queries.CUSTOMERS, **wanted.of_days())
    assert row is not None
    return row


async def top_customers(app: AnalyticsApp, wanted: Period, limit: int) -> list[Row]:
    """Those with the highest revenue."""
    return await app.read_db.all(queries.TOP_CUSTOMERS, **wanted.of_days(), limit=limit)


async def stock_outs(app: AnalyticsApp, wanted: Period) -> int:
    """Times a product ran out."""
    return int(await app.read_db.value(queries.STOCK_OUTS, **wanted.of_moments()))


async def registrations(app: AnalyticsApp, wanted: Period) -> int:
    """New accounts; they belong to no store, so only who sees everything sees them."""
    if not wanted.everywhere:
        return 0
    moments = wanted.of_moments()
    return int(await app.read_db.value(queries.REGISTRATIONS, start=moments["start"], end=moments["end"]))


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A period at a glance, beside the one of the same length before it."""

    totals: Row
    before: Row
    customers: Row
    top_products: list[Row]
    stock_outs: int
    registrations: int


async def dashboard(app: AnalyticsApp, wanted: Period) -> Dashboard:
    """All of it, asked for side by side."""
    return Dashboard(
        *await asyncio.gather(
            totals(app, wanted),
            totals(app, wanted.before),
            customer_counts(app, wanted),
            products(app, wanted, limit=TOP_PRODUCTS),
            stock_outs(app, wanted),
            registrations(app, wanted),
        )
    )
