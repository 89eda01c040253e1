"""Reading orders, lists of them, their invoices and states."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from jainshikanji.order.v1 import invoice_pb2, order_pb2, order_service_pb2

from chassis.errors import InvalidArgument, NotFound
from chassis.rpc.pagination import Page
from chassis.timestamps import optional_datetime_from_proto
from services.order.app import OrderApp
from services.order.model import states
from services.order.model.months import first_id
from services.order.model.refusals import OrderNotInvoiced
from services.order.queries import reading as q
from services.order.usecases.viewing import Viewer
from services.order.wire import contacts, orders
from services.order.wire.words import STATUS

_INVOICE_JOBS = frozenset({states.ADMIN_JOB, states.MANAGER_JOB, states.CASHIER_JOB, states.SUPPORT_JOB})


async def order(app: OrderApp, viewer: Viewer, order_id: UUID) -> order_pb2.Order:
    """One order. Raises NotFound unless the viewer sees it."""
    row = await app.db.one(q.ORDER, id=order_id, **viewer.params())
    if row is None:
        raise NotFound
    return _shown(app, viewer, row)


async def own_order(app: OrderApp, order_id: UUID) -> order_pb2.Order:
    """An order for its customer, who is known to be the caller."""
    row = await app.db.one(q.OWN_ORDER, id=order_id)
    if row is None:
        raise NotFound
    return orders.order(row, contacts.unseal(row, app.cipher))


def _shown(app: OrderApp, viewer: Viewer, row: Any) -> order_pb2.Order:
    contact = contacts.unseal(row, app.cipher) if viewer.sees_contact(row) else None
    return orders.order(row, contact)


async def visible_orders(
    app: OrderApp, viewer: Viewer, request: order_service_pb2.ListOrdersRequest
) -> order_service_pb2.ListOrdersResponse:
    """What the viewer sees, newest first, narrowed by the request's filters."""
    filters: dict[str, Any] = {}
    if request.store_id:
        filters["store_id"] = UUID(request.store_id)
    if request.customer_id:
        filters["customer_id"] = UUID(request.customer_id)
    if request.order_number:
        filters["order_number"] = request.order_number.upper()
    if (start := optional_datetime_from_proto(request, "created_from")) is not None:
        filters["from_id"] = _first_id(start, "createdFrom")
    if (end := optional_datetime_from_proto(request, "created_before")) is not None:
        filters["before_id"] = _first_id(end, "createdBefore")
    if not viewer.jobs and not viewer.is_admin:
        # A mere customer: the shape that the customer's index serves; another customer's orders stay invisible.
        if filters.setdefault("customer_id", viewer.account_id) != viewer.account_id:
            return order_service_pb2.ListOrdersResponse()
    elif not viewer.is_admin:
        filters.update({"visible": True, **viewer.params()})
    return await _page(app, viewer, request, filters)


async def customer_orders(
    app: OrderApp, viewer: Viewer, request: order_service_pb2.ListCustomerOrdersRequest
) -> order_service_pb2.ListOrdersResponse:
    """Orders of one customer; the access option has compared the id."""
    return await _page(app, viewer, request, {"customer_id": UUID(request.customer_id)})


async def store_orders(
    app: OrderApp, viewer: Viewer, request: order_service_pb2.ListStoreOrdersRequest
) -> order_service_pb2.ListOrdersResponse:
    """Orders of one store; the access option has compared the id. A mere courier sees what is assigned."""
    store_id = UUID(request.store_id)
    filters: dict[str, Any] = {"store_id": store_id}
    if not viewer.is_admin and store_id not in viewer.stores:
        filters["delivery_person_id"] = viewer.account_id
    return await _page(app, viewer, request, filters)


async def _page(
    app: OrderApp, viewer: Viewer, request: Any, filters: dict[str, Any]
) -> order_service_pb2.ListOrdersResponse:
    page: Page = app.pages.open(request)
    if page.after is not None:
        filters["after"] = UUID(page.after[0])
    shape = frozenset(filters) - _VIEWER_PARAMETERS
    if request.status:
        shape |= {f"status:{STATUS.from_proto(request.status)}"}
    filters.pop("visible", None)
    rows = await app.read_db.all(q.orders(shape), limit=page.limit, **filters)
    return order_service_pb2.ListOrdersResponse(
        orders=[_shown(app, viewer, row) for row in page.trim(rows)],
        next_page_token=page.next_token(rows, lambda row: (str(row.id),)),
    )


_VIEWER_PARAMETERS = frozenset({"everything", "owner", "stores", "courier_stores"})


def _first_id(start: datetime, field: str) -> UUID:
    if start.timestamp() < 0:
        raise InvalidArgument(field, "must not be before 1970")
    return first_id(start)


async def invoice(app: OrderApp, viewer: Viewer, order_id: UUID) -> invoice_pb2.Invoice:
    """The invoice of an order that was accepted and not given up."""
    row = await app.db.one(q.ORDER, id=order_id, **viewer.params())
    if row is None:
        raise NotFound
    if not viewer.owns(row):
        viewer.require_job(row, *_INVOICE_JOBS)
    if row.accepted_at is None or row.cancelled_at is not None:
        raise OrderNotInvoiced(row.status)
    return orders.invoice(row, contacts.unseal(row, app.cipher))


async def order_states(app: OrderApp, order_ids: list[UUID]) -> order_service_pb2.BatchGetOrderStatesResponse:
    """What order knows of each; an order that is being placed is pending, an unknown one is left out."""
    rows = await app.db.all(q.STATES, order_ids=order_ids)
    return order_service_pb2.BatchGetOrderStatesResponse(states=[orders.state(row) for row in rows])
