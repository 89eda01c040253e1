"""Rows to messages."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from jainshikanji.analytics.v1 import figures_pb2, report_pb2
from jainshikanji.analytics.v1.client_event_pb2 import ClientEventName

from chassis.database import Row
from chassis.enums import EnumMapping
from chassis.money import money_to_proto, round_half_up
from chassis.timestamps import timestamp_to_proto
from services.analytics.model.period import Period

KINDS = EnumMapping(report_pb2.ReportKind)
STEPS = EnumMapping(report_pb2.Interval)
CLIENT_EVENTS = EnumMapping(ClientEventName)
BASIS_POINTS = 10_000


def period(wanted: Period) -> figures_pb2.Period:
    """The days and stores that figures are of."""
    return figures_pb2.Period(
        from_date=wanted.first.isoformat(),
        to_date=wanted.last.isoformat(),
        time_zone=wanted.zone,
        store_id=str(wanted.store_id or ""),
    )


def figures(row: Row) -> figures_pb2.OrderFigures:
    """The measures of a roll-up, and what follows from them."""
    average = round_half_up(row.gross / row.counted) if row.counted else Decimal("0.00")
    return figures_pb2.OrderFigures(
        orders_placed=int(row.placed),
        orders_counted=int(row.counted),
        orders_cancelled=int(row.cancelled),
        orders_delivered=int(row.delivered),
        gross_sales=money_to_proto(row.gross),
        refunds=money_to_proto(row.refunds),
        revenue=money_to_proto(row.gross - row.refunds),
        tax=money_to_proto(row.tax),
        delivery_fees=money_to_proto(row.delivery_fees),
        discounts=money_to_proto(row.discounts),
        average_order=money_to_proto(average),
        cancel_rate_basis_points=rate(int(row.cancelled), int(row.placed)),
        average_preparation_seconds=_mean(int(row.preparation_seconds), int(row.prepared)),
        average_delivery_seconds=_mean(int(row.delivery_seconds), int(row.carried)),
    )


def rate(part: int, whole: int) -> int:
    """The share in basis points, halves up; 0 of nothing."""
    return (2 * part * BASIS_POINTS + whole) // (2 * whole) if whole else 0


def _mean(total: int, count: int) -> int:
    return (2 * total + count) // (2 * count) if count else 0


def sales_row(row: Row) -> figures_pb2.SalesRow:
    """One step of a series."""
    return figures_pb2.SalesRow(starts_at=row.starts_at, figures=figures(row))


def product(row: Row) -> figures_pb2.ProductRow:
    """Figures of one product."""
    return figures_pb2.ProductRow(
        product_id=str(row.product_id),
        name=row.name,
        category=row.category,
        quantity=int(row.quantity),
        orders=int(row.orders),
        sales=money_to_proto(row.sales),
        stock_outs=int(row.stock_outs),
    )


def customer(row: Row) -> figures_pb2.CustomerRow:
    """Figures of one customer."""
    return figures_pb2.CustomerRow(
        customer_id=str(row.customer_id),
        orders=int(row.orders),
        revenue=money_to_proto(row.revenue),
        returning=row.came_back,
    )


def report(row: Row, rows: Sequence[Sequence[str]] = ()) -> report_pb2.Report:
    """A report; its lines only where they are given."""
    return report_pb2.Report(
        id=str(row.id),
        kind=KINDS.to_proto(row.kind),
        period=figures_pb2.Period(
            from_date=row.from_date.isoformat(),
            to_date=row.to_date.isoformat(),
            time_zone=row.time_zone,
            store_id=str(row.store_id or ""),
        ),
        interval=STEPS.to_proto(row.step) if row.step else report_pb2.Interval.UNSPECIFIED,
        columns=row.column_names,
        rows=[report_pb2.ReportRow(values=values) for values in rows],
        row_count=row.row_count,
        created_by=str(row.created_by),
        created_at=timestamp_to_proto(row.created_at),
    )
