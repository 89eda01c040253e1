"""Figures of a period: sales, products, customers, and the dashboard."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from chassis import Caller, clock
from chassis.errors import InvalidArgument, NotFound, PermissionDenied
from chassis.money import round_half_up
from services.analytics import clients, queries
from services.analytics.app import AnalyticsApp
from services.analytics.commands import ListProducts, ResolvePeriod, Step
from services.analytics.model.period import PLATFORM_ZONE, Period
from services.analytics.rows import CustomerCountsRow, CustomerSalesRow, FiguresRow, ProductSalesRow, SalesRow
from services.analytics.usecases.ingestion import upsert_store

MAX_DAYS: Final = 366
DEFAULT_DAYS: Final = 30
MAX_DAYS_BY_HOUR: Final = 31
TOP_PRODUCTS: Final = 5
TOP_CUSTOMERS: Final = 20


async def resolve_period(app: AnalyticsApp, caller: Caller, command: ResolvePeriod) -> Period:
    """The period of a request. Raises NotFound and PermissionDenied for its store, InvalidArgument for its dates."""
    zone, store_ids, everywhere = PLATFORM_ZONE, caller.scope.tenants, caller.scope.everything
    if command.store_id is not None:
        zone, store_ids, everywhere = await _get_time_zone(app, caller, command.store_id), [command.store_id], False
    today = clock.now().astimezone(ZoneInfo(zone)).date()
    last = _check_date("toDate", command.to_date) or today
    first = _check_date("fromDate", command.from_date) or last - timedelta(days=DEFAULT_DAYS - 1)
    if first > last:
        raise InvalidArgument("fromDate", "must not be after toDate")
    if (last - first).days >= MAX_DAYS:
        raise InvalidArgument("fromDate", f"must be less than {MAX_DAYS} days before toDate")
    return Period(first, last, zone, command.store_id, everywhere, store_ids)


async def _get_time_zone(app: AnalyticsApp, caller: Caller, store_id: UUID) -> str:
    """The store's time zone. Raises NotFound for another store, PermissionDenied for an own store with another job."""
    if not caller.scope.everything and store_id not in caller.scope.tenants:
        if any(grant.tenant_id == store_id for grant in caller.grants):
            raise PermissionDenied
        raise NotFound
    known = await app.db.one(queries.GET_TIME_ZONE, store_id=store_id)
    if known is not None:
        return known
    found = await clients.get_stores(app.channels, [store_id])
    if not found:
        raise NotFound
    async with app.db.transaction() as tx:
        await upsert_store(tx, found[0])
    return found[0].time_zone


def _check_date(field: str, value: date | None) -> date | None:
    # Dates near the limits of the calendar would have no midnight in every time zone.
    if value is not None and not date(1970, 1, 1) <= value <= date(9000, 1, 1):
        raise InvalidArgument(field, "must be between 1970-01-01 and 9000-01-01")
    return value


async def get_totals(app: AnalyticsApp, caller: Caller, period: Period) -> FiguresRow:
    """The measures of the whole period."""
    row = await app.read_db.one(queries.GET_FIGURES, **period.day_parameters())
    assert row is not None
    return row


async def list_sales(app: AnalyticsApp, caller: Caller, period: Period, step: Step) -> list[SalesRow]:
    """The measures by hour, day, week or month, without steps that have no orders.

    Raises InvalidArgument for more than 31 days by hour.
    """
    if step == "hour" and period.days > MAX_DAYS_BY_HOUR:
        raise InvalidArgument("interval", f"by hour for at most {MAX_DAYS_BY_HOUR} days")
    return await app.read_db.all(queries.list_sales(step), **period.day_parameters())


async def list_products(app: AnalyticsApp, caller: Caller, command: ListProducts) -> list[ProductSalesRow]:
    """Products by sales, highest first."""
    after_sales, after_id = command.after or (None, None)
    times = command.period.time_parameters()
    return await app.read_db.all(
        queries.LIST_PRODUCTS,
        **command.period.day_parameters(),
        start=times["start"],
        end=times["end"],
        after_sales=after_sales,
        after_id=after_id,
        limit=command.limit,
    )


@dataclass(frozen=True, slots=True)
class Customers:
    """The customers of a period, and those with the highest revenue."""

    counts: CustomerCountsRow
    top: list[CustomerSalesRow]

    @property
    def new(self) -> int:
        """The number of customers without an earlier order."""
        return self.counts.customers - self.counts.came_back

    @property
    def average_revenue(self) -> Decimal:
        """The mean revenue of a customer; 0 without customers."""
        return round_half_up(self.counts.revenue / self.counts.customers) if self.counts.customers else Decimal("0.00")


async def get_customers(app: AnalyticsApp, caller: Caller, period: Period, limit: int = 0) -> Customers:
    """The customers of the period; `limit` 0 means TOP_CUSTOMERS."""
    counts, top = await asyncio.gather(
        count_customers(app, caller, period), list_top_customers(app, caller, period, limit or TOP_CUSTOMERS)
    )
    return Customers(counts, top)


async def count_customers(app: AnalyticsApp, caller: Caller, period: Period) -> CustomerCountsRow:
    """The numbers of customers, of returning and of repeated customers, and their revenue."""
    row = await app.read_db.one(queries.COUNT_CUSTOMERS, **period.day_parameters())
    assert row is not None
    return row


async def list_top_customers(app: AnalyticsApp, caller: Caller, period: Period, limit: int) -> list[CustomerSalesRow]:
    """The customers with the highest revenue."""
    return await app.read_db.all(queries.LIST_TOP_CUSTOMERS, **period.day_parameters(), limit=limit)


async def count_stock_outs(app: AnalyticsApp, caller: Caller, period: Period) -> int:
    """How often a product ran out."""
    return await app.read_db.one(queries.COUNT_STOCK_OUTS, **period.time_parameters()) or 0


async def count_registrations(app: AnalyticsApp, caller: Caller, period: Period) -> int:
    """The number of new accounts; 0 for callers with stores only, since accounts belong to no store."""
    if not period.everywhere:
        return 0
    times = period.time_parameters()
    return await app.read_db.one(queries.COUNT_REGISTRATIONS, start=times["start"], end=times["end"]) or 0


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The main figures of a period, with the previous period of the same length."""

    totals: FiguresRow
    previous: FiguresRow
    customers: CustomerCountsRow
    top_products: list[ProductSalesRow]
    stock_outs: int
    registrations: int


async def get_dashboard(app: AnalyticsApp, caller: Caller, period: Period) -> Dashboard:
    """The dashboard of the period; its statements run concurrently."""
    totals, previous, customers, products, stock_outs, registrations = await asyncio.gather(
        get_totals(app, caller, period),
        get_totals(app, caller, period.previous),
        count_customers(app, caller, period),
        list_products(app, caller, ListProducts(period, TOP_PRODUCTS)),
        count_stock_outs(app, caller, period),
        count_registrations(app, caller, period),
    )
    return Dashboard(totals, previous, customers, products, stock_outs, registrations)
