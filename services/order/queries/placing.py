"""Placing orders. Each statement takes many orders at once as one JSON document, and is one round trip for all of them.

`saga` in each is the guard: an order whose saga another process has taken over is left out, and not answered.
"""

from __future__ import annotations

from chassis.database import sql

# The key is claimed and the saga written in one statement, before the first effect anywhere.
BEGIN = sql(
    """
    WITH given AS (
        SELECT * FROM json_to_recordset(%(sagas)s::json) AS given(
            order_id uuid, customer_id uuid, store_id uuid, holds_benefits boolean,
            caller text, method text, key text, body_hash bytea)
    ), claimed AS (
        INSERT INTO idempotency_keys (caller, method, key, body_hash)
        SELECT caller, method, key, body_hash FROM given
        ON CONFLICT DO NOTHING RETURNING caller, method, key
    )
    INSERT INTO order_sagas (order_id, customer_id, store_id, state, holds_benefits, caller, method, key, locked_until)
    SELECT order_id, customer_id, store_id, 'reserving', holds_benefits, caller, method, key,
           now() + %(lock)s::interval
    FROM given JOIN claimed USING (caller, method, key)
    RETURNING order_id
    """
)

# The foreign keys of items and history lead to a partitioned table: PostgreSQL would plan that check anew for each row,
# which costs more than everything else here together. For the end of this transaction it keeps the plan instead.
WRITE = sql(
    """
    WITH given AS MATERIALIZED (
        SELECT * FROM json_to_recordset(%(orders)s::json) AS given(
            id uuid, version int, order_number text, customer_id uuid, customer_name text, customer_email bytea,
            customer_phone bytea, store_id uuid, store_name text, store_state text, store_gstin text,
            place_of_supply text, status text, payment_status text, payment_method text, subtotal bigint, tax bigint,
            delivery_fee bigint, discount bigint, loyalty_discount bigint, total bigint, delivery_tax_rate int,
            delivery_cgst bigint, delivery_sgst bigint, delivery_igst bigint, delivery_address bytea,
            delivery_type text, delivery_instructions text, delivery_latitude bytea, delivery_longitude bytea,
            estimated_delivery_time timestamptz, scheduled_delivery_time timestamptz, accepted_at timestamptz,
            special_instructions text, loyalty_points_redeemed int, coupon_code text, payment_id uuid,
            payment_expires_at timestamptz, created_at timestamptz, items json)
    ), saga AS (
        UPDATE order_sagas SET state = 'placed'
        WHERE order_id = ANY(%(order_ids)s::uuid[]) AND state = 'reserving'
        RETURNING order_id, caller, method, key
    ), written AS (
        INSERT INTO orders (
            id, version, order_number, customer_id, customer_name, customer_email, customer_phone, store_id, store_name,
            store_state, store_gstin, place_of_supply, status, payment_status, payment_method, subtotal, tax,
            delivery_fee, discount, loyalty_discount, total, delivery_tax_rate, delivery_cgst, delivery_sgst,
            delivery_igst, delivery_address, delivery_type, delivery_instructions, delivery_latitude,
            delivery_longitude, estimated_delivery_time, scheduled_delivery_time, accepted_at, special_instructions,
            loyalty_points_redeemed, coupon_code, payment_id, payment_expires_at, created_at, updated_at)
        SELECT
            id, version, order_number, customer_id, customer_name, customer_email, customer_phone, store_id, store_name,
            store_state, store_gstin, place_of_supply, status, payment_status, payment_method, subtotal / 100.0,
            tax / 100.0, delivery_fee / 100.0, discount / 100.0, loyalty_discount / 100.0, total / 100.0,
            delivery_tax_rate, delivery_cgst / 100.0, delivery_sgst / 100.0, delivery_igst / 100.0, delivery_address,
            delivery_type, delivery_instructions, delivery_latitude, delivery_longitude, estimated_delivery_time,
            scheduled_delivery_time, accepted_at, special_instructions, loyalty_points_redeemed, coupon_code,
            payment_id, payment_expires_at, created_at, created_at
        FROM given JOIN saga ON saga.order_id = given.id
    ), numbered AS (
        INSERT INTO order_numbers (number, order_id)
        SELECT order_number, id FROM given JOIN saga ON saga.order_id = given.id
    ), listed AS (
        INSERT INTO order_items (
            id, order_id, position, product_id, product_name, product_sku, category, unit_price, quantity, subtotal,
            discount, tax_rate, cgst, sgst, igst, customizations, special_instructions, created_at)
        SELECT
            (item ->> 0)::uuid, given.id, place, (item ->> 1)::uuid, item ->> 2, item ->> 3, item ->> 4,
            (item ->> 5)::bigint / 100.0, (item ->> 6)::int, (item ->> 7)::bigint / 100.0, (item ->> 8)::bigint / 100.0,
            (item ->> 9)::int, (item ->> 10)::bigint / 100.0, (item ->> 11)::bigint / 100.0,
            (item ->> 12)::bigint / 100.0, (item -> 13)::jsonb, item ->> 14, given.created_at
        FROM given JOIN saga ON saga.order_id = given.id,
             json_array_elements(given.items) WITH ORDINALITY AS line(item, place)
    ), told AS (
        INSERT INTO order_timeline (order_id, version, status, updated_by, updated_by_name, created_at)
        SELECT id, 1, 'pending', customer_id, 'customer', created_at FROM given JOIN saga ON saga.order_id = given.id
        UNION ALL
        SELECT id, 2, 'confirmed', NULL, 'system', created_at FROM given JOIN saga ON saga.order_id = given.id
        WHERE status = 'confirmed'
    ), settled AS (
        UPDATE idempotency_keys AS kept SET result_id = saga.order_id FROM saga
        WHERE kept.caller = saga.caller AND kept.method = saga.method AND kept.key = saga.key
    ), announced AS (
        INSERT INTO outbox (event_id, type, key, version, payload, trace_parent)
        SELECT event.* FROM
            unnest(%(event_ids)s::uuid[], %(types)s::text[], %(keys)s::text[], %(versions)s::int[],
                   %(payloads)s::bytea[], %(trace_parents)s::text[])
                AS event(event_id, type, key, version, payload, trace_parent)
            JOIN saga ON saga.order_id = event.key::uuid
        ORDER BY event.version
    )
    SELECT order_id FROM saga
    WHERE (SELECT set_config('plan_cache_mode', 'force_generic_plan', true)) IS NOT NULL
    """
)

# Nothing is left to do. A provider's order is noted where there is one. The bounds of the ids prune the partitions:
# an array alone cannot.
FINISH = sql(
    """
    WITH finished AS (
        DELETE FROM order_sagas WHERE order_id = ANY(%(order_ids)s::uuid[])
    )
    UPDATE orders SET
        provider_order_id = (%(provider_order_ids)s::text[])[array_position(%(paid_online)s::uuid[], orders.id)]
    WHERE id = ANY(%(paid_online)s::uuid[]) AND id BETWEEN %(first_id)s::uuid AND %(last_id)s::uuid
    """
)
# When nothing is paid online.
FORGET = sql("DELETE FROM order_sagas WHERE order_id = ANY(%(order_ids)s::uuid[])")

# The order cannot have been written before this, and will not be after it.
GIVE_UP = sql(
    "UPDATE order_sagas SET state = 'undoing' WHERE order_id = %(order_id)s AND state = 'reserving' RETURNING order_id"
)
UNDONE = sql("DELETE FROM order_sagas WHERE order_id = %(order_id)s AND state IN ('reserving', 'undoing')")
STILL_HELD = sql(
    """
    UPDATE order_sagas SET state = 'undoing', locked_until = now() + %(lock)s::interval
    WHERE order_id = %(order_id)s AND state IN ('reserving', 'undoing')
    """
)
# A key whose request came to nothing; one that is answered stays.
FREE_KEY = sql(
    """
    DELETE FROM idempotency_keys
    WHERE caller = %(caller)s AND method = %(method)s AND key = %(key)s AND result_id IS NULL AND refusal IS NULL
    """
)

# Sagas whose process is dead, or could not finish them: `reserving` becomes `undoing`, so that a process that was only
# asleep finds its saga gone.
TAKE_OVER = sql(
    """
    UPDATE order_sagas SET
        state = CASE state WHEN 'reserving' THEN 'undoing' ELSE state END,
        locked_until = now() + %(lock)s::interval,
        attempts = attempts + 1
    WHERE order_id IN (
        SELECT order_id FROM order_sagas WHERE locked_until < now()
        ORDER BY locked_until LIMIT %(batch)s FOR UPDATE SKIP LOCKED)
    RETURNING order_id, customer_id, store_id, state, holds_benefits, caller, method, key, attempts, created_at
    """
)
# Left for a later run.
POSTPONE = sql("UPDATE order_sagas SET locked_until = now() + %(delay)s::interval WHERE order_id = %(order_id)s")

OVERDUE = sql(
    """
    SELECT id FROM orders
    WHERE status = 'pending' AND payment_expires_at < now() ORDER BY payment_expires_at LIMIT %(batch)s
    """
)
