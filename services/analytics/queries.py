"""Every statement of analytics."""

from __future__ import annotations

from typing import Any

from chassis.database import Statement, sql
from services.analytics.model.rollups import AMOUNTS, COUNTS, MEASURES

# --- taking in -----------------------------------------------------------------------------------------------------

STORE_EVENTS = sql(
    """
    INSERT INTO events (id, type, source, key, version, store_id, payload, occurred_at)
    SELECT * FROM jsonb_to_recordset(%(rows)s) AS row(
        id uuid, type text, source text, key text, version int, store_id uuid, payload jsonb, occurred_at timestamptz)
    ON CONFLICT DO NOTHING
    """
)
KNOW_ORDERS = sql(
    """
    INSERT INTO order_facts (order_id)
    SELECT order_id FROM unnest(%(order_ids)s::uuid[]) AS row(order_id) ORDER BY order_id
    ON CONFLICT DO NOTHING
    """
)
LOCK_ORDERS = sql(
    "SELECT * FROM order_facts WHERE order_id = ANY(%(order_ids)s::uuid[]) ORDER BY order_id FOR NO KEY UPDATE"
)
KEEP_ORDERS = sql(
    """
    UPDATE order_facts
    SET number = row.number, store_id = row.store_id, customer_id = row.customer_id, placed_at = row.placed_at,
        fulfilment = row.fulfilment, payment_method = row.payment_method, subtotal = row.subtotal, tax = row.tax,
        delivery_fee = row.delivery_fee, discount = row.discount, loyalty_discount = row.loyalty_discount,
        total = row.total, lines = row.lines, refunds = row.refunds, confirmed_at = row.confirmed_at,
        preparing_at = row.preparing_at, ready_at = row.ready_at, dispatched_at = row.dispatched_at,
        delivered_at = row.delivered_at, cancelled_at = row.cancelled_at, refunded_at = row.refunded_at,
        version = row.version
    FROM jsonb_to_recordset(%(rows)s) AS row(
        order_id uuid, number text, store_id uuid, customer_id uuid, placed_at timestamptz, fulfilment text,
        payment_method text, subtotal numeric, tax numeric, delivery_fee numeric, discount numeric,
        loyalty_discount numeric, total numeric, lines jsonb, refunds jsonb, confirmed_at timestamptz,
        preparing_at timestamptz, ready_at timestamptz, dispatched_at timestamptz, delivered_at timestamptz,
        cancelled_at timestamptz, refunded_at timestamptz, version int)
    WHERE order_facts.order_id = row.order_id
    """
)


def _measured(name: str, sign: str = "") -> str:
    """The measures of a roll-up as a list; column names are this module's own, nothing of a request gets here."""
    return ", ".join(f"{name}{measure}{sign}" for measure in MEASURES)


def _add_sales(table: str, keys: tuple[str, ...], types: tuple[str, ...]) -> Statement[Any]:
    arrays = [
        *(f"%({key}s)s::{kind}[]" for key, kind in zip(keys, types, strict=True)),
        *(f"%({measure})s::bigint[]" for measure in COUNTS),
        *(f"%({measure})s::numeric[]" for measure in AMOUNTS),
    ]
    columns = ", ".join(keys)
    sums = ", ".join(f"{measure} = kept.{measure} + excluded.{measure}" for measure in MEASURES)
    return sql(
        f"""
        INSERT INTO {table} AS kept ({columns}, {_measured("")})
        SELECT * FROM unnest({", ".join(arrays)})
        ON CONFLICT ({columns}) DO UPDATE SET {sums}
        """  # noqa: S608 - as above
    )


ADD_HOURS = _add_sales("sales_hours", ("store_id", "report_zone", "day", "hour"), ("uuid", "text", "date", "smallint"))
ADD_DAYS = _add_sales("sales_days", ("store_id", "report_zone", "day"), ("uuid", "text", "date"))
ADD_PRODUCTS = sql(
    """
    INSERT INTO product_days AS kept (store_id, report_zone, day, product_id, quantity, orders, sales)
    SELECT * FROM unnest(%(store_ids)s::uuid[], %(report_zones)s::text[], %(days)s::date[], %(product_ids)s::uuid[],
                         %(quantities)s::bigint[], %(orders)s::bigint[], %(sales)s::numeric[])
    ON CONFLICT (store_id, report_zone, day, product_id) DO UPDATE
    SET quantity = kept.quantity + excluded.quantity, orders = kept.orders + excluded.orders,
        sales = kept.sales + excluded.sales
    """
)
ADD_CUSTOMERS = sql(
    """
    INSERT INTO customer_days AS kept (store_id, report_zone, day, customer_id, orders, revenue)
    SELECT * FROM unnest(%(store_ids)s::uuid[], %(report_zones)s::text[], %(days)s::date[], %(customer_ids)s::uuid[],
                         %(orders)s::bigint[], %(revenues)s::numeric[])
    ON CONFLICT (store_id, report_zone, day, customer_id) DO UPDATE
    SET orders = kept.orders + excluded.orders, revenue = kept.revenue + excluded.revenue
    """
)
KNOW_PRODUCTS = sql(
    """
    INSERT INTO products AS kept (product_id, name, category, known_at)
    SELECT * FROM unnest(%(product_ids)s::uuid[], %(names)s::text[], %(categories)s::text[],
                         %(known_ats)s::timestamptz[])
    ON CONFLICT (product_id) DO UPDATE
    SET name = excluded.name, category = excluded.category, known_at = excluded.known_at
    WHERE kept.known_at < excluded.known_at
      AND (kept.name, kept.category) IS DISTINCT FROM (excluded.name, excluded.category)
    """
)
NOTE_STOCK_OUTS = sql(
    """
    INSERT INTO stock_outs (event_id, store_id, product_id, occurred_at)
    SELECT * FROM unnest(%(event_ids)s::uuid[], %(store_ids)s::uuid[], %(product_ids)s::uuid[],
                         %(occurred_ats)s::timestamptz[])
    ON CONFLICT DO NOTHING
    """
)
NOTE_REGISTRATIONS = sql(
    """
    INSERT INTO registrations (customer_id, registered_at)
    SELECT * FROM unnest(%(customer_ids)s::uuid[], %(registered_ats)s::timestamptz[])
    ON CONFLICT DO NOTHING
    """
)

# --- stores and their zones ----------------------------------------------------------------------------------------

KNOW_STORE_IDS = sql(
    """
    INSERT INTO stores (store_id)
    SELECT store_id FROM unnest(%(store_ids)s::uuid[]) AS row(store_id) ORDER BY store_id
    ON CONFLICT DO NOTHING
    """
)
# Held until the roll-ups are written: a zone does not change under them.
SHARE_STORES = sql(
    """
    SELECT store_id, time_zone FROM stores WHERE store_id = ANY(%(store_ids)s::uuid[]) ORDER BY store_id FOR SHARE
    """
)
LOCK_STORE = sql("SELECT time_zone, version FROM stores WHERE store_id = %(store_id)s FOR UPDATE")
KEEP_STORE = sql(
    """
    UPDATE stores SET name = %(name)s, time_zone = %(time_zone)s, version = %(version)s WHERE store_id = %(store_id)s
    """
)
STORE = sql("SELECT store_id, name, time_zone, version FROM stores WHERE store_id = %(store_id)s AND version > 0")
UNKNOWN_STORES = sql("SELECT store_id FROM stores WHERE version = 0 ORDER BY store_id LIMIT 100")
STORE_ORDERS = sql(
    """
    SELECT * FROM order_facts WHERE store_id = %(store_id)s AND order_id > %(after)s ORDER BY order_id LIMIT 2000
    """
)
DROP_OTHER_ZONES = tuple(
    sql(f"DELETE FROM {roll_up} WHERE store_id = %(store_id)s AND report_zone <> %(platform_zone)s")  # noqa: S608
    for roll_up in ("sales_hours", "sales_days", "product_days", "customer_days")
)

# --- figures -------------------------------------------------------------------------------------------------------

_OF_PERIOD = """
    report_zone = %(zone)s AND day BETWEEN %(first)s AND %(last)s
    AND (%(everywhere)s OR store_id = ANY(%(store_ids)s::uuid[]))
"""
_SUMS = ", ".join(f"coalesce(sum({measure}), 0) AS {measure}" for measure in MEASURES)

TOTALS = sql(f"SELECT {_SUMS} FROM sales_days WHERE {_OF_PERIOD}")  # noqa: S608 - text of this module
SALES = {
    "hour": sql(
        f"""
        SELECT to_char(day, 'YYYY-MM-DD') || 'T' || lpad(hour::text, 2, '0') || ':00' AS starts_at, {_SUMS}
        FROM sales_hours WHERE {_OF_PERIOD} GROUP BY day, hour HAVING sum(placed) > 0 ORDER BY day, hour
        """  # noqa: S608 - text of this module
    ),
    **{
        step: sql(
            f"""
            SELECT to_char(date_trunc('{step}', day), 'YYYY-MM-DD') AS starts_at, {_SUMS}
            FROM sales_days WHERE {_OF_PERIOD} GROUP BY 1 HAVING sum(placed) > 0 ORDER BY 1
            """  # noqa: S608 - text of this module
        )
        for step in ("day", "week", "month")
    },
}
_BETWEEN_MOMENTS = """
    occurred_at >= %(start)s AND occurred_at < %(end)s
    AND (%(everywhere)s OR store_id = ANY(%(store_ids)s::uuid[]))
"""
PRODUCTS = sql(
    f"""
    WITH sold AS (
        SELECT product_id, sum(quantity) AS quantity, sum(orders) AS orders, sum(sales) AS sales
        FROM product_days WHERE {_OF_PERIOD} GROUP BY product_id HAVING sum(orders) > 0
    ), page AS (
        SELECT * FROM sold
        WHERE %(after_sales)s::numeric IS NULL
           OR (-sales, product_id) > (-%(after_sales)s::numeric, %(after_id)s::uuid)
        ORDER BY sales DESC, product_id LIMIT %(limit)s
    ), ran_out AS (
        SELECT product_id, count(*) AS times FROM stock_outs WHERE {_BETWEEN_MOMENTS} GROUP BY product_id
    )
    SELECT page.*, coalesce(products.name, '') AS name, coalesce(products.category, '') AS category,
           coalesce(ran_out.times, 0) AS stock_outs
    FROM page LEFT JOIN products USING (product_id) LEFT JOIN ran_out USING (product_id)
    ORDER BY page.sales DESC, page.product_id
    """  # noqa: S608 - text of this module
)
_OF_CUSTOMERS = f"""
    WITH theirs AS (
        SELECT customer_id, sum(orders) AS orders, sum(revenue) AS revenue
        FROM customer_days WHERE {_OF_PERIOD} GROUP BY customer_id HAVING sum(orders) > 0
    ), known AS (
        SELECT theirs.*, EXISTS (
            SELECT FROM customer_days earlier
            WHERE earlier.customer_id = theirs.customer_id AND earlier.report_zone = %(zone)s
              AND earlier.day < %(first)s AND earlier.orders > 0
              AND (%(everywhere)s OR earlier.store_id = ANY(%(store_ids)s::uuid[]))
        ) AS came_back
        FROM theirs
    )
"""  # noqa: S608 - text of this module
CUSTOMERS = sql(
    f"""
    {_OF_CUSTOMERS}
    SELECT count(*) AS customers, count(*) FILTER (WHERE came_back) AS came_back,
           count(*) FILTER (WHERE came_back OR orders > 1) AS repeated, coalesce(sum(revenue), 0) AS revenue
    FROM known
    """  # noqa: S608 - text of this module
)
TOP_CUSTOMERS = sql(
    _OF_CUSTOMERS + "SELECT * FROM known ORDER BY revenue DESC, customer_id LIMIT %(limit)s"  # noqa: S608 - as above
)
STOCK_OUTS = sql(f"SELECT count(*) FROM stock_outs WHERE {_BETWEEN_MOMENTS}")  # noqa: S608 - text of this module
REGISTRATIONS = sql("SELECT count(*) FROM registrations WHERE registered_at >= %(start)s AND registered_at < %(end)s")
ORDERS = sql(
    """
    SELECT * FROM order_facts
    WHERE placed_at >= %(start)s AND placed_at < %(end)s
      AND (%(everywhere)s OR store_id = ANY(%(store_ids)s::uuid[]))
    ORDER BY placed_at, order_id LIMIT %(limit)s
    """
)

# --- reports and app events ----------------------------------------------------------------------------------------

KEEP_REPORT = sql(
    """
    INSERT INTO reports (kind, step, store_id, store_ids, time_zone, from_date, to_date, column_names, row_count,
                         content, created_by)
    VALUES (%(kind)s, %(step)s, %(store_id)s, %(store_ids)s, %(time_zone)s, %(from_date)s, %(to_date)s,
            %(column_names)s, %(row_count)s, %(content)s, %(created_by)s)
    RETURNING *
    """
)
# A report over stores that are not all the caller's is not found.
_MAY_SEE = "(%(everything)s OR store_ids <@ %(tenants)s::uuid[])"
REPORT = sql(f"SELECT * FROM reports WHERE id = %(id)s AND {_MAY_SEE}")  # noqa: S608 - text of this module
REPORTS = sql(
    f"""
    SELECT id, kind, step, store_id, store_ids, time_zone, from_date, to_date, column_names, row_count, created_by,
           created_at
    FROM reports WHERE {_MAY_SEE} AND id < %(before)s ORDER BY id DESC LIMIT %(limit)s
    """  # noqa: S608 - text of this module
)
RECORD_CLIENT_EVENT = sql(
    """
    INSERT INTO client_events (id, name, visit_id, account_id, store_id, product_id, properties)
    VALUES (%(id)s, %(name)s, %(visit_id)s, %(account_id)s, %(store_id)s, %(product_id)s, %(properties)s)
    RETURNING received_at
    """
)

# --- forgetting ----------------------------------------------------------------------------------------------------

FORGET_STRAYS = sql("DELETE FROM events_default WHERE occurred_at < now() - make_interval(months => %(months)s::int)")
FORGET_REPORTS = sql("DELETE FROM reports WHERE created_at < now() - %(keep)s::interval")
ERASE_CLIENT_EVENTS = sql("UPDATE client_events SET account_id = NULL WHERE account_id = %(account_id)s")
