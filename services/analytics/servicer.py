"""The rpcs of the analytics service: request to command, one use case, row to response."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from google.api.httpbody_pb2 import HttpBody
from jainshikanji.analytics.v1 import analytics_service_pb2 as pb
from jainshikanji.analytics.v1.analytics_service_pb2_grpc import AnalyticsServiceServicer
from jainshikanji.analytics.v1.client_event_pb2 import ClientEvent
from jainshikanji.analytics.v1.report_pb2 import Report

from chassis import current_call, current_caller
from chassis.money import money_to_proto
from chassis.timestamps import timestamp_to_proto
from services.analytics import wire
from services.analytics.app import AnalyticsApp
from services.analytics.commands import CreateReport, ListProducts
from services.analytics.model.period import Period
from services.analytics.rows import ReportRow
from services.analytics.usecases import client_events, figures, reports


class AnalyticsServicer(AnalyticsServiceServicer):
    """Figures, reports and events of apps."""

    def __init__(self, app: AnalyticsApp) -> None:
        self._app = app

    async def GetDashboard(self, request: pb.GetDashboardRequest, context: Any) -> pb.Dashboard:
        period = await self._resolve_period(request)
        found = await figures.get_dashboard(self._app, current_caller(), period)
        return pb.Dashboard(
            period=wire.period_to_proto(period),
            figures=wire.figures_to_proto(found.totals),
            previous=wire.figures_to_proto(found.previous),
            customers=found.customers.customers,
            repeat_customers=found.customers.repeated,
            repeat_rate_basis_points=wire.calculate_rate(found.customers.repeated, found.customers.customers),
            stock_outs=found.stock_outs,
            registrations=found.registrations,
            top_products=map(wire.product_to_proto, found.top_products),
        )

    async def GetSales(self, request: pb.GetSalesRequest, context: Any) -> pb.Sales:
        caller, period = current_caller(), await self._resolve_period(request)
        rows = await figures.list_sales(self._app, caller, period, wire.step_from_proto(request))
        total = await figures.get_totals(self._app, caller, period)
        return pb.Sales(
            period=wire.period_to_proto(period),
            rows=map(wire.sales_to_proto, rows),
            total=wire.figures_to_proto(total),
        )

    async def GetCustomers(self, request: pb.GetCustomersRequest, context: Any) -> pb.Customers:
        period = await self._resolve_period(request)
        found = await figures.get_customers(self._app, current_caller(), period, request.max_results)
        return pb.Customers(
            period=wire.period_to_proto(period),
            customers=found.counts.customers,
            new_customers=found.new,
            returning_customers=found.counts.came_back,
            repeat_customers=found.counts.repeated,
            repeat_rate_basis_points=wire.calculate_rate(found.counts.repeated, found.counts.customers),
            average_revenue=money_to_proto(found.average_revenue),
            top_customers=map(wire.customer_to_proto, found.top),
        )

    async def GetProducts(self, request: pb.GetProductsRequest, context: Any) -> pb.Products:
        page, period = self._app.pages.open(request), await self._resolve_period(request)
        after = (Decimal(page.after[0]), UUID(page.after[1])) if page.after else None
        rows = await figures.list_products(self._app, current_caller(), ListProducts(period, page.limit, after))
        return pb.Products(
            period=wire.period_to_proto(period),
            rows=map(wire.product_to_proto, page.trim(rows)),
            next_page_token=page.next_token(rows, lambda row: (str(row.sales), str(row.product_id))),
        )

    async def RecordClientEvent(self, request: pb.RecordClientEventRequest, context: Any) -> ClientEvent:
        command = wire.record_client_event_from_proto(request)
        event_id, received_at = await client_events.record_client_event(self._app, current_caller(), command)
        return ClientEvent(id=str(event_id), name=request.name, received_at=timestamp_to_proto(received_at))

    async def CreateReport(self, request: pb.CreateReportRequest, context: Any) -> Report:
        period = await self._resolve_period(request)
        command = CreateReport(wire.KINDS.from_proto(request.kind), period, wire.step_from_proto(request))
        return _with_content(await reports.create_report(self._app, current_caller(), command))

    async def ListReports(self, request: pb.ListReportsRequest, context: Any) -> pb.ListReportsResponse:
        page = self._app.pages.open(request)
        rows = await reports.list_reports(self._app, current_caller(), page)
        return pb.ListReportsResponse(
            reports=map(wire.report_to_proto, page.trim(rows)),
            next_page_token=page.next_token(rows, lambda row: (str(row.id),)),
        )

    async def GetReport(self, request: pb.GetReportRequest, context: Any) -> Report:
        return _with_content(await reports.get_report(self._app, current_caller(), UUID(request.report_id)))

    async def DownloadReport(self, request: pb.DownloadReportRequest, context: Any) -> HttpBody:
        row = await reports.get_report(self._app, current_caller(), UUID(request.report_id))
        name = f"{row.kind}-{row.from_date}-{row.to_date}.csv"
        current_call().set_header("content-disposition", f'attachment; filename="{name}"')
        return HttpBody(content_type="text/csv; charset=utf-8", data=row.content)

    async def _resolve_period(self, request: Any) -> Period:
        return await figures.resolve_period(self._app, current_caller(), wire.period_from_proto(request))


def _with_content(row: ReportRow) -> Report:
    return wire.report_to_proto(row, reports.read_csv(row.content, reports.SHOWN_ROWS))
