"""Reservations of orders. A statement that changes `current_stock` writes the movement too.

Locks are taken in one order everywhere: reservations, then stock by product and store, then batches by product, store
and expiry. So no two of these statements can deadlock.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import bindparam, func, select

from chassis.database import sql, statement
from chassis.database.rows import table_columns
from chassis.database.tables import table_of
from services.inventory.model.tables import StockReservation
from services.inventory.rows import ReservationRow, ReserveResultRow, StockChangeRow

# Reserves the lines of orders. An order gets all of its lines or none; orders are served in the given sequence.
# An order that gets nothing is still counted, so that a later one may get nothing although the stock suffices: such an
# order is short of no product, and reserving it alone decides. The event of each reserved order is written too.
# Returns a row for each order (held, or the products that are short), then a row for each crossed threshold.
RESERVE = sql(
    """
    WITH orders AS (
        SELECT order_id, store_id, ask_after, turn
        FROM unnest(%(order_ids)s::uuid[], %(store_ids)s::uuid[], %(ask_after)s::timestamptz[])
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
        SELECT order_id, product_id, store_id, quantity, turn, ask_after, locked.id, locked.current_stock,
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
        SELECT counted.order_id, counted.product_id, counted.store_id, counted.quantity, counted.turn, counted.id,
               sum(quantity) OVER (PARTITION BY id ORDER BY turn) AS so_far
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
        SELECT event.event_id, event.type, event.key, event.version, event.payload, event.trace_parent FROM
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
    """,
    row=ReserveResultRow,
)

# Returns the changes of stock that crossed a threshold, from `changed` of the surrounding statement.
_CROSSED = """
    SELECT product_id, store_id, products.name AS product_name, before, after, min_before, min_after, reorder_point
    FROM changed JOIN products ON products.id = product_id
    WHERE (before <= min_before) <> (after <= min_after) OR (before = 0) <> (after = 0)
"""

# Locks all rows that the settlement of several orders changes, before it changes any.
LOCK_RESERVATIONS = sql(
    """
    SELECT order_id, status, store_id, product_ids, quantities FROM stock_reservations
    WHERE order_id = ANY(%(order_ids)s::uuid[]) ORDER BY order_id FOR NO KEY UPDATE
    """,
    row=ReservationRow,
)
LOCK_STOCK = sql(
    """
    WITH lines AS (
        SELECT product_id, store_id FROM unnest(%(product_ids)s::uuid[], %(store_ids)s::uuid[])
            AS l(product_id, store_id)
    )
    SELECT id FROM inventory
    WHERE (product_id, store_id) IN (SELECT product_id, store_id FROM lines)
    ORDER BY product_id, store_id FOR NO KEY UPDATE
    """,
    value=UUID,
)

# Marks reservations as released. An order without a reservation gets a tombstone.
RELEASE_RESERVATIONS = sql(
    """
    INSERT INTO stock_reservations AS reservation (order_id, status)
    SELECT order_id, 'released' FROM unnest(%(order_ids)s::uuid[]) AS o(order_id) ORDER BY order_id
    ON CONFLICT (order_id) DO UPDATE SET status = 'released', updated_at = now() WHERE reservation.status = 'held'
    RETURNING order_id, status, store_id, product_ids, quantities
    """,
    row=ReservationRow,
)
RETURN_RESERVATIONS = sql(
    """
    UPDATE stock_reservations SET status = 'returned', updated_at = now()
    WHERE status = 'committed' AND order_id = ANY(%(order_ids)s::uuid[])
    RETURNING order_id, status, store_id, product_ids, quantities
    """,
    row=ReservationRow,
)
COMMIT_RESERVATIONS = sql(
    """
    UPDATE stock_reservations SET status = 'committed', updated_at = now()
    WHERE status = 'held' AND order_id = ANY(%(order_ids)s::uuid[])
    RETURNING order_id, status, store_id, product_ids, quantities
    """,
    row=ReservationRow,
)
# Adds stock of orders: `kind` is release or return. Returns a row for each crossed threshold.
ADD_STOCK = sql(
    f"""
    WITH lines AS (
        SELECT order_id, product_id, store_id, quantity, turn
        FROM unnest(%(order_ids)s::uuid[], %(product_ids)s::uuid[], %(store_ids)s::uuid[], %(quantities)s::int[])
            WITH ORDINALITY AS l(order_id, product_id, store_id, quantity, turn)
    ), locked AS (
        SELECT id, product_id, store_id FROM inventory
        WHERE (product_id, store_id) IN (SELECT product_id, store_id FROM lines)
        ORDER BY product_id, store_id FOR NO KEY UPDATE
    ), added AS (
        SELECT order_id, product_id, store_id, quantity, turn, id,
               sum(quantity) OVER (PARTITION BY id ORDER BY turn) AS so_far
        FROM lines JOIN locked USING (product_id, store_id)
    ), changed AS (
        UPDATE inventory SET current_stock = inventory.current_stock + total.quantity, updated_at = now()
        FROM (SELECT id, sum(quantity) AS quantity FROM added GROUP BY id) total
        WHERE inventory.id = total.id
        RETURNING inventory.id, inventory.product_id, inventory.store_id, inventory.reorder_point,
                  old.current_stock AS before, new.current_stock AS after,
                  old.min_stock AS min_before, new.min_stock AS min_after
    ), moved AS (
        INSERT INTO stock_movements (product_id, store_id, kind, quantity, balance_after, actor_service, order_id)
        SELECT added.product_id, added.store_id, %(kind)s, quantity, before + so_far, %(actor_service)s, order_id
        FROM added JOIN changed USING (id) ORDER BY turn
    )
    {_CROSSED}
    """,  # noqa: S608 - a constant of this module
    row=StockChangeRow,
)
# Records the commits of orders, whose stock was subtracted by the reservation. Locks the stock before its batches.
RECORD_COMMITS = sql(
    """
    WITH lines AS (
        SELECT order_id, product_id, store_id, turn
        FROM unnest(%(order_ids)s::uuid[], %(product_ids)s::uuid[], %(store_ids)s::uuid[])
            WITH ORDINALITY AS l(order_id, product_id, store_id, turn)
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

GET_RESERVATION = statement(
    select(*table_columns(ReservationRow, table_of(StockReservation))).where(
        StockReservation.order_id == bindparam("order_id")
    ),
    row=ReservationRow,
)
# Reservations whose settlement is overdue.
LIST_OVERDUE_RESERVATIONS = statement(
    select(StockReservation.order_id)
    .where(StockReservation.status == "held", StockReservation.ask_after < func.now())
    .order_by(StockReservation.ask_after)
    .limit(bindparam("limit")),
    value=UUID,
)
POSTPONE_RESERVATIONS = sql(
    """
    UPDATE stock_reservations SET ask_after = now() + %(pause)s::interval
    WHERE order_id = ANY(%(order_ids)s::uuid[]) AND status = 'held'
    """
)
PURGE_RESERVATIONS = sql(
    """
    DELETE FROM stock_reservations WHERE order_id IN (
        SELECT order_id FROM stock_reservations
        WHERE status <> 'held' AND updated_at < now() - %(keep)s::interval LIMIT %(limit)s
    )
    """
)
