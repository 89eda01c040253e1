"""Statements about stock. Whoever changes `current_stock` writes its movement in the same statement.

Locks are taken in one order everywhere: reservations, then stock by product and store, then batches by product, store
and place in line. So no two of these statements can wait for each other.
"""

from __future__ import annotations

from sqlalchemy import bindparam, func, insert, select, update

from chassis.database import sql, statement
from services.inventory.model.tables import InventoryItem, StockBatch, StockReservation

# --- Orders ---------------------------------------------------------------------------------------------------------

# Holds the lines of one or many orders. An order gets all of its lines or none; orders are served in the order given.
# An order that gets nothing keeps its place in the count, so one behind it may get nothing though there is enough: such
# an order is short of no product, and asking for it alone decides. Each order's event is written when it is held. A row
# per order first (held, or the products it is short of), then a row per threshold that was crossed.
RESERVE = sql(
    """
    WITH orders AS (
        SELECT * FROM unnest(%(order_ids)s::uuid[], %(store_ids)s::uuid[], %(ask_after)s::timestamptz[])
            WITH ORDINALITY AS o(order_id, store_id, ask_after, turn)
    ), lines AS (
        SELECT order_id, store_id, ask_after, turn, product_id, quantity
        FROM unnest(%(line_orders)s::uuid[], %(product_ids)s::uuid[], %(quantities)s::int[])
            AS l(order_id, product_id, quantity)
        JOIN orders USING (order_id)
    ), locked AS (
        SELECT id, product_id, store_id, current_stock FROM inventory
        WHERE (product_id, store_id) IN (SELECT product_id, store_id FROM lines)
        ORDER BY product_id, store_id FOR NO KEY UPDATE
    ), counted AS (
        SELECT lines.*, locked.id, locked.current_stock,
               coalesce(locked.current_stock >= sum(quantity) OVER (
                   PARTITION BY product_id, store_id ORDER BY turn), false) AS fits
        FROM lines LEFT JOIN locked USING (product_id, store_id)
    ), held AS (
        INSERT INTO stock_reservations (order_id, store_id, product_ids, quantities, status, ask_after)
        SELECT order_id, store_id, array_agg(product_id ORDER BY product_id), array_agg(quantity ORDER BY product_id),
               'held', ask_after
        FROM counted GROUP BY order_id, store_id, ask_after HAVING bool_and(fits)
        ON CONFLICT (order_id) DO NOTHING RETURNING order_id
    ), taken AS (
        SELECT counted.*, sum(quantity) OVER (PARTITION BY id ORDER BY turn) AS so_far
        FROM counted JOIN held USING (order_id)
    ), changed AS (
        UPDATE inventory SET current_stock = inventory.current_stock - total.quantity, updated_at = now()
        FROM (SELECT id, sum(quantity) AS quantity FROM taken GROUP BY id) total
        WHERE inventory.id = total.id
        RETURNING inventory.id, inventory.product_id, inventory.store_id, inventory.reorder_point,
                  old.current_stock AS before, new.current_stock AS after,
                  old.min_stock AS min_before, new.min_stock AS min_after
    ), moved AS (
        INSERT INTO stock_movements (product_id, store_id, kind, quantity, balance_after, actor_service, order_id)
        SELECT taken.product_id, taken.store_id, 'reserve', -quantity, before - so_far, %(actor_service)s, order_id
        FROM taken JOIN changed USING (id) ORDER BY turn, taken.product_id
    ), announced AS (
        INSERT INTO outbox (event_id, type, key, version, payload, trace_parent)
        SELECT event.* FROM
            unnest(%(event_ids)s::uuid[], %(types)s::text[], %(keys)s::text[], %(versions)s::int[],
                   %(payloads)s::bytea[], %(trace_parents)s::text[])
                AS event(event_id, type, key, version, payload, trace_parent)
            JOIN held ON held.order_id = event.key::uuid
    )
    SELECT order_id, held.order_id IS NOT NULL AS held,
           (SELECT array_agg(counted.product_id ORDER BY counted.product_id) FROM counted LEFT JOIN changed USING (id)
            WHERE counted.order_id = orders.order_id AND coalesce(after, current_stock, 0) < quantity) AS short,
           NULL::uuid AS product_id, NULL::uuid AS store_id, NULL::text AS product_name, NULL::int AS before,
           NULL::int AS after, NULL::int AS min_before, NULL::int AS min_after, NULL::int AS reorder_point
    FROM orders LEFT JOIN held USING (order_id)
    UNION ALL
    SELECT NULL, NULL, NULL, product_id, store_id, products.name, before, after, min_before, min_after, reorder_point
    FROM changed JOIN products ON products.id = product_id
    WHERE (before <= min_before) <> (after <= min_after) OR (before = 0) <> (after = 0)
    """
)

# What an update of stock returns when it crossed a threshold, behind `changed` of the statement around it.
_CROSSED = """
    SELECT product_id, store_id, products.name AS product_name, before, after, min_before, min_after, reorder_point
    FROM changed JOIN products ON products.id = product_id
    WHERE (before <= min_before) <> (after <= min_after) OR (before = 0) <> (after = 0)
"""

# All locks of what several orders change, before any of it is changed.
LOCK_RESERVATIONS = sql(
    """
    SELECT order_id, status, store_id, product_ids, quantities FROM stock_reservations
    WHERE order_id = ANY(%(order_ids)s::uuid[]) ORDER BY order_id FOR NO KEY UPDATE
    """
)
LOCK_STOCK = sql(
    """
    SELECT id FROM inventory
    WHERE (product_id, store_id) IN (SELECT * FROM unnest(%(product_ids)s::uuid[], %(store_ids)s::uuid[]))
    ORDER BY product_id, store_id FOR NO KEY UPDATE
    """
)

# Marks reservations as over and says what each held. An order without a reservation gets a tombstone.
RELEASE_RESERVATIONS = sql(
    """
    INSERT INTO stock_reservations AS reservation (order_id, status)
    SELECT order_id, 'released' FROM unnest(%(order_ids)s::uuid[]) AS o(order_id) ORDER BY order_id
    ON CONFLICT (order_id) DO UPDATE SET status = 'released', updated_at = now() WHERE reservation.status = 'held'
    RETURNING order_id, store_id, product_ids, quantities
    """
)
RETURN_RESERVATIONS = sql(
    """
    UPDATE stock_reservations SET status = 'returned', updated_at = now()
    WHERE status = 'committed' AND order_id = ANY(%(order_ids)s::uuid[])
    RETURNING order_id, store_id, product_ids, quantities
    """
)
COMMIT_RESERVATIONS = sql(
    """
    UPDATE stock_reservations SET status = 'committed', updated_at = now()
    WHERE status = 'held' AND order_id = ANY(%(order_ids)s::uuid[])
    RETURNING order_id, store_id, product_ids, quantities
    """
)
# Stock of orders comes back: `kind` is release or return. One row per threshold that was crossed.
GIVE_BACK = sql(
    f"""
    WITH lines AS (
        SELECT * FROM unnest(%(order_ids)s::uuid[], %(product_ids)s::uuid[], %(store_ids)s::uuid[],
                             %(quantities)s::int[]) WITH ORDINALITY
            AS l(order_id, product_id, store_id, quantity, turn)
    ), locked AS (
        SELECT id, product_id, store_id FROM inventory
        WHERE (product_id, store_id) IN (SELECT product_id, store_id FROM lines)
        ORDER BY product_id, store_id FOR NO KEY UPDATE
    ), given AS (
        SELECT lines.*, id, sum(quantity) OVER (PARTITION BY id ORDER BY turn) AS so_far
        FROM lines JOIN locked USING (product_id, store_id)
    ), changed AS (
        UPDATE inventory SET current_stock = inventory.current_stock + total.quantity, updated_at = now()
        FROM (SELECT id, sum(quantity) AS quantity FROM given GROUP BY id) total
        WHERE inventory.id = total.id
        RETURNING inventory.id, inventory.product_id, inventory.store_id, inventory.reorder_point,
                  old.current_stock AS before, new.current_stock AS after,
                  old.min_stock AS min_before, new.min_stock AS min_after
    ), moved AS (
        INSERT INTO stock_movements (product_id, store_id, kind, quantity, balance_after, actor_service, order_id)
        SELECT given.product_id, given.store_id, %(kind)s, quantity, before + so_far, %(actor_service)s, order_id
        FROM given JOIN changed USING (id) ORDER BY turn
    )
    {_CROSSED}
    """  # noqa: S608 - a constant of this module
)
# Confirmed orders for the record: their stock left when it was reserved. The lock is for the batches that come next.
RECORD_COMMITS = sql(
    """
    WITH lines AS (
        SELECT * FROM unnest(%(order_ids)s::uuid[], %(product_ids)s::uuid[], %(store_ids)s::uuid[]) WITH ORDINALITY
            AS l(order_id, product_id, store_id, turn)
    ), locked AS (
        SELECT product_id, store_id, current_stock FROM inventory
        WHERE (product_id, store_id) IN (SELECT product_id, store_id FROM lines)
        ORDER BY product_id, store_id FOR NO KEY UPDATE
    )
    INSERT INTO stock_movements (product_id, store_id, kind, quantity, balance_after, actor_service, order_id)
    SELECT product_id, store_id, 'commit', 0, current_stock, %(actor_service)s, order_id
    FROM lines JOIN locked USING (product_id, store_id) ORDER BY turn
    """
)

_reservation = StockReservation
RESERVATION = statement(
    select(_reservation.status, _reservation.store_id, _reservation.product_ids, _reservation.quantities).where(
        _reservation.order_id == bindparam("order_id")
    )
)
# Reservations whose order has been silent for too long.
FORGOTTEN_RESERVATIONS = statement(
    select(_reservation.order_id)
    .where(_reservation.status == "held", _reservation.ask_after < func.now())
    .order_by(_reservation.ask_after)
    .limit(bindparam("limit"))
)
ASK_LATER = sql(
    """
    UPDATE stock_reservations SET ask_after = now() + %(pause)s::interval
    WHERE order_id = ANY(%(order_ids)s::uuid[]) AND status = 'held'
    """
)
FORGET_RESERVATIONS = sql(
    """
    DELETE FROM stock_reservations WHERE order_id IN (
        SELECT order_id FROM stock_reservations
        WHERE status <> 'held' AND updated_at < now() - %(keep)s::interval LIMIT %(limit)s
    )
    """
)

# --- Batches --------------------------------------------------------------------------------------------------------

# Units leave batches, the first to expire first and those without a date last. Both sides are laid out as intervals of
# running numbers: where a batch's interval overlaps with what is wanted, that much leaves it.
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
# Units come back to the batches that gave out last.
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
INSERT_BATCH = statement(
    insert(StockBatch),
    columns=(
        "product_id",
        "store_id",
        "purchase_order_id",
        "batch_number",
        "expiry_date",
        "unit_cost",
        "received_quantity",
        "remaining_quantity",
    ),
)
OPEN_BATCHES = statement(
    select(
        StockBatch.id,
        StockBatch.batch_number,
        StockBatch.expiry_date,
        StockBatch.received_quantity,
        StockBatch.remaining_quantity,
        StockBatch.received_at,
    )
    .where(
        StockBatch.product_id == bindparam("product_id"),
        StockBatch.store_id == bindparam("store_id"),
        StockBatch.is_open,
    )
    .order_by(StockBatch.expiry_date, StockBatch.id)
    .limit(100)
)

# --- Counting, receiving, spoiling ------------------------------------------------------------------------------------

# A store begins to stock products; those that it stocks stay as they are.
STOCK_PRODUCTS = sql(
    """
    INSERT INTO inventory (product_id, store_id)
    SELECT id, %(store_id)s FROM products
    WHERE id = ANY(%(product_ids)s::uuid[]) AND deleted_at IS NULL ORDER BY id
    ON CONFLICT (product_id, store_id) DO NOTHING
    """
)
LOCK_ITEMS = sql(
    """
    SELECT inventory.id, product_id, store_id, current_stock, min_stock, max_stock, reorder_point, cost_per_unit,
           inventory.unit, products.name AS product_name
    FROM inventory JOIN products ON products.id = product_id
    WHERE store_id = %(store_id)s AND product_id = ANY(%(product_ids)s::uuid[])
    ORDER BY product_id, store_id FOR NO KEY UPDATE OF inventory
    """
)
# One change by hand of a row that is locked, with its movement. `delta` may be zero for a count that was right.
MOVE = sql(
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
    """
)
# Which batch leaves next, as the stock's own columns show it.
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
    .values(
        {
            **{name: bindparam(name) for name in ("min_stock", "max_stock", "reorder_point", "cost_per_unit", "unit")},
            "updated_at": func.now(),
        }
    )
)

# --- Reads ------------------------------------------------------------------------------------------------------------

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
ITEM = sql(_ITEM + "WHERE product_id = %(product_id)s AND store_id = %(store_id)s AND products.deleted_at IS NULL")
ITEMS = sql(
    _ITEM
    + """
    WHERE store_id = %(store_id)s AND products.deleted_at IS NULL AND (NOT %(low_only)s OR is_low)
      AND (%(after_name)s::text IS NULL OR (lower(products.name), product_id) > (%(after_name)s, %(after_id)s::uuid))
    ORDER BY lower(products.name), product_id LIMIT %(limit)s
    """
)
MOVEMENTS = sql(
    """
    SELECT id, product_id, store_id, kind, quantity, balance_after, actor_id, actor_service, reason, order_id,
           purchase_order_id, created_at
    FROM stock_movements
    WHERE product_id = %(product_id)s AND store_id = %(store_id)s
      AND (%(kind)s::text IS NULL OR kind = %(kind)s) AND (%(after_id)s::uuid IS NULL OR id < %(after_id)s)
    ORDER BY id DESC LIMIT %(limit)s
    """
)
# Stock at or below its reorder point, what is on its way, and from whom it came last.
REORDER_PROPOSALS = sql(
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
    """
)
