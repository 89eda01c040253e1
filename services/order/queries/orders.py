"""Reads of orders. An order is one row: its items are a column, so that reading it takes one round trip.

The orders that a caller may see are part of the statements; see `_visible`.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Any, get_type_hints
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    Integer,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    cast,
    func,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from chassis.database import Statement, sql, statement
from chassis.database.rows import table_columns
from chassis.database.tables import table_of
from services.order.commands import OrderFilter, StatusFilter
from services.order.model.tables import Order, OrderItem, OrderNumber, OrderTimeline, StoreStaff
from services.order.rows import OrderHeadRow, OrderItemRow, OrderRow, OrderStateRow, TimelineRow

_ORDER = table_of(Order)
_ITEM = table_of(OrderItem)


def _item_fields() -> list[Any]:
    """Arguments of json_build_object: name and column of each field; amounts as strings, which keep their decimals."""
    fields: list[Any] = []
    for name, kind in get_type_hints(OrderItemRow).items():
        column = _ITEM.columns[name]
        fields += [literal_column(f"'{name}'"), cast(column, Text) if kind is Decimal else column]
    return fields


_ITEMS = (
    select(func.json_agg(aggregate_order_by(func.json_build_object(*_item_fields()), OrderItem.position)))
    .where(OrderItem.order_id == Order.id)
    .correlate(Order)
    .scalar_subquery()
)
_HEAD_COLUMNS = table_columns(OrderHeadRow, _ORDER)


def _visible() -> ColumnElement[bool]:
    """Whether the caller may see the order; takes the parameters of `Viewer.parameters()`."""
    owner = bindparam("owner", type_=Uuid)
    return or_(
        bindparam("everything", type_=Boolean),
        Order.customer_id == owner,
        Order.store_id == any_(bindparam("stores", type_=ARRAY(Uuid))),
        and_(
            Order.delivery_person_id == owner,
            Order.store_id == any_(bindparam("courier_stores", type_=ARRAY(Uuid))),
        ),
    )


def _select_orders() -> Select[Any]:
    return select(*table_columns(OrderRow, _ORDER, items=_ITEMS))


_BY_ID = Order.id == bindparam("id", type_=Uuid)

GET_VISIBLE_ORDER = statement(_select_orders().where(_BY_ID, _visible()), row=OrderRow)
# For the service itself: after its own writes, in periodic jobs and event handlers.
GET_ORDER = statement(_select_orders().where(_BY_ID), row=OrderRow)

GET_VISIBLE_ORDER_HEAD = statement(select(*_HEAD_COLUMNS).where(_BY_ID, _visible()), row=OrderHeadRow)
GET_ORDER_HEAD = statement(select(*_HEAD_COLUMNS).where(_BY_ID), row=OrderHeadRow)


@cache
def list_orders(*, filters: frozenset[OrderFilter], status: StatusFilter) -> Statement[OrderRow]:
    """A page of orders, newest first.

    The state is a literal, not a parameter: few orders are open and many closed, and only a plan for the state itself
    uses its index where that pays.
    """
    conditions: dict[OrderFilter, ColumnElement[bool]] = {
        "visible": _visible(),
        "customer_id": Order.customer_id == bindparam("customer_id", type_=Uuid),
        "store_id": Order.store_id == bindparam("store_id", type_=Uuid),
        "delivery_person_id": Order.delivery_person_id == bindparam("delivery_person_id", type_=Uuid),
        "order_number": Order.id
        == select(OrderNumber.order_id).where(OrderNumber.number == bindparam("order_number")).scalar_subquery(),
        "from_id": Order.id >= bindparam("from_id", type_=Uuid),
        "before_id": Order.id < bindparam("before_id", type_=Uuid),
        "after": Order.id < bindparam("after", type_=Uuid),
    }
    query = _select_orders().where(*(conditions[name] for name in sorted(filters)))
    if status != "any":
        query = query.where(Order.status == literal_column(f"'{status}'"))
    return statement(query.order_by(Order.id.desc()).limit(bindparam("limit", type_=Integer)), row=OrderRow)


LIST_TIMELINE = statement(
    select(*table_columns(TimelineRow, table_of(OrderTimeline)))
    .where(
        OrderTimeline.order_id == bindparam("order_id", type_=Uuid),
        OrderTimeline.version > bindparam("after_version", type_=Integer),
        or_(OrderTimeline.visible_to_customer, bindparam("internal", type_=Boolean)),
    )
    .order_by(OrderTimeline.version, OrderTimeline.created_at)
    .limit(bindparam("limit", type_=Integer)),
    row=TimelineRow,
)

GET_STAFF_ID = statement(
    select(StoreStaff.staff_id)
    .where(
        StoreStaff.account_id == bindparam("account_id", type_=Uuid),
        StoreStaff.store_id == bindparam("store_id", type_=Uuid),
        StoreStaff.job == bindparam("job"),
        StoreStaff.is_active,
    )
    .limit(1),
    value=UUID,
)

# For services that hold reservations: an order in placement is pending, one in compensation is unknown.
LIST_ORDER_STATES = sql(
    """
    SELECT id AS order_id, status, payment_status, customer_id, store_id,
           cancelled_at IS NOT NULL AND preparing_at IS NULL AS restock
    FROM orders WHERE id = ANY(%(order_ids)s::uuid[])
    UNION ALL
    SELECT order_id, 'pending', 'pending', customer_id, store_id, false
    FROM order_sagas WHERE order_id = ANY(%(order_ids)s::uuid[]) AND state = 'reserving'
    """,
    row=OrderStateRow,
)
