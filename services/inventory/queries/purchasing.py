"""Suppliers and purchase orders."""

from __future__ import annotations

from uuid import UUID

from chassis.database import sql
from chassis.database.rows import column_names, field_names, placeholders, unnest
from services.inventory.rows import (
    NewPurchaseOrder,
    NewPurchaseOrderItem,
    NewSupplier,
    PurchaseOrderItemRow,
    PurchaseOrderRow,
    SupplierRow,
)

_SUPPLIER_COLUMNS = column_names(SupplierRow).replace("sort_name", "lower(name) AS sort_name")

LIST_SUPPLIERS = sql(
    f"""
    SELECT {_SUPPLIER_COLUMNS} FROM suppliers
    WHERE (%(include_inactive)s OR is_active)
      AND (%(after_name)s::text IS NULL OR (lower(name), id) > (%(after_name)s, %(after_id)s::uuid))
    ORDER BY lower(name), id LIMIT %(limit)s
    """,  # noqa: S608 - column names of the row type
    row=SupplierRow,
)
GET_SUPPLIER = sql(
    f"SELECT {_SUPPLIER_COLUMNS} FROM suppliers WHERE id = %(supplier_id)s",  # noqa: S608 - column names of the row type
    row=SupplierRow,
)
LOCK_SUPPLIER = sql(
    f"SELECT {_SUPPLIER_COLUMNS} FROM suppliers WHERE id = %(supplier_id)s FOR NO KEY UPDATE",  # noqa: S608 - column names of the row type
    row=SupplierRow,
)
INSERT_SUPPLIER = sql(
    f"""
    INSERT INTO suppliers ({column_names(NewSupplier)}) VALUES ({placeholders(NewSupplier)})
    RETURNING {_SUPPLIER_COLUMNS}
    """,  # noqa: S608 - column names of the row types
    row=SupplierRow,
)
UPDATE_SUPPLIER = sql(
    f"""
    UPDATE suppliers SET {", ".join(f"{name} = %({name})s" for name in field_names(NewSupplier))}, updated_at = now()
    WHERE id = %(supplier_id)s RETURNING {_SUPPLIER_COLUMNS}
    """,  # noqa: S608 - column names of the row types
    row=SupplierRow,
)

_ORDER_COLUMNS = column_names(PurchaseOrderRow)
# A purchase order outside the caller's scope is not found.
_IN_SCOPE = "(%(everything)s OR store_id = ANY(%(tenants)s::uuid[]))"

GET_PURCHASE_ORDER = sql(
    f"SELECT {_ORDER_COLUMNS} FROM purchase_orders WHERE id = %(id)s AND {_IN_SCOPE}",  # noqa: S608 - constants of this module
    row=PurchaseOrderRow,
)
LOCK_PURCHASE_ORDER = sql(
    f"SELECT {_ORDER_COLUMNS} FROM purchase_orders WHERE id = %(id)s AND {_IN_SCOPE} FOR NO KEY UPDATE",  # noqa: S608 - constants of this module
    row=PurchaseOrderRow,
)
LIST_PURCHASE_ORDERS = sql(
    f"""
    SELECT {_ORDER_COLUMNS} FROM purchase_orders
    WHERE {_IN_SCOPE}
      AND (%(store_id)s::uuid IS NULL OR store_id = %(store_id)s)
      AND (%(supplier_id)s::uuid IS NULL OR supplier_id = %(supplier_id)s)
      AND (%(status)s::text IS NULL OR status = %(status)s)
      AND (%(after_at)s::timestamptz IS NULL OR (created_at, id) < (%(after_at)s, %(after_id)s::uuid))
    ORDER BY created_at DESC, id DESC LIMIT %(limit)s
    """,  # noqa: S608 - constants of this module
    row=PurchaseOrderRow,
)
LIST_ITEMS = sql(
    """
    SELECT item.id, item.product_id, item.quantity, item.unit_price, item.total_price, item.received_quantity,
           products.name AS product_name
    FROM purchase_order_items item JOIN products ON products.id = item.product_id
    WHERE item.purchase_order_id = %(purchase_order_id)s ORDER BY item.product_id
    """,
    row=PurchaseOrderItemRow,
)
LIST_KNOWN_PRODUCTS = sql(
    "SELECT id FROM products WHERE id = ANY(%(product_ids)s::uuid[]) AND deleted_at IS NULL", value=UUID
)
# Returns no row when the number is taken.
INSERT_PURCHASE_ORDER = sql(
    f"""
    INSERT INTO purchase_orders ({column_names(NewPurchaseOrder)}) VALUES ({placeholders(NewPurchaseOrder)})
    ON CONFLICT (po_number) DO NOTHING RETURNING id
    """,  # noqa: S608 - column names of the row type
    value=UUID,
)
INSERT_ITEMS = sql(
    f"""
    INSERT INTO purchase_order_items ({column_names(NewPurchaseOrderItem)})
    SELECT {column_names(NewPurchaseOrderItem)} FROM {unnest(NewPurchaseOrderItem)}
    """  # noqa: S608 - column names of the row type
)
SET_STATUS = sql(
    """
    UPDATE purchase_orders
    SET status = %(status)s, received_date = coalesce(%(received_date)s, received_date),
        cancellation_reason = coalesce(%(reason)s, cancellation_reason), updated_at = now()
    WHERE id = %(id)s
    """
)
ADD_RECEIVED = sql(
    """
    UPDATE purchase_order_items SET received_quantity = received_quantity + %(quantity)s
    WHERE purchase_order_id = %(purchase_order_id)s AND product_id = %(product_id)s
    """
)
