"""Placement of orders. Statements that take a JSON document process many orders in one round trip.

Each of them is guarded by `order_sagas`: an order whose saga another process has taken over is skipped.
"""

from __future__ import annotations

from uuid import UUID

from chassis.database import sql
from chassis.database.rows import column_definitions, column_names
from services.order.rows import NewOrder, NewOrderItem, NewSaga, SagaRow

# Claims the idempotency keys and inserts the sagas, before any side effect in another service. Returns the orders whose
# key was free.
INSERT_SAGAS = sql(
    f"""
    WITH new AS (
        SELECT * FROM json_to_recordset(%(sagas)s::json) AS saga({column_definitions(NewSaga)})
    ), claimed AS (
        INSERT INTO idempotency_keys (caller, method, key, body_hash)
        SELECT caller, method, key, body_hash FROM new
        ON CONFLICT DO NOTHING RETURNING caller, method, key
    )
    INSERT INTO order_sagas (order_id, customer_id, store_id, state, holds_benefits, caller, method, key, locked_until)
    SELECT order_id, customer_id, store_id, 'reserving', holds_benefits, caller, method, key,
           now() + %(lock)s::interval
    FROM new JOIN claimed USING (caller, method, key)
    RETURNING order_id
    """,  # noqa: S608 - column names of the row type
    value=UUID,
)

# Inserts orders with their items, numbers, history and events, and stores their ids under the idempotency keys.
# The foreign keys of items and history refer to a partitioned table, and PostgreSQL would plan that check for each row,
# which costs more than the rest of the statement. A generic plan until the end of the transaction avoids it.
INSERT_ORDERS = sql(
    f"""
    WITH saga AS (
        UPDATE order_sagas SET state = 'placed'
        WHERE order_id = ANY(%(order_ids)s::uuid[]) AND state = 'reserving'
        RETURNING order_id, caller, method, key
    ), new AS MATERIALIZED (
        SELECT new.* FROM json_to_recordset(%(orders)s::json) AS new({column_definitions(NewOrder)})
        JOIN saga ON saga.order_id = new.id
    ), inserted AS (
        INSERT INTO orders ({column_names(NewOrder)})
        SELECT {column_names(NewOrder)} FROM new
    ), numbers AS (
        INSERT INTO order_numbers (number, order_id)
        SELECT order_number, id FROM new
    ), items AS (
        INSERT INTO order_items ({column_names(NewOrderItem)}, created_at)
        SELECT {column_names(NewOrderItem, "item")}, new.created_at
        FROM json_to_recordset(%(items)s::json) AS item({column_definitions(NewOrderItem)})
        JOIN new ON new.id = item.order_id
    ), history AS (
        INSERT INTO order_timeline (order_id, version, status, updated_by, updated_by_name, created_at)
        SELECT id, 1, 'pending', customer_id, 'customer', created_at FROM new
        UNION ALL
        SELECT id, 2, 'confirmed', NULL, 'system', created_at FROM new WHERE status = 'confirmed'
    ), results AS (
        UPDATE idempotency_keys SET result_id = saga.order_id FROM saga
        WHERE idempotency_keys.caller = saga.caller AND idempotency_keys.method = saga.method
            AND idempotency_keys.key = saga.key
    ), events AS (
        INSERT INTO outbox (event_id, type, key, version, payload, trace_parent)
        SELECT event.event_id, event.type, event.key, event.version, event.payload, event.trace_parent FROM
            unnest(%(event_ids)s::uuid[], %(types)s::text[], %(keys)s::text[], %(versions)s::int[],
                   %(payloads)s::bytea[], %(trace_parents)s::text[])
                AS event(event_id, type, key, version, payload, trace_parent)
            JOIN saga ON saga.order_id = event.key::uuid
        ORDER BY event.version
    )
    SELECT order_id FROM saga
    WHERE (SELECT set_config('plan_cache_mode', 'force_generic_plan', true)) IS NOT NULL
    """,  # noqa: S608 - column names of the row types
    value=UUID,
)

# Deletes completed sagas and stores the provider's order ids. The range of ids prunes partitions; an array does not.
DELETE_SAGAS_AND_SET_PROVIDER_ORDERS = sql(
    """
    WITH deleted AS (
        DELETE FROM order_sagas WHERE order_id = ANY(%(order_ids)s::uuid[])
    )
    UPDATE orders SET
        provider_order_id = (%(provider_order_ids)s::text[])[array_position(%(paid_online)s::uuid[], orders.id)]
    WHERE id = ANY(%(paid_online)s::uuid[]) AND id BETWEEN %(first_id)s::uuid AND %(last_id)s::uuid
    """
)
DELETE_SAGAS = sql("DELETE FROM order_sagas WHERE order_id = ANY(%(order_ids)s::uuid[])")

# No row: the order is inserted. Otherwise it never will be.
START_COMPENSATION = sql(
    """
    UPDATE order_sagas SET state = 'undoing' WHERE order_id = %(order_id)s AND state = 'reserving' RETURNING order_id
    """,
    value=UUID,
)
DELETE_COMPENSATED_SAGA = sql(
    "DELETE FROM order_sagas WHERE order_id = %(order_id)s AND state IN ('reserving', 'undoing')"
)
RETRY_COMPENSATION = sql(
    """
    UPDATE order_sagas SET state = 'undoing', locked_until = now() + %(lock)s::interval
    WHERE order_id = %(order_id)s AND state IN ('reserving', 'undoing')
    """
)
# Releases the key of a request that has neither a result nor an error.
DELETE_KEY_WITHOUT_RESULT = sql(
    """
    DELETE FROM idempotency_keys
    WHERE caller = %(caller)s AND method = %(method)s AND key = %(key)s AND result_id IS NULL AND refusal IS NULL
    """
)

# Takes over sagas whose lock has expired. `reserving` becomes `undoing`: if their process is only slow, it cannot
# insert the order any more.
LOCK_EXPIRED_SAGAS = sql(
    f"""
    UPDATE order_sagas SET
        state = CASE state WHEN 'reserving' THEN 'undoing' ELSE state END,
        locked_until = now() + %(lock)s::interval,
        attempts = attempts + 1
    WHERE order_id IN (
        SELECT order_id FROM order_sagas WHERE locked_until < now()
        ORDER BY locked_until LIMIT %(batch)s FOR UPDATE SKIP LOCKED)
    RETURNING {column_names(SagaRow)}
    """,  # noqa: S608 - column names of the row type
    row=SagaRow,
)
POSTPONE_SAGA = sql("UPDATE order_sagas SET locked_until = now() + %(delay)s::interval WHERE order_id = %(order_id)s")

LIST_OVERDUE_ORDERS = sql(
    """
    SELECT id FROM orders
    WHERE status = 'pending' AND payment_expires_at < now() ORDER BY payment_expires_at LIMIT %(batch)s
    """,
    value=UUID,
)
