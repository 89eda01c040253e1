"""Stock, its batches and its movements. A statement that changes `current_stock` writes the movement too.

The order of locks is stated in `reservations`.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, func, insert, select, update

from chassis.database import sql, statement
from chassis.database.rows import field_names, table_columns
from chassis.database.tables import table_of
from services.inventory.model.tables import InventoryItem, StockBatch
from services.inventory.rows import (
    InventoryItemRow,
    LockedItemRow,
    NewBatch,
    ReorderProposalRow,
    StockBatchRow,
    StockMovementRow,
    StockThresholds,
)

# --- batches ---

# Subtracts units from batches, those that expire first first, those without a date last. Batches and wanted units are
# laid out as intervals of running numbers; the overlap is subtracted from the batch.
TAKE_FROM_BATCHES = sql(
    """
    WITH wanted AS (
        SELECT product_id, store_id, sum(quantity) AS quantity
        FROM unnest(%(product_ids)s::uuid[], %(store_ids)s::uuid[], %(quantities)s::int[])
            AS w(product_id, store_id, quantity) GROUP BY product_id, store_id
    ), locked AS (
        SELECT id, product_id, store_id, remaining_quantity, expiry_date FROM stock_batches
        WHERE is_open AND (product_id, store_id) IN (SELECT product_id, store_id FROM wanted)
        ORDER BY product_id, store_id, expiry_date, id FOR NO KEY UPDATE
    ), line AS (
        SELECT locked.id, wanted.quantity AS wanted, remaining_quantity,
               sum(remaining_quantity) OVER (PARTITION BY product_id, store_id ORDER BY expiry_date, locked.id)
                   - remaining_quantity AS ahead
        FROM locked JOIN wanted USING (product_id, store_id)
    )
    UPDATE stock_batches SET remaining_quantity = stock_batches.remaining_quantity
                                                  - least(line.remaining_quantity, line.wanted - line.ahead)
    FROM line WHERE stock_batches.id = line.id AND line.wanted > line.ahead
    """
)
# Adds units to the batches from which units were subtracted last.
RETURN_TO_BATCHES = sql(
    """
    WITH wanted AS (
        SELECT product_id, store_id, sum(quantity) AS quantity
        FROM unnest(%(product_ids)s::uuid[], %(store_ids)s::uuid[], %(quantities)s::int[])
            AS w(product_id, store_id, quantity) GROUP BY product_id, store_id
    ), locked AS (
        SELECT id, product_id, store_id, received_quantity - remaining_quantity AS room, expiry_date
        FROM stock_batches
        WHERE remaining_quantity < received_quantity
          AND (product_id, store_id) IN (SELECT product_id, store_id FROM wanted)
        ORDER BY product_id, store_id, expiry_date, id FOR NO KEY UPDATE
    ), line AS (
        SELECT locked.id, wanted.quantity AS wanted, room,
               sum(room) OVER (PARTITION BY product_id, store_id ORDER BY expiry_date DESC NULLS FIRST, locked.id DESC)
                   - room AS ahead
        FROM locked JOIN wanted USING (product_id, store_id)
    )
    UPDATE stock_batches SET remaining_quantity = stock_batches.remaining_quantity
                                                  + least(line.room, line.wanted - line.ahead)
    FROM line WHERE stock_batches.id = line.id AND line.wanted > line.ahead
    """
)
INSERT_BATCH = statement(insert(StockBatch).inline(), columns=field_names(NewBatch))
LIST_OPEN_BATCHES = statement(
    select(*table_columns(StockBatchRow, table_of(StockBatch)))
    .where(
        StockBatch.product_id == bindparam("product_id"),
        StockBatch.store_id == bindparam("store_id"),
        StockBatch.is_open,
    )
    .order_by(StockBatch.expiry_date, StockBatch.id)
    .limit(100),
    row=StockBatchRow,
)

# --- changes by hand ---

# Creates the stock of products that the store does not have yet.
INSERT_ITEMS = sql(
    """
    INSERT INTO inventory (product_id, store_id)
    SELECT id, %(store_id)s FROM products
    WHERE id = ANY(%(product_ids)s::uuid[]) AND deleted_at IS NULL ORDER BY id
    ON CONFLICT (product_id, store_id) DO NOTHING
    """
)
LOCK_ITEMS = sql(
    """
    SELECT product_id, store_id, current_stock, min_stock, max_stock, reorder_point, cost_per_unit,
           inventory.unit, products.name AS product_name
    FROM inventory JOIN products ON products.id = product_id
    WHERE store_id = %(store_id)s AND product_id = ANY(%(product_ids)s::uuid[])
    ORDER BY product_id, store_id FOR NO KEY UPDATE OF inventory
    """,
    row=LockedItemRow,
)
# Changes a locked stock by hand and writes the movement. `delta` is zero for a count without a difference.
CHANGE_STOCK = sql(
    """
    WITH changed AS (
        UPDATE inventory SET current_stock = current_stock + %(delta)s, updated_at = now(),
               cost_per_unit = coalesce(%(unit_cost)s, cost_per_unit),
               last_restocked_at = CASE WHEN %(kind)s = 'receive' THEN now() ELSE last_restocked_at END,
               last_stock_count_at = CASE WHEN %(kind)s = 'adjust' THEN now() ELSE last_stock_count_at END
        WHERE product_id = %(product_id)s AND store_id = %(store_id)s
        RETURNING product_id, store_id, current_stock
    )
    INSERT INTO stock_movements (product_id, store_id, kind, quantity, balance_after, actor_id, actor_service, reason,
                                 purchase_order_id)
    SELECT product_id, store_id, %(kind)s, %(delta)s, current_stock, %(actor_id)s, %(actor_service)s, %(reason)s,
           %(purchase_order_id)s
    FROM changed RETURNING id
    """,
    value=UUID,
)
# Copies expiry and number of the batch that is consumed next to the stock.
COPY_NEXT_BATCH = sql(
    """
    UPDATE inventory SET (expiry_date, batch_number) = (
        SELECT expiry_date, nullif(batch_number, '') FROM stock_batches
        WHERE is_open AND stock_batches.product_id = inventory.product_id
          AND stock_batches.store_id = inventory.store_id
        ORDER BY expiry_date, id LIMIT 1
    )
    WHERE store_id = %(store_id)s AND product_id = ANY(%(product_ids)s::uuid[])
    """
)
SET_THRESHOLDS = statement(
    update(InventoryItem)
    .where(
        InventoryItem.product_id == bindparam("item_product_id"), InventoryItem.store_id == bindparam("item_store_id")
    )
    .values(updated_at=func.now(), **{name: bindparam(name) for name in field_names(StockThresholds)})
)

# --- reads ---

_ITEM = """
    SELECT product_id, store_id, products.name AS product_name, products.sku, current_stock, min_stock, max_stock,
           reorder_point, is_low, cost_per_unit, inventory.unit, last_restocked_at, last_stock_count_at, expiry_date,
           batch_number, inventory.updated_at, lower(products.name) AS sort_name,
           coalesce((SELECT sum(line.quantity) FROM stock_reservations held,
                            unnest(held.product_ids, held.quantities) AS line(product_id, quantity)
                     WHERE held.status = 'held' AND held.store_id = inventory.store_id
                       AND line.product_id = inventory.product_id), 0)::int AS reserved_stock
    FROM inventory JOIN products ON products.id = product_id
"""
GET_ITEM = sql(
    _ITEM + "WHERE product_id = %(product_id)s AND store_id = %(store_id)s AND products.deleted_at IS NULL",
    row=InventoryItemRow,
)
LIST_ITEMS = sql(
    _ITEM
    + """
    WHERE store_id = %(store_id)s AND products.deleted_at IS NULL AND (NOT %(low_only)s OR is_low)
      AND (%(after_name)s::text IS NULL OR (lower(products.name), product_id) > (%(after_name)s, %(after_id)s::uuid))
    ORDER BY lower(products.name), product_id LIMIT %(limit)s
    """,
    row=InventoryItemRow,
)
LIST_MOVEMENTS = sql(
    """
    SELECT id, product_id, store_id, kind, quantity, balance_after, actor_id, actor_service, reason, order_id,
           purchase_order_id, created_at
    FROM stock_movements
    WHERE product_id = %(product_id)s AND store_id = %(store_id)s
      AND (%(kind)s::text IS NULL OR kind = %(kind)s) AND (%(after_id)s::uuid IS NULL OR id < %(after_id)s)
    ORDER BY id DESC LIMIT %(limit)s
    """,
    row=StockMovementRow,
)
# Stock at or below its reorder point, with open purchase orders and the last supplier.
LIST_REORDER_PROPOSALS = sql(
    """
    SELECT inventory.product_id, products.name AS product_name, current_stock, max_stock, reorder_point,
           lower(products.name) AS sort_name, coming.quantity AS on_order, last.supplier_id, last.unit_price
    FROM inventory
    JOIN products ON products.id = inventory.product_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(line.quantity - line.received_quantity), 0)::int AS quantity
        FROM purchase_order_items line JOIN purchase_orders po ON po.id = line.purchase_order_id
        WHERE line.product_id = inventory.product_id AND po.store_id = inventory.store_id
          AND po.status IN ('pending', 'confirmed')
    ) coming
    LEFT JOIN LATERAL (
        SELECT po.supplier_id, line.unit_price
        FROM purchase_order_items line JOIN purchase_orders po ON po.id = line.purchase_order_id
        WHERE line.product_id = inventory.product_id AND po.store_id = inventory.store_id AND po.status <> 'cancelled'
        ORDER BY po.created_at DESC, po.id DESC LIMIT 1
    ) last ON true
    WHERE inventory.store_id = %(store_id)s AND products.deleted_at IS NULL AND current_stock <= reorder_point
      AND (%(after_name)s::text IS NULL
           OR (lower(products.name), inventory.product_id) > (%(after_name)s, %(after_id)s::uuid))
    ORDER BY lower(products.name), inventory.product_id LIMIT %(limit)s
    """,
    row=ReorderProposalRow,
)
