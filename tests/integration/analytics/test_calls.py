"""The rpcs: who sees which stores, what the figures say, reports and events of apps."""

from __future__ import annotations

import csv
import io
import random
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import grpc
import pytest
from jainshikanji.analytics.v1 import analytics_service_pb2 as pb
from jainshikanji.analytics.v1.client_event_pb2 import ClientEventName
from jainshikanji.analytics.v1.report_pb2 import Interval, ReportKind
from jainshikanji.inventory.v1.events_pb2 import ProductOutOfStock

from chassis.database import sql
from chassis.ids import new_id
from tests.harness import account, admin, anonymous, customer, rpc_error, service, staff
from tests.integration.analytics.conftest import PublishedOrder, World
from tests.integration.analytics.test_ingestion import DOSA, IDLI, events_of, some_orders

DAY = datetime(2026, 5, 10, 6, 30, tzinfo=UTC)  # noon in India
MAY = {"from_date": "2026-05-01", "to_date": "2026-05-31"}


async def test_the_dashboard_of_a_store_shows_its_sales(world: World) -> None:
    store_id = await world.open_store()
    regular, once = new_id(), new_id()
    earlier = PublishedOrder(store_id, regular, DAY - timedelta(days=20), 30000, [(DOSA, 1, 25000)]).delivered()
    first = PublishedOrder(store_id, regular, DAY, 52290, [(DOSA, 2, 49800)]).delivered().refunded(10000)
    second = PublishedOrder(store_id, once, DAY, 20001, [(IDLI, 1, 17511)]).confirmed()
    lost = PublishedOrder(store_id, once, DAY, 99900, [(DOSA, 1, 97410)]).placed().cancelled()
    await world.publish(events_of([earlier, first, second, lost]))
    out = ProductOutOfStock(product_id=str(DOSA), store_id=str(store_id))
    await world.publish([(out, DAY)])

    manager = world.stub(staff(new_id(), store_id, "manager"))
    dashboard = await manager.GetDashboard(pb.GetDashboardRequest(store_id=str(store_id), **MAY))
    figures = dashboard.figures
    assert (figures.orders_placed, figures.orders_counted, figures.orders_cancelled) == (3, 2, 1)
    assert figures.gross_sales.minor_units == 72291
    assert figures.refunds.minor_units == 10000
    assert figures.revenue.minor_units == 62291
    assert figures.average_order.minor_units == 36146  # 361.455, half up
    assert figures.cancel_rate_basis_points == 3333
    assert (figures.average_preparation_seconds, figures.average_delivery_seconds) == (12 * 60, 20 * 60)
    assert dashboard.previous.gross_sales.minor_units == 30000
    assert (dashboard.customers, dashboard.repeat_customers, dashboard.repeat_rate_basis_points) == (2, 1, 5000)
    assert (dashboard.stock_outs, dashboard.registrations) == (1, 0)
    assert [(row.product_id, row.sales.minor_units, row.stock_outs) for row in dashboard.top_products] == [
        (str(DOSA), 49800, 1),
        (str(IDLI), 17511, 0),
    ]


async def test_sales_reconcile_with_the_total_in_every_interval(world: World) -> None:
    store_id = await world.open_store()
    orders = some_orders(store_id, 40, random.Random(5))
    await world.publish(events_of(orders))
    boss = world.stub(admin())
    march = {"store_id": str(store_id), "from_date": "2026-03-01", "to_date": "2026-03-31"}
    for interval in (Interval.HOUR, Interval.DAY, Interval.WEEK, Interval.MONTH, Interval.UNSPECIFIED):
        sales = await boss.GetSales(pb.GetSalesRequest(**march, interval=interval))
        for name in ("gross_sales", "refunds", "revenue", "tax"):
            parts = sum(getattr(row.figures, name).minor_units for row in sales.rows)
            assert parts == getattr(sales.total, name).minor_units
        assert sum(row.figures.orders_placed for row in sales.rows) == 40
        starts = [row.starts_at for row in sales.rows]
        assert starts == sorted(set(starts))
    assert (await boss.GetSales(pb.GetSalesRequest(**march, interval=Interval.MONTH))).rows[0].starts_at == "2026-03-01"


async def test_a_manager_sees_only_the_own_stores(world: World) -> None:
    mine, other_of_mine, foreign = [await world.open_store() for _ in range(3)]
    for store_id, total in ((mine, 10000), (other_of_mine, 20000), (foreign, 40000)):
        await world.publish(events_of([PublishedOrder(store_id, new_id(), DAY, total).confirmed()]))
    manager = account(
        new_id(),
        roles=["CUSTOMER", "MANAGER", "CHEF"],
        grants=[(mine, "manager"), (other_of_mine, "manager"), (foreign, "chef")],
    )
    ask = world.stub(manager)
    everything = await ask.GetSales(pb.GetSalesRequest(**MAY))
    assert everything.total.gross_sales.minor_units == 30000
    assert everything.period.time_zone == "Asia/Kolkata"
    with pytest.raises(grpc.aio.AioRpcError) as wrong_job:
        await ask.GetSales(pb.GetSalesRequest(store_id=str(foreign), **MAY))
    assert wrong_job.value.code() == grpc.StatusCode.PERMISSION_DENIED
    for method, request in every_read(str(foreign)):
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await getattr(world.stub(staff(new_id(), mine, "manager")), method)(request)
        assert failed.value.code() == grpc.StatusCode.NOT_FOUND


def every_read(store_id: str) -> list[tuple[str, Any]]:
    return [
        ("GetDashboard", pb.GetDashboardRequest(store_id=store_id)),
        ("GetSales", pb.GetSalesRequest(store_id=store_id)),
        ("GetCustomers", pb.GetCustomersRequest(store_id=store_id)),
        ("GetProducts", pb.GetProductsRequest(store_id=store_id)),
        ("CreateReport", pb.CreateReportRequest(store_id=store_id, kind=ReportKind.SALES)),
    ]


async def test_other_callers_see_no_figures(world: World) -> None:
    store_id = await world.open_store()
    for caller, code in (
        (anonymous(), grpc.StatusCode.UNAUTHENTICATED),
        (customer(new_id()), grpc.StatusCode.PERMISSION_DENIED),
        (staff(new_id(), store_id, "chef"), grpc.StatusCode.PERMISSION_DENIED),
        (service("order"), grpc.StatusCode.PERMISSION_DENIED),
    ):
        for method, request in every_read(str(store_id)):
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await getattr(world.stub(caller), method)(request)
            assert failed.value.code() == code


async def test_the_figures_of_an_unknown_store_are_not_found(world: World) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.stub(admin()).GetDashboard(pb.GetDashboardRequest(store_id=str(new_id())))
    assert failed.value.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"from_date": "2026-02-30"}, "fromDate"),
        ({"from_date": "2026-05-02", "to_date": "2026-05-01"}, "fromDate"),
        ({"from_date": "2024-01-01", "to_date": "2026-05-01"}, "fromDate"),
        ({"to_date": "0001-01-01"}, "toDate"),
        ({"to_date": "9999-12-31"}, "toDate"),
        ({"to_date": "31.12.2026"}, "toDate"),
        ({"store_id": "not-a-uuid"}, "storeId"),
    ],
)
async def test_an_invalid_period_is_rejected(world: World, fields: dict[str, str], field: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.stub(admin()).GetSales(pb.GetSalesRequest(**fields))
    assert list(rpc_error(failed.value).violations) == [field]


async def test_figures_by_hour_are_limited_to_a_month(world: World) -> None:
    request = pb.GetSalesRequest(from_date="2026-01-01", to_date="2026-03-01", interval=Interval.HOUR)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.stub(admin()).GetSales(request)
    assert list(rpc_error(failed.value).violations) == ["interval"]


async def test_products_are_paged_by_sales(world: World) -> None:
    store_id = await world.open_store()
    products = [new_id() for _ in range(7)]
    sales = [300, 100, 200, 200, 200, 50, 400]
    lines = [(product, 1, paise) for product, paise in zip(products, sales, strict=True)]
    await world.publish(events_of([PublishedOrder(store_id, new_id(), DAY, 9999, lines).confirmed()]))
    ask, token, seen = world.stub(admin()), "", []
    while True:
        request = pb.GetProductsRequest(store_id=str(store_id), page_size=2, page_token=token, **MAY)
        page = await ask.GetProducts(request)
        seen += [(row.sales.minor_units, row.product_id, row.name) for row in page.rows]
        token = page.next_page_token
        if not token:
            break
    expected = sorted(zip(sales, map(str, products), strict=True), key=lambda pair: (-pair[0], pair[1]))
    assert [(paise, product) for paise, product, _ in seen] == expected
    assert {name for _, _, name in seen} == {"Dosa"}


async def test_customers_are_new_or_returning(world: World) -> None:
    store_id = await world.open_store()
    old, fresh, twice = new_id(), new_id(), new_id()
    orders = [PublishedOrder(store_id, old, DAY - timedelta(days=40), 10000).confirmed()]
    orders += [PublishedOrder(store_id, who, DAY, 10000).confirmed() for who in (old, fresh, twice, twice)]
    await world.publish(events_of(orders))
    answer = await world.stub(admin()).GetCustomers(pb.GetCustomersRequest(store_id=str(store_id), **MAY))
    assert (answer.customers, answer.new_customers, answer.returning_customers, answer.repeat_customers) == (3, 2, 1, 2)
    assert answer.repeat_rate_basis_points == 6667
    assert answer.average_revenue.minor_units == 13333
    best = answer.top_customers[0]
    assert (best.customer_id, best.orders, best.returning) == (str(twice), 2, False)


async def test_a_report_is_stored_unchanged_and_equals_the_orders(world: World) -> None:
    store_id = await world.open_store()
    orders = some_orders(store_id, 25, random.Random(9))
    await world.publish(events_of(orders))
    manager = staff(new_id(), store_id, "manager")
    ask = world.stub(manager)
    march = {"store_id": str(store_id), "from_date": "2026-03-01", "to_date": "2026-03-31"}
    report = await ask.CreateReport(pb.CreateReportRequest(kind=ReportKind.ORDERS, **march))
    assert report.row_count == len(report.rows) == 25
    total = (await ask.GetSales(pb.GetSalesRequest(**march))).total
    revenue = list(report.columns).index("revenue")
    paise = sum(round(float(row.values[revenue]) * 100) for row in report.rows)
    assert paise == total.revenue.minor_units

    await world.publish(
        events_of([PublishedOrder(store_id, new_id(), datetime(2026, 3, 2, 6, tzinfo=UTC)).confirmed()])
    )
    assert await ask.GetReport(pb.GetReportRequest(report_id=report.id)) == report
    body = await ask.DownloadReport(pb.DownloadReportRequest(report_id=report.id))
    assert body.content_type == "text/csv; charset=utf-8"
    lines = list(csv.reader(io.StringIO(body.data.decode("utf-8-sig"), newline="")))
    assert lines[0] == list(report.columns)
    assert lines[1:] == [list(row.values) for row in report.rows]

    for kind in (ReportKind.SALES, ReportKind.PRODUCTS, ReportKind.CUSTOMERS):
        made = await ask.CreateReport(pb.CreateReportRequest(kind=kind, interval=Interval.WEEK, **march))
        assert made.row_count > 0
        assert all(len(row.values) == len(made.columns) for row in made.rows)

    listed = await ask.ListReports(pb.ListReportsRequest(page_size=3))
    assert len(listed.reports) == 3
    assert listed.next_page_token
    assert not listed.reports[0].rows


async def test_a_report_of_other_stores_is_not_found(world: World) -> None:
    store_id = await world.open_store()
    boss = world.stub(admin())
    of_all = await boss.CreateReport(pb.CreateReportRequest(kind=ReportKind.SALES, **MAY))
    of_one = await boss.CreateReport(pb.CreateReportRequest(kind=ReportKind.SALES, store_id=str(store_id), **MAY))
    manager, stranger = staff(new_id(), store_id, "manager"), staff(new_id(), new_id(), "manager")
    assert (await world.stub(manager).GetReport(pb.GetReportRequest(report_id=of_one.id))).id == of_one.id
    for caller, report in ((manager, of_all), (stranger, of_all), (stranger, of_one)):
        for method, request in (
            ("GetReport", pb.GetReportRequest(report_id=report.id)),
            ("DownloadReport", pb.DownloadReportRequest(report_id=report.id)),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await getattr(world.stub(caller), method)(request)
            assert failed.value.code() == grpc.StatusCode.NOT_FOUND
    assert not (await world.stub(stranger).ListReports(pb.ListReportsRequest())).reports


class ClientEventRow(NamedTuple):
    name: str
    properties: dict[str, str]


async def test_a_client_event_of_any_caller_is_accepted_and_changes_no_figure(world: World) -> None:
    before = await world.stub(admin()).GetDashboard(pb.GetDashboardRequest())
    person = new_id()
    for caller in (anonymous(), customer(person)):
        request = pb.RecordClientEventRequest(
            name=ClientEventName.PRODUCT_VIEWED, product_id=str(DOSA), properties={"source": "menu"}
        )
        taken = await world.stub(caller).RecordClientEvent(request)
        assert taken.name == ClientEventName.PRODUCT_VIEWED
    stored = sql("SELECT name, properties FROM client_events WHERE account_id = %(a)s", row=ClientEventRow)
    row = await world.app.db.one(stored, a=person)
    assert row == ClientEventRow("product_viewed", {"source": "menu"})
    after = await world.stub(admin()).GetDashboard(pb.GetDashboardRequest())
    assert after.figures == before.figures


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "name"),
        ({"name": 77}, "name"),
        ({"name": 1, "properties": {"UPPER": "x"}}, "properties"),
        ({"name": 1, "properties": {"a": "x" * 201}}, "properties"),
        ({"name": 1, "properties": {f"k{n}": "x" for n in range(11)}}, "properties"),
        ({"name": 1, "properties": {f"k{n}": "x" * 200 for n in range(6)}}, "properties"),
        ({"name": 1, "store_id": "x"}, "storeId"),
    ],
)
async def test_unknown_or_too_large_client_events_are_rejected(
    world: World, fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await world.stub(anonymous()).RecordClientEvent(pb.RecordClientEventRequest(**fields))
    assert failed.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert all(name.startswith(field) for name in rpc_error(failed.value).violations)
