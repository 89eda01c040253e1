"""Reading orders. One row is one whole order: its items come with it, so that a read is one round trip.

Amounts come as whole minor units. Whose orders a caller may see is part of each statement; see `visible`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Integer,
    Select,
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
from services.order.model.states import STEPS
from services.order.model.tables import Order, OrderItem, OrderNumber, OrderTimeline, StoreStaff


def minor(amount: Any) -> ColumnElement[int]:
    """An amount in whole minor units."""
    return cast(amount * 100, BigInteger)


_items = (
    select(
        func.json_agg(
            aggregate_order_by(
                # The places are those of wire.ItemRow.
                func.json_build_array(
                    OrderItem.id,
                    OrderItem.product_id,
                    OrderItem.product_name,
                    OrderItem.product_sku,
                    OrderItem.category,
                    minor(OrderItem.unit_price),
                    OrderItem.quantity,
                    minor(OrderItem.subtotal),
                    minor(OrderItem.discount),
                    OrderItem.tax_rate,
                    minor(OrderItem.cgst),
                    minor(OrderItem.sgst),
                    minor(OrderItem.igst),
                    OrderItem.customizations,
                    OrderItem.special_instructions,
                ),
                OrderItem.position,
            )
        )
    )
    .where(OrderItem.order_id == Order.id)
    .correlate(Order)
    .scalar_subquery()
)

_MONEY = ("subtotal", "tax", "delivery_fee", "discount", "loyalty_discount", "total")
_DELIVERY_TAX = ("delivery_cgst", "delivery_sgst", "delivery_igst")
_AMOUNTS = {*_MONEY, *_DELIVERY_TAX}
_UNREAD = {"review_comment"}
_columns = [
    minor(column).label(column.name) if column.name in _AMOUNTS else column
    for column in Order.__table__.c
    if column.name not in _UNREAD
]


def visible() -> ColumnElement[bool]:
    """What the caller may see: parameters `everything`, `owner`, `stores` and `courier_stores` of `Viewer.params()`."""
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


def _whole() -> Select[Any]:
    return select(*_columns, _items.label("items"))


_id = bindparam("id", type_=Uuid)

ORDER = statement(_whole().where(Order.id == _id, visible()))
# For the service itself: after its own write, in loops and handlers.
OWN_ORDER = statement(_whole().where(Order.id == _id))

_HEAD = (
    Order.id,
    Order.order_number,
    Order.version,
    Order.status,
    Order.payment_status,
    Order.payment_method,
    Order.delivery_type,
    Order.customer_id,
    Order.store_id,
    minor(Order.total).label("total"),
    Order.estimated_delivery_time,
    Order.delivery_person_id,
    Order.assigned_staff_id,
    Order.payment_id,
)
HEAD = statement(select(*_HEAD).where(Order.id == _id, visible()))
OWN_HEAD = statement(select(*_HEAD).where(Order.id == _id))


@cache
def orders(filters: frozenset[str]) -> Statement[Any]:
    """A page of orders, newest first. `filters` names what narrows it; each is a parameter of its own name.

    `visible` brings the four parameters of a viewer instead. A state is a word of the statement (`status:ready`): the
    few orders that are open are found by their state, the many that are closed are not, and only a plan for the very
    word can tell.
    """
    conditions: dict[str, ColumnElement[bool]] = {
        "visible": visible(),
        "customer_id": Order.customer_id == bindparam("customer_id", type_=Uuid),
        "store_id": Order.store_id == bindparam("store_id", type_=Uuid),
        "delivery_person_id": Order.delivery_person_id == bindparam("delivery_person_id", type_=Uuid),
        "from_id": Order.id >= bindparam("from_id", type_=Uuid),
        "before_id": Order.id < bindparam("before_id", type_=Uuid),
        "after": Order.id < bindparam("after", type_=Uuid),
        "order_number": Order.id
        == select(OrderNumber.order_id).where(OrderNumber.number == bindparam("order_number")).scalar_subquery(),
    }
    for state in STEPS:
        conditions[f"status:{state}"] = Order.status == literal_column(f"'{state}'")
    narrowed = _whole().where(*(conditions[name] for name in sorted(filters)))
    return statement(narrowed.order_by(Order.id.desc()).limit(bindparam("limit", type_=Integer)))


TIMELINE = statement(
    select(
        OrderTimeline.id,
        OrderTimeline.version,
        OrderTimeline.status,
        OrderTimeline.note,
        OrderTimeline.updated_by,
        OrderTimeline.updated_by_name,
        OrderTimeline.visible_to_customer,
        OrderTimeline.created_at,
    )
    .where(
        OrderTimeline.order_id == bindparam("order_id", type_=Uuid),
        OrderTimeline.version > bindparam("after_version", type_=Integer),
        or_(OrderTimeline.visible_to_customer, bindparam("internal", type_=Boolean)),
    )
    .order_by(OrderTimeline.version, OrderTimeline.created_at)
    .limit(bindparam("limit", type_=Integer))
)

IS_STAFF = statement(
    select(StoreStaff.staff_id)
    .where(
        StoreStaff.account_id == bindparam("account_id", type_=Uuid),
        StoreStaff.store_id == bindparam("store_id", type_=Uuid),
        StoreStaff.job == bindparam("job"),
        StoreStaff.is_active,
    )
    .limit(1)
)

# An order that is being placed is pending for whoever holds something for it; one that is being undone is unknown.
STATES = sql(
    """
    SELECT id AS order_id, status, payment_status, customer_id, store_id,
           cancelled_at IS NOT NULL AND preparing_at IS NULL AS restock
    FROM orders WHERE id = ANY(%(order_ids)s::uuid[])
    UNION ALL
    SELECT order_id, 'pending', 'pending', customer_id, store_id, false
    FROM order_sagas WHERE order_id = ANY(%(order_ids)s::uuid[]) AND state = 'reserving'
    """
)
