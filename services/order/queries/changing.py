"""Changing orders. Each change is guarded by the state it was decided on, counts the version and writes the history."""

from __future__ import annotations

from chassis.database import sql

# One step of the state machine. No row: the order is not in that state (or version) any more.
MOVE = sql(
    """
    WITH moved AS (
        UPDATE orders SET
            status = %(target)s::text,
            version = version + 1,
            updated_at = now(),
            accepted_at = CASE %(target)s::text WHEN 'confirmed' THEN now() ELSE accepted_at END,
            preparing_at = CASE %(target)s::text WHEN 'preparing' THEN now() ELSE preparing_at END,
            ready_at = CASE %(target)s::text WHEN 'ready' THEN now() ELSE ready_at END,
            dispatched_at = CASE %(target)s::text WHEN 'out_for_delivery' THEN now() ELSE dispatched_at END,
            delivered_at = CASE %(target)s::text WHEN 'delivered' THEN now() ELSE delivered_at END,
            cancelled_at = CASE %(target)s::text WHEN 'cancelled' THEN now() ELSE cancelled_at END,
            payment_status = coalesce(%(payment_status)s::text, payment_status),
            assigned_staff_id = coalesce(assigned_staff_id, %(chef)s::uuid),
            cancellation_code = coalesce(%(cancellation_code)s::text, cancellation_code),
            cancellation_reason = CASE %(target)s::text
                WHEN 'cancelled' THEN %(note)s::text ELSE cancellation_reason END
        WHERE id = %(id)s AND status = %(current)s::text AND version = coalesce(%(seen_version)s::int, version)
        RETURNING id, order_number, version, status, payment_status, payment_method, delivery_type, customer_id,
                  store_id, (total * 100)::bigint AS total, (subtotal * 100)::bigint AS subtotal,
                  (discount * 100)::bigint AS discount, (loyalty_discount * 100)::bigint AS loyalty_discount,
                  estimated_delivery_time, payment_id, updated_at
    ), told AS (
        INSERT INTO order_timeline (order_id, version, status, note, updated_by, updated_by_name, created_at)
        SELECT id, version, status, %(note)s::text, %(actor_id)s::uuid, %(actor)s::text, updated_at FROM moved
    )
    SELECT * FROM moved
    """
)

# A change that is not a step: it counts and is told, and the state stays.
NOTE = sql(
    """
    WITH noted AS (
        UPDATE orders SET version = version + 1, updated_at = now() WHERE id = %(id)s RETURNING id, version, status
    )
    INSERT INTO order_timeline (order_id, version, status, note, updated_by, updated_by_name, visible_to_customer)
    SELECT id, version, status, %(note)s, %(actor_id)s::uuid, %(actor)s, %(visible)s FROM noted
    RETURNING id, version, status, note, updated_by, updated_by_name, visible_to_customer, created_at
    """
)

# Money arrived, was declined or went back without a step: only forward, and told once.
SET_PAYMENT_STATUS = sql(
    """
    WITH changed AS (
        UPDATE orders SET payment_status = %(payment_status)s, version = version + 1, updated_at = now()
        WHERE id = %(id)s AND payment_status = ANY(%(from_statuses)s::text[]) RETURNING id, version, status
    )
    INSERT INTO order_timeline (order_id, version, status, note, updated_by_name)
    SELECT id, version, status, %(note)s, 'system' FROM changed
    RETURNING version
    """
)

ASSIGN = sql(
    """
    WITH assigned AS (
        UPDATE orders SET
            assigned_staff_id = coalesce(%(chef)s::uuid, assigned_staff_id),
            delivery_person_id = coalesce(%(courier)s::uuid, delivery_person_id),
            version = version + 1,
            updated_at = now()
        WHERE id = %(id)s AND NOT status = ANY(%(closed)s::text[])
        RETURNING id, order_number, version, status, store_id, assigned_staff_id, delivery_person_id, updated_at
    ), told AS (
        INSERT INTO order_timeline (order_id, version, status, note, updated_by, updated_by_name, visible_to_customer)
        SELECT id, version, status, %(note)s, %(actor_id)s::uuid, %(actor)s, false FROM assigned
    )
    SELECT * FROM assigned
    """
)

# Guarded by the state it was decided on, so that no position appears on an order that has just closed.
REPORT_POSITION = sql(
    """
    INSERT INTO order_tracking (id, order_id, latitude, longitude, status, message)
    SELECT %(id)s, orders.id, %(latitude)s, %(longitude)s, orders.status, %(message)s
    FROM orders WHERE orders.id = %(order_id)s AND orders.status = ANY(%(under_way)s::text[])
    RETURNING id, order_id, latitude, longitude, status, message, created_at
    """
)
POSITIONS = sql(
    """
    SELECT id, order_id, latitude, longitude, status, message, created_at FROM order_tracking
    WHERE order_id = %(order_id)s ORDER BY id DESC LIMIT %(limit)s
    """
)
# For all watched orders of a replica at once.
WATCHED = sql(
    """
    SELECT id, version,
           (SELECT id FROM order_tracking WHERE order_id = orders.id ORDER BY id DESC LIMIT 1) AS position_id
    FROM orders WHERE id = ANY(%(ids)s::uuid[])
    """
)

# Read copies that other services own; they decide nothing and tell nobody.
COPY_POINTS = sql("UPDATE orders SET loyalty_points_earned = %(points)s WHERE id = %(id)s")
COPY_RATING = sql("UPDATE orders SET rating = %(rating)s WHERE id = %(id)s")

HIRE = sql(
    """
    INSERT INTO store_staff (staff_id, account_id, store_id, job, is_active, version)
    VALUES (%(staff_id)s, %(account_id)s, %(store_id)s, %(job)s, %(is_active)s, %(version)s)
    ON CONFLICT (staff_id) DO UPDATE SET
        account_id = excluded.account_id, store_id = excluded.store_id, job = excluded.job,
        is_active = excluded.is_active, version = excluded.version
    WHERE store_staff.version < excluded.version
    """
)

# Erasure. Amounts stay: invoices need them. `nothing` is an empty text sealed for its column.
ERASE_ORDERS = sql(
    """
    UPDATE orders SET
        customer_name = '', customer_email = %(no_email)s, customer_phone = %(no_phone)s,
        delivery_address = CASE WHEN delivery_address IS NULL THEN NULL ELSE %(no_address)s::bytea END,
        delivery_latitude = NULL, delivery_longitude = NULL, delivery_instructions = NULL, special_instructions = NULL,
        cancellation_reason = NULL, review_comment = NULL, updated_at = now()
    WHERE customer_id = %(customer_id)s RETURNING id
    """
)
ERASE_ITEMS = sql("UPDATE order_items SET special_instructions = NULL WHERE order_id = ANY(%(order_ids)s::uuid[])")
ERASE_TIMELINE = sql(
    """
    UPDATE order_timeline SET note = NULL
    WHERE order_id = ANY(%(order_ids)s::uuid[]) AND updated_by_name <> 'system'
    """
)
ERASE_POSITIONS = sql("DELETE FROM order_tracking WHERE order_id = ANY(%(order_ids)s::uuid[])")
