"""Reports: figures of a period, taken once and kept as the file that people save."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from chassis import Scope
from chassis.database import Row
from chassis.errors import InvalidArgument, NotFound
from chassis.money import round_half_up
from services.analytics import queries
from services.analytics.app import AnalyticsApp
from services.analytics.model.facts import OrderFact
from services.analytics.model.period import Period
from services.analytics.model.rollups import MEASURES
from services.analytics.usecases import figures
from services.analytics.usecases.taking_in import read_fact

MOST_ROWS: Final = 10_000
SHOWN_ROWS: Final = 1_000
BYTE_ORDER_MARK: Final = "\ufeff"
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


async def create_report(app: AnalyticsApp, kind: str, wanted: Period, step: str, by: UUID) -> Row:
    """Takes the figures and keeps them. InvalidArgument when there are too many rows."""
    columns, rows = await _content(app, kind, wanted, step)
    if len(rows) > MOST_ROWS:
        raise InvalidArgument("toDate", f"the report has more than {MOST_ROWS} rows; a shorter period has fewer")
    kept = await app.db.one(
        queries.KEEP_REPORT,
        kind=kind,
        step=step if kind == "sales" else None,
        store_id=wanted.store_id,
        store_ids=None if wanted.everywhere else wanted.store_ids,
        time_zone=wanted.zone,
        from_date=wanted.first,
        to_date=wanted.last,
        column_names=list(columns),
        row_count=len(rows),
        content=write_csv(columns, rows),
        created_by=by,
    )
    assert kept is not None
    return kept


async def _content(app: AnalyticsApp, kind: str, wanted: Period, step: str) -> tuple[Cells, list[Cells]]:
    if kind == "sales":
        return SALES_COLUMNS, [sales_cells(row) for row in await figures.sales(app, wanted, step)]
    if kind == "products":
        rows = await figures.products(app, wanted, limit=MOST_ROWS + 1)
        return PRODUCT_COLUMNS, [_cells(row, PRODUCT_COLUMNS) for row in rows]
    if kind == "customers":
        rows = await figures.top_customers(app, wanted, MOST_ROWS + 1)
        return CUSTOMER_COLUMNS, [_cells(row, CUSTOMER_COLUMNS) for row in rows]
    rows = await app.read_db.all(queries.ORDERS, **wanted.of_moments(), limit=MOST_ROWS + 1)
    return ORDER_COLUMNS, [order_cells(read_fact(row)) for row in rows]


def sales_cells(row: Row) -> Cells:
    """A row of measures as the report shows it."""
    measures = {name: getattr(row, name) for name in MEASURES}
    counted, placed = measures["counted"], measures["placed"]
    average = round_half_up(measures["gross"] / counted) if counted else Decimal("0.00")
    cancelled = round_half_up(Decimal(100 * measures["cancelled"]) / placed) if placed else Decimal("0.00")
    cells = (
        row.starts_at, placed, counted, measures["cancelled"], measures["delivered"], measures["gross"],
        measures["refunds"], measures["gross"] - measures["refunds"], measures["tax"], measures["delivery_fees"],
        measures["discounts"], average, cancelled,
    )  # fmt: skip
    return tuple(_cell(value) for value in cells)


def order_cells(fact: OrderFact) -> Cells:
    """An order as an auditor compares it: what it came to, what went back, and whether it is a sale."""
    order = fact.placement
    assert order is not None
    revenue = order.total - fact.refunded_amount if fact.counts else Decimal("0.00")
    cells = (
        order.number, fact.order_id, order.store_id, order.placed_at.isoformat(), state_of(fact), fact.counts,
        order.fulfilment, order.payment_method, order.subtotal, order.discount, order.loyalty_discount,
        order.delivery_fee, order.tax, order.total, fact.refunded_amount, revenue,
    )  # fmt: skip
    return tuple(_cell(value) for value in cells)


def state_of(fact: OrderFact) -> str:
    """The furthest it has come, in the order service's words."""
    words = {"dispatched": "OUT_FOR_DELIVERY"}
    for milestone in ("refunded", "cancelled", "delivered", "dispatched", "ready", "preparing", "confirmed"):
        if milestone in fact.reached:
            return words.get(milestone, milestone.upper())
    return "PENDING"


def _cells(row: Row, columns: Iterable[str]) -> Cells:
    return tuple(_cell(getattr(row, column)) for column in columns)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def write_csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """RFC 4180 in UTF-8 with a byte order mark, without which spreadsheets take ₹ and Hindi for something else.

    A name that a spreadsheet would run as a formula gets an apostrophe in front; numbers stay numbers.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([[_harmless(cell) for cell in row] for row in rows])
    return (BYTE_ORDER_MARK + text.getvalue()).encode()


def _harmless(cell: str) -> str:
    if not cell.startswith(_FORMULA):
        return cell
    try:
        Decimal(cell)
    except ArithmeticError:
        return f"'{cell}"
    return cell


def read_csv(content: bytes, limit: int) -> list[list[str]]:
    """The first rows of a kept report, without its header line."""
    lines = csv.reader(io.StringIO(bytes(content).decode().removeprefix(BYTE_ORDER_MARK), newline=""))
    next(lines)
    return [row for row, _ in zip(lines, range(limit), strict=False)]


async def report(app: AnalyticsApp, scope: Scope, report_id: UUID) -> Row:
    """One report. NotFound when it covers a store that is not the caller's."""
    row = await app.db.one(queries.REPORT, id=report_id, everything=scope.everything, tenants=scope.tenants)
    if row is None:
        raise NotFound
    return row


async def reports(app: AnalyticsApp, scope: Scope, before: UUID | None, limit: int) -> list[Row]:
    """Newest first, below the given id, without content."""
    newest = UUID(int=(1 << 128) - 1)
    return await app.db.all(
        queries.REPORTS,
        everything=scope.everything,
        tenants=scope.tenants,
        before=before or newest,
        limit=limit,
    )
