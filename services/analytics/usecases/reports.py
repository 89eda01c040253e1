"""Reports: figures of a period, stored as a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from chassis import Caller
from chassis.database.rows import parameters
from chassis.errors import InvalidArgument, NotFound
from chassis.money import round_half_up
from chassis.rpc.pagination import Page
from services.analytics import queries
from services.analytics.app import AnalyticsApp
from services.analytics.commands import CreateReport, ListProducts
from services.analytics.model.facts import OrderFact
from services.analytics.rows import CustomerSalesRow, NewReport, ProductSalesRow, ReportRow, ReportSummaryRow, SalesRow
from services.analytics.usecases import figures

MAX_ROWS: Final = 10_000
SHOWN_ROWS: Final = 1_000
BYTE_ORDER_MARK: Final = "\ufeff"
_HIGHEST_ID: Final = UUID(int=(1 << 128) - 1)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")

SALES_COLUMNS: Final = (
    "starts_at", "orders_placed", "orders_counted", "orders_cancelled", "orders_delivered", "gross_sales", "refunds",
    "revenue", "tax", "delivery_fees", "discounts", "average_order", "cancel_rate_percent",
)  # fmt: skip
PRODUCT_COLUMNS: Final = ("product_id", "name", "category", "quantity", "orders", "sales", "stock_outs")
CUSTOMER_COLUMNS: Final = ("customer_id", "orders", "revenue", "came_back")
ORDER_COLUMNS: Final = (
    "order_number", "order_id", "store_id", "placed_at", "state", "counts", "fulfilment", "payment_method",
    "subtotal", "discount", "loyalty_discount", "delivery_fee", "tax", "total", "refunded", "revenue",
)  # fmt: skip

Cells = tuple[str, ...]


async def create_report(app: AnalyticsApp, caller: Caller, command: CreateReport) -> ReportRow:
    """Calculates and stores a report. Raises InvalidArgument for more than 10,000 rows."""
    period = command.period
    columns, rows = await _read_content(app, caller, command)
    if len(rows) > MAX_ROWS:
        raise InvalidArgument("toDate", f"the report has more than {MAX_ROWS} rows; choose a shorter period")
    new = NewReport(
        kind=command.kind,
        step=command.step if command.kind == "sales" else None,
        store_id=period.store_id,
        store_ids=None if period.everywhere else period.store_ids,
        time_zone=period.zone,
        from_date=period.first,
        to_date=period.last,
        column_names=list(columns),
        row_count=len(rows),
        content=write_csv(columns, rows),
        created_by=caller.account,
    )
    row = await app.db.one(queries.INSERT_REPORT, **parameters(new))
    assert row is not None
    return row


async def _read_content(app: AnalyticsApp, caller: Caller, command: CreateReport) -> tuple[Cells, list[Cells]]:
    period = command.period
    if command.kind == "sales":
        sales = await figures.list_sales(app, caller, period, command.step)
        return SALES_COLUMNS, [sales_cells(row) for row in sales]
    if command.kind == "products":
        products = await figures.list_products(app, caller, ListProducts(period, MAX_ROWS + 1))
        return PRODUCT_COLUMNS, [_cells(row, PRODUCT_COLUMNS) for row in products]
    if command.kind == "customers":
        customers = await figures.list_top_customers(app, caller, period, MAX_ROWS + 1)
        return CUSTOMER_COLUMNS, [_cells(row, CUSTOMER_COLUMNS) for row in customers]
    orders = await app.read_db.all(queries.LIST_ORDERS, **period.time_parameters(), limit=MAX_ROWS + 1)
    return ORDER_COLUMNS, [order_cells(OrderFact.from_row(row)) for row in orders]


def sales_cells(row: SalesRow) -> Cells:
    """The cells of one hour, day, week or month."""
    average = round_half_up(row.gross / row.counted) if row.counted else Decimal("0.00")
    cancelled = round_half_up(Decimal(100 * row.cancelled) / row.placed) if row.placed else Decimal("0.00")
    cells = (
        row.starts_at, row.placed, row.counted, row.cancelled, row.delivered, row.gross, row.refunds,
        row.gross - row.refunds, row.tax, row.delivery_fees, row.discounts, average, cancelled,
    )  # fmt: skip
    return tuple(_cell(value) for value in cells)


def order_cells(fact: OrderFact) -> Cells:
    """The cells of one order: its amounts, its refunds, and whether it is a sale."""
    order = fact.placement
    assert order is not None
    revenue = order.total - fact.refunded_amount if fact.counts else Decimal("0.00")
    cells = (
        order.number, fact.order_id, order.store_id, order.placed_at.isoformat(), find_state(fact), fact.counts,
        order.fulfilment, order.payment_method, order.subtotal, order.discount, order.loyalty_discount,
        order.delivery_fee, order.tax, order.total, fact.refunded_amount, revenue,
    )  # fmt: skip
    return tuple(_cell(value) for value in cells)


def find_state(fact: OrderFact) -> str:
    """The latest state of the order, as in the order service's contract."""
    names = {"dispatched": "OUT_FOR_DELIVERY"}
    for milestone in ("refunded", "cancelled", "delivered", "dispatched", "ready", "preparing", "confirmed"):
        if milestone in fact.reached:
            return names.get(milestone, milestone.upper())
    return "PENDING"


def _cells(row: ProductSalesRow | CustomerSalesRow, columns: Iterable[str]) -> Cells:
    return tuple(_cell(getattr(row, column)) for column in columns)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """RFC 4180 in UTF-8 with a byte order mark, which spreadsheets need for ₹ and Hindi.

    Text that a spreadsheet would run as a formula gets an apostrophe in front; numbers stay unchanged.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([[_escape_formula(cell) for cell in row] for row in rows])
    return (BYTE_ORDER_MARK + text.getvalue()).encode()


def _escape_formula(cell: str) -> str:
    if not cell.startswith(_FORMULA):
        return cell
    try:
        Decimal(cell)
    except ArithmeticError:
        return f"'{cell}"
    return cell


def read_csv(content: bytes, limit: int) -> list[list[str]]:
    """The first `limit` rows of a stored report, without the header."""
    lines = csv.reader(io.StringIO(content.decode().removeprefix(BYTE_ORDER_MARK), newline=""))
    next(lines)
    return [row for row, _ in zip(lines, range(limit), strict=False)]


async def get_report(app: AnalyticsApp, caller: Caller, report_id: UUID) -> ReportRow:
    """A report with its content. Raises NotFound when it includes a store outside the caller's scope."""
    scope = caller.scope
    row = await app.db.one(queries.GET_REPORT, id=report_id, everything=scope.everything, tenants=scope.tenants)
    if row is None:
        raise NotFound
    return row


async def list_reports(app: AnalyticsApp, caller: Caller, page: Page) -> list[ReportSummaryRow]:
    """A page of reports without content, newest first, with one row more than the page shows."""
    before = UUID(page.after[0]) if page.after else _HIGHEST_ID
    return await app.db.all(
        queries.LIST_REPORTS,
        everything=caller.scope.everything,
        tenants=caller.scope.tenants,
        before=before,
        limit=page.limit,
    )
