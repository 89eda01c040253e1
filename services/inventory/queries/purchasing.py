"""Statements about suppliers and purchase orders."""

from __future__ import annotations

from sqlalchemy import bindparam, func, insert, select, update

from chassis.database import sql, statement
from services.inventory.model.tables import Product, PurchaseOrder, PurchaseOrderItem, Supplier

SUPPLIERS = sql(
    """
    SELECT *, lower(name) AS sort_name FROM suppliers
    WHERE (%(include_inactive)s OR is_active)
      AND (%(after_name)s::text IS NULL OR (lower(name), id) > (%(after_name)s, %(after_id)s::uuid))
    ORDER BY lower(name), id LIMIT %(limit)s
    """
)
SUPPLIER = statement(select(*Supplier.__table__.columns).where(Supplier.id == bindparam("supplier_id")))
LOCK_SUPPLIER = statement(
    select(*Supplier.__table__.columns).where(Supplier.id == bindparam("supplier_id")).with_for_update(key_share=True)
)
_SUPPLIER_FIELDS = ("name", "email", "phone", "address", "contact_person", "payment_terms", "tax_id", "is_active")
INSERT_SUPPLIER = statement(insert(Supplier).returning(*Supplier.__table__.columns), columns=_SUPPLIER_FIELDS)
UPDATE_SUPPLIER = statement(
    update(Supplier)
    .where(Supplier.id == bindparam("supplier_id"))
    .values(updated_at=func.now(), **{name: bindparam(name) for name in _SUPPLIER_FIELDS})
    .returning(*Supplier.__table__.columns)
)

_ORDER = [column for column in PurchaseOrder.__table__.columns if column.name != "cancellation_reason"]
# Whose purchase order it is, is part of the SELECT: a foreign one is not found.
_MINE = "(%(everything)s OR store_id = ANY(%(tenants)s::uuid[]))"
_ORDER_COLUMNS = ", ".join(column.name for column in _ORDER)

PURCHASE_ORDER = sql(f"SELECT {_ORDER_COLUMNS} FROM purchase_orders WHERE id = %(id)s AND {_MINE}")  # noqa: S608
LOCK_PURCHASE_ORDER = sql(
    f"SELECT {_ORDER_COLUMNS} FROM purchase_orders WHERE id = %(id)s AND {_MINE} FOR NO KEY UPDATE"  # noqa: S608
)
PURCHASE_ORDERS = sql(
    f"""
    SELECT {_ORDER_COLUMNS} FROM purchase_orders
    WHERE {_MINE}
      AND (%(store_id)s::uuid IS NULL OR store_id = %(store_id)s)
      AND (%(supplier_id)s::uuid IS NULL OR supplier_id = %(supplier_id)s)
      AND (%(status)s::text IS NULL OR status = %(status)s)
      AND (%(after_at)s::timestamptz IS NULL OR (created_at, id) < (%(after_at)s, %(after_id)s::uuid))
    ORDER BY created_at DESC, id DESC LIMIT %(limit)s
    """  # noqa: S608 - constants of this module
)
ITEMS = statement(
    select(*PurchaseOrderItem.__table__.columns, Product.name.label("product_name"))
    .join(Product, Product.id == PurchaseOrderItem.product_id)
    .where(PurchaseOrderItem.purchase_order_id == bindparam("purchase_order_id"))
    .order_by(PurchaseOrderItem.product_id)
)
KNOWN_PRODUCTS = sql("SELECT id FROM products WHERE id = ANY(%(product_ids)s::uuid[]) AND deleted_at IS NULL")
INSERT_PURCHASE_ORDER = sql(
    """
    INSERT INTO purchase_orders (po_number, supplier_id, store_id, subtotal, tax, shipping, total, order_date,
                                 expected_delivery_date, notes, created_by)
    VALUES (%(po_number)s, %(supplier_id)s, %(store_id)s, %(subtotal)s, %(tax)s, %(shipping)s, %(total)s,
            %(order_date)s, %(expected_delivery_date)s, %(notes)s, %(created_by)s)
    ON CONFLICT (po_number) DO NOTHING RETURNING id
    """
)
INSERT_ITEMS = sql(
    """
    INSERT INTO purchase_order_items (purchase_order_id, product_id, quantity, unit_price, total_price)
    SELECT %(purchase_order_id)s, product_id, quantity, unit_price, quantity * unit_price
    FROM unnest(%(product_ids)s::uuid[], %(quantities)s::int[], %(unit_prices)s::numeric[])
        AS l(product_id, quantity, unit_price)
    """
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
