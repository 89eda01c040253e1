"""AnalyticsService over gRPC: message in, use cases, message out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from google.api.httpbody_pb2 import HttpBody
from jainshikanji.analytics.v1 import analytics_service_pb2 as pb
from jainshikanji.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceServicer
from jainshikanji.analytics.v1.client_event_pb2 import ClientEvent
from jainshikanji.analytics.v1.report_pb2 import Report

from chassis import current_call
from chassis.money import money_to_proto
from chassis.timestamps import timestamp_to_proto
from services.analytics import wire
from services.analytics.app import AnalyticsApp
from services.analytics.model.period import Period
from services.analytics.usecases import client_events, figures, reports

Context = Any


class AnalyticsServicer(AnalyticsServiceServicer):
    """One per process."""

    def __init__(self, app: AnalyticsApp) -> None:
        self._app = app

    async def GetDashboard(self, request: pb.GetDashboardRequest, context: Context) -> pb.Dashboard:
        period = await self._period(request)
        found = await figures.dashboard(self._app, period)
        return pb.Dashboard(
            period=wire.period(period),
            figures=wire.figures(found.totals),
            previous=wire.figures(found.before),
            customers=found.customers.customers,
            repeat_customers=found.customers.repeated,
            repeat_rate_basis_points=wire.rate(found.customers.repeated, found.customers.customers),
            stock_outs=found.stock_outs,
            registrations=found.registrations,
            top_products=[wire.product(row) for row in found.top_products],
        )

    async def GetSales(self, request: pb.GetSalesRequest, context: Context) -> pb.Sales:
        period = await self._period(request)
        rows = await figures.sales(self._app, period, _step(request))
        total = await figures.totals(self._app, period)
        return pb.Sales(
            period=wire.period(period), rows=[wire.sales_row(row) for row in rows], total=wire.figures(total)
        )

    async def GetCustomers(self, request: pb.GetCustomersRequest, context: Context) -> pb.Customers:
        period = await self._period(request)
        found = await figures.customers(self._app, period, request.max_results)
        return pb.Customers(
            period=wire.period(period),
            customers=found.counts.customers,
            new_customers=found.new,
            returning_customers=found.counts.came_back,
            repeat_customers=found.counts.repeated,
            repeat_rate_basis_points=wire.rate(found.counts.repeated, found.counts.customers),
            average_revenue=money_to_proto(found.average_revenue),
            top_customers=[wire.customer(row) for row in found.top],
        )

    async def GetProducts(self, request: pb.GetProductsRequest, context: Context) -> pb.Products:
        page = self._app.pages.open(request)
        period = await self._period(request)
        after = (Decimal(page.after[0]), UUID(page.after[1])) if page.after else None
        rows = await figures.products(self._app, period, limit=page.limit, after=after)
        return pb.Products(
            period=wire.period(period),
            rows=[wire.product(row) for row in page.trim(rows)],
            next_page_token=page.next_token(rows, lambda row: (str(row.sales), str(row.product_id))),
        )

    async def RecordClientEvent(self, request: pb.RecordClientEventRequest, context: Context) -> ClientEvent:
        reported = client_events.Reported(
            name=wire.CLIENT_EVENTS.from_proto(request.name),
            visit_id=_optional_id(request.visit_id),
            account_id=current_call().caller.account_id,
            store_id=_optional_id(request.store_id),
            product_id=_optional_id(request.product_id),
            properties=request.properties,
            size=request.ByteSize(),
        )
        event_id, received_at = await client_events.record_client_event(self._app, reported)
        return ClientEvent(id=str(event_id), name=request.name, received_at=timestamp_to_proto(received_at))

    async def CreateReport(self, request: pb.CreateReportRequest, context: Context) -> Report:
        call = current_call()
        kind, step = wire.KINDS.from_proto(request.kind), _step(request)
        row = await reports.create_report(self._app, kind, await self._period(request), step, by=call.account)
        return wire.report(row, reports.read_csv(row.content, reports.SHOWN_ROWS))

    async def ListReports(self, request: pb.ListReportsRequest, context: Context) -> pb.ListReportsResponse:
        page = self._app.pages.open(request)
        before = UUID(page.after[0]) if page.after else None
        rows = await reports.reports(self._app, current_call().scope, before, page.limit)
        return pb.ListReportsResponse(
            reports=[wire.report(row) for row in page.trim(rows)],
            next_page_token=page.next_token(rows, lambda row: (str(row.id),)),
        )

    async def GetReport(self, request: pb.GetReportRequest, context: Context) -> Report:
        row = await reports.report(self._app, current_call().scope, UUID(request.report_id))
        return wire.report(row, reports.read_csv(row.content, reports.SHOWN_ROWS))

    async def DownloadReport(self, request: pb.DownloadReportRequest, context: Context) -> HttpBody:
        call = current_call()
        row = await reports.report(self._app, call.scope, UUID(request.report_id))
        name = f"{row.kind}-{row.from_date}-{row.to_date}.csv"
        call.set_header("content-disposition", f'attachment; filename="{name}"')
        return HttpBody(content_type="text/csv; charset=utf-8", data=bytes(row.content))

    async def _period(self, request: Any) -> Period:
        return await figures.period(self._app, current_call(), request.store_id, request.from_date, request.to_date)


def _step(request: Any) -> str:
    return wire.STEPS.from_proto(request.interval) if request.interval else "day"


def _optional_id(text: str) -> UUID | None:
    return UUID(text) if text else None
