"""Reads of orders: one, lists, invoices, states for other services."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.errors import InvalidArgument, NotFound
from chassis.rpc.call import Caller
from chassis.rpc.pagination import Page
from services.order import queries
from services.order.app import OrderApp
from services.order.commands import ListOrders, OrderFilter, StatusFilter
from services.order.errors import OrderNotInvoiced
from services.order.model import states
from services.order.model.contacts import decrypt_contact
from services.order.model.months import first_id
from services.order.model.views import OrderView
from services.order.rows import OrderRow, OrderStateRow
from services.order.usecases.access import Viewer

_INVOICE_JOBS = frozenset({states.ADMIN_JOB, states.MANAGER_JOB, states.CASHIER_JOB, states.SUPPORT_JOB})


async def get_order(app: OrderApp, caller: Caller, order_id: UUID) -> OrderView:
    """The order. Raises NotFound unless the caller may see it."""
    viewer = Viewer.of(caller)
    return _view(app, viewer, await _get_visible_row(app, viewer, order_id))


async def get_own_order(app: OrderApp, order_id: UUID) -> OrderView:
    """The order, for a caller who is known to be its customer."""
    row = await app.db.one(queries.orders.GET_ORDER, id=order_id)
    if row is None:
        raise NotFound
    return OrderView(row, decrypt_contact(row, app.cipher))


async def _get_visible_row(app: OrderApp, viewer: Viewer, order_id: UUID) -> OrderRow:
    row = await app.db.one(queries.orders.GET_VISIBLE_ORDER, id=order_id, **viewer.parameters())
    if row is None:
        raise NotFound
    return row


def _view(app: OrderApp, viewer: Viewer, row: OrderRow) -> OrderView:
    return OrderView(row, decrypt_contact(row, app.cipher) if viewer.may_see_contact(row) else None)


async def list_orders(app: OrderApp, caller: Caller, command: ListOrders, page: Page) -> list[OrderView]:
    """A page of the orders that the caller may see, newest first, with one more than the page shows."""
    viewer = Viewer.of(caller)
    filters = _filters(command)
    if not viewer.jobs and not viewer.is_admin:
        # A customer without jobs: the filter by customer uses an index. Orders of other customers are not visible.
        if filters.setdefault("customer_id", viewer.account_id) != viewer.account_id:
            return []
    elif not viewer.is_admin:
        filters["visible"] = viewer.parameters()
    return await _list_page(app, viewer, filters, command.status, page)


async def list_customer_orders(
    app: OrderApp, caller: Caller, customer_id: UUID, status: StatusFilter, page: Page
) -> list[OrderView]:
    """A page of one customer's orders, for callers whom the access rule of the rpc has checked."""
    return await _list_page(app, Viewer.of(caller), {"customer_id": customer_id}, status, page)


async def list_store_orders(
    app: OrderApp, caller: Caller, store_id: UUID, status: StatusFilter, page: Page
) -> list[OrderView]:
    """A page of one store's orders, for callers whom the access rule of the rpc has checked.

    Callers whose only job is courier get the orders that are assigned to them.
    """
    viewer = Viewer.of(caller)
    filters: dict[OrderFilter, Any] = {"store_id": store_id}
    if not viewer.is_admin and store_id not in viewer.stores:
        filters["delivery_person_id"] = viewer.account_id
    return await _list_page(app, viewer, filters, status, page)


def _filters(command: ListOrders) -> dict[OrderFilter, Any]:
    filters: dict[OrderFilter, Any] = {
        "store_id": command.store_id,
        "customer_id": command.customer_id,
        "order_number": command.order_number,
        "from_id": _first_id("createdFrom", command.created_from),
        "before_id": _first_id("createdBefore", command.created_before),
    }
    return {name: value for name, value in filters.items() if value is not None}


def _first_id(field: str, start: datetime | None) -> UUID | None:
    if start is None:
        return None
    if start.timestamp() < 0:
        raise InvalidArgument(field, "must not be before 1970")
    return first_id(start)


async def _list_page(
    app: OrderApp, viewer: Viewer, filters: dict[OrderFilter, Any], status: StatusFilter, page: Page
) -> list[OrderView]:
    if page.after is not None:
        filters["after"] = UUID(page.after[0])
    query = queries.orders.list_orders(filters=frozenset(filters), status=status)
    viewer_parameters = filters.pop("visible", {})
    rows = await app.read_db.all(query, limit=page.limit, **viewer_parameters, **filters)
    return [_view(app, viewer, row) for row in rows]


async def get_invoice(app: OrderApp, caller: Caller, order_id: UUID) -> OrderView:
    """The order with its contact. Raises OrderNotInvoiced before it is accepted and once it is cancelled."""
    viewer = Viewer.of(caller)
    row = await _get_visible_row(app, viewer, order_id)
    if not viewer.owns(row):
        viewer.require_job(row, *_INVOICE_JOBS)
    if row.accepted_at is None or row.cancelled_at is not None:
        raise OrderNotInvoiced(row.status)
    return OrderView(row, decrypt_contact(row, app.cipher))


async def list_order_states(app: OrderApp, caller: Caller, order_ids: Sequence[UUID]) -> list[OrderStateRow]:
    """The states of the orders. One that is being placed is pending; unknown ones are missing."""
    return await app.db.all(queries.orders.LIST_ORDER_STATES, order_ids=list(order_ids))
