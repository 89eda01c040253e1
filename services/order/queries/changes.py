"""Changes of orders. Each checks the state that it was decided on, increments the version and adds to the history."""

from __future__ import annotations

from uuid import UUID

from chassis.database import sql
from chassis.database.rows import column_names, field_names
from services.order.rows import (
    AssignedOrderRow,
    ChangedOrderRow,
    NewPosition,
    NewStoreStaff,
    OrderVersionRow,
    PositionRow,
    TimelineRow,
)

# One transition. No row: the order does not have that state (or version) any more.
UPDATE_STATUS = sql(
    f"""
    WITH changed AS (
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
        RETURNING {column_names(ChangedOrderRow)}
    ), history AS (
        INSERT INTO order_timeline (order_id, version, status, note, updated_by, updated_by_name, created_at)
        SELECT id, version, status, %(note)s::text, %(actor_id)s::uuid, %(actor)s::text, updated_at FROM changed
    )
    SELECT {column_names(ChangedOrderRow)} FROM changed
    """,  # noqa: S608 - column names of the row type
    row=ChangedOrderRow,
)

# Adds to the history without a transition.
INSERT_NOTE = sql(
    f"""
    WITH changed AS (
        UPDATE orders SET version = version + 1, updated_at = now() WHERE id = %(id)s RETURNING id, version, status
    )
    INSERT INTO order_timeline (order_id, version, status, note, updated_by, updated_by_name, visible_to_customer)
    SELECT id, version, status, %(note)s, %(actor_id)s::uuid, %(actor)s, %(visible)s FROM changed
    RETURNING {column_names(TimelineRow)}
    """,  # noqa: S608 - column names of the row type
    row=TimelineRow,
)

# A change of the payment without a transition. No row: the payment does not have one of the expected states, so a
# repeated or late event has no effect.
UPDATE_PAYMENT_STATUS = sql(
    """
    WITH changed AS (
        UPDATE orders SET payment_status = %(payment_status)s, version = version + 1, updated_at = now()
        WHERE id = %(id)s AND payment_status = ANY(%(from_statuses)s::text[]) RETURNING id, version, status
    )
    INSERT INTO order_timeline (order_id, version, status, note, updated_by_name)
    SELECT id, version, status, %(note)s, 'system' FROM changed
    RETURNING version
    """,
    value=int,
)

# No row: the order is closed.
UPDATE_ASSIGNMENT = sql(
    f"""
    WITH assigned AS (
        UPDATE orders SET
            assigned_staff_id = coalesce(%(chef)s::uuid, assigned_staff_id),
            delivery_person_id = coalesce(%(courier)s::uuid, delivery_person_id),
            version = version + 1,
            updated_at = now()
        WHERE id = %(id)s AND NOT status = ANY(%(closed)s::text[])
        RETURNING {column_names(AssignedOrderRow)}, status
    ), history AS (
        INSERT INTO order_timeline (order_id, version, status, note, updated_by, updated_by_name, visible_to_customer)
        SELECT id, version, status, %(note)s, %(actor_id)s::uuid, %(actor)s, false FROM assigned
    )
    SELECT {column_names(AssignedOrderRow)} FROM assigned
    """,  # noqa: S608 - column names of the row type
    row=AssignedOrderRow,
)

# Checks the state in the statement itself: an order that is closed meanwhile gets no position.
INSERT_POSITION = sql(
    f"""
    INSERT INTO order_tracking ({column_names(NewPosition)}, status)
    SELECT {", ".join(f"%({name})s" for name in field_names(NewPosition))}, orders.status
    FROM orders WHERE orders.id = %(order_id)s AND orders.status = ANY(%(under_way)s::text[])
    RETURNING {column_names(PositionRow)}
    """,  # noqa: S608 - column names of the row types
    row=PositionRow,
)
LIST_POSITIONS = sql(
    f"""
    SELECT {column_names(PositionRow)} FROM order_tracking
    WHERE order_id = %(order_id)s ORDER BY id DESC LIMIT %(limit)s
    """,  # noqa: S608 - column names of the row type
    row=PositionRow,
)
# For all watched orders of a replica.
LIST_VERSIONS = sql(
    """
    SELECT id, version,
           (SELECT id FROM order_tracking WHERE order_id = orders.id ORDER BY id DESC LIMIT 1) AS position_id
    FROM orders WHERE id = ANY(%(ids)s::uuid[])
    """,
    row=OrderVersionRow,
)

# Copies of data that other services own; they change neither the version nor the history.
UPDATE_POINTS = sql("UPDATE orders SET loyalty_points_earned = %(points)s WHERE id = %(id)s")
UPDATE_RATING = sql("UPDATE orders SET rating = %(rating)s WHERE id = %(id)s")

UPSERT_STORE_STAFF = sql(
    f"""
    INSERT INTO store_staff ({column_names(NewStoreStaff)})
    VALUES ({", ".join(f"%({name})s" for name in field_names(NewStoreStaff))})
    ON CONFLICT (staff_id) DO UPDATE SET
        account_id = excluded.account_id, store_id = excluded.store_id, job = excluded.job,
        is_active = excluded.is_active, version = excluded.version
    WHERE store_staff.version < excluded.version
    """  # noqa: S608 - column names of the row type
)

# Erasure. Amounts stay: invoices need them.
ERASE_ORDERS = sql(
    """
    UPDATE orders SET
        customer_name = '', customer_email = %(no_email)s, customer_phone = %(no_phone)s,
        delivery_address = CASE WHEN delivery_address IS NULL THEN NULL ELSE %(no_address)s::bytea END,
        delivery_latitude = NULL, delivery_longitude = NULL, delivery_instructions = NULL, special_instructions = NULL,
        cancellation_reason = NULL, review_comment = NULL, updated_at = now()
    WHERE customer_id = %(customer_id)s RETURNING id
    """,
    value=UUID,
)
ERASE_ITEMS = sql("UPDATE order_items SET special_instructions = NULL WHERE order_id = ANY(%(order_ids)s::uuid[])")
ERASE_TIMELINE = sql(
    """
    UPDATE order_timeline SET note = NULL
    WHERE order_id = ANY(%(order_ids)s::uuid[]) AND updated_by_name <> 'system'
    """
)
DELETE_POSITIONS = sql("DELETE FROM order_tracking WHERE order_id = ANY(%(order_ids)s::uuid[])")
