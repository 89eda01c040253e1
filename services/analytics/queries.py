"""Every statement of the analytics service."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from uuid import UUID

from chassis.database import Statement, sql
from chassis.database.rows import column_definitions, column_names, field_names, placeholders, unnest
from services.analytics.commands import Step
from services.analytics.model.rollups import AMOUNTS, COUNTS
from services.analytics.rows import (
    CustomerCountsRow,
    CustomerSalesRow,
    FiguresRow,
    NewClientEvent,
    NewCustomerDay,
    NewEvent,
    NewProduct,
    NewProductDay,
    NewRegistration,
    NewReport,
    NewSalesDay,
    NewSalesHour,
    NewStockOut,
    OrderFactRow,
    ProductSalesRow,
    ReportRow,
    ReportSummaryRow,
    SalesRow,
    StoreVersionRow,
    StoreZoneRow,
)

# --- ingestion ---


def _insert(table: str, row: type) -> Statement[None]:
    """Inserts rows that are not there yet."""
    columns = column_names(row)
    return sql(
        f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {unnest(row)} ON CONFLICT DO NOTHING"  # noqa: S608
    )


def _add(table: str, row: type, keys: tuple[str, ...]) -> Statement[None]:
    """Inserts roll-up rows, or adds their amounts to the rows that are there."""
    added = [name for name in field_names(row) if name not in keys]
    sums = ", ".join(f"{name} = present.{name} + excluded.{name}" for name in added)
    return sql(
        f"""
        INSERT INTO {table} AS present ({column_names(row)})
        SELECT {column_names(row)} FROM {unnest(row)}
        ON CONFLICT ({", ".join(keys)}) DO UPDATE SET {sums}
        """  # noqa: S608 - names of this module
    )


INSERT_EVENTS = sql(
    f"""
    INSERT INTO events ({column_names(NewEvent)})
    SELECT {column_names(NewEvent)} FROM jsonb_to_recordset(%(rows)s) AS new({column_definitions(NewEvent)})
    ON CONFLICT DO NOTHING
    """  # noqa: S608 - column names of the row type
)
INSERT_ORDERS = sql(
    """
    INSERT INTO order_facts (order_id)
    SELECT order_id FROM unnest(%(order_ids)s::uuid[]) AS new(order_id) ORDER BY order_id
    ON CONFLICT DO NOTHING
    """
)
LOCK_ORDERS = sql(
    f"""
    SELECT {column_names(OrderFactRow)} FROM order_facts
    WHERE order_id = ANY(%(order_ids)s::uuid[]) ORDER BY order_id FOR NO KEY UPDATE
    """,  # noqa: S608 - column names of the row type
    row=OrderFactRow,
)
UPDATE_ORDERS = sql(
    f"""
    UPDATE order_facts
    SET {", ".join(f"{name} = new.{name}" for name in field_names(OrderFactRow) if name != "order_id")}
    FROM jsonb_to_recordset(%(rows)s) AS new({column_definitions(OrderFactRow)})
    WHERE order_facts.order_id = new.order_id
    """  # noqa: S608 - column names of the row type
)
ADD_HOURS = _add("sales_hours", NewSalesHour, ("store_id", "report_zone", "day", "hour"))
ADD_DAYS = _add("sales_days", NewSalesDay, ("store_id", "report_zone", "day"))
ADD_PRODUCTS = _add("product_days", NewProductDay, ("store_id", "report_zone", "day", "product_id"))
ADD_CUSTOMERS = _add("customer_days", NewCustomerDay, ("store_id", "report_zone", "day", "customer_id"))
UPSERT_PRODUCTS = sql(
    f"""
    INSERT INTO products AS present ({column_names(NewProduct)})
    SELECT {column_names(NewProduct)} FROM {unnest(NewProduct)}
    ON CONFLICT (product_id) DO UPDATE
    SET name = excluded.name, category = excluded.category, known_at = excluded.known_at
    WHERE present.known_at < excluded.known_at
      AND (present.name, present.category) IS DISTINCT FROM (excluded.name, excluded.category)
    """  # noqa: S608 - column names of the row type
)
INSERT_STOCK_OUTS = _insert("stock_outs", NewStockOut)
INSERT_REGISTRATIONS = _insert("registrations", NewRegistration)

# --- stores and their time zones ---

INSERT_STORES = sql(
    """
    INSERT INTO stores (store_id)
    SELECT store_id FROM unnest(%(store_ids)s::uuid[]) AS new(store_id) ORDER BY store_id
    ON CONFLICT DO NOTHING
    """
)
# The lock lasts until the roll-ups are written, so that the time zone does not change in between.
SHARE_STORES = sql(
    """
    SELECT store_id, time_zone FROM stores WHERE store_id = ANY(%(store_ids)s::uuid[]) ORDER BY store_id FOR SHARE
    """,
    row=StoreZoneRow,
)
LOCK_STORE = sql(
    "SELECT time_zone, version FROM stores WHERE store_id = %(store_id)s FOR UPDATE",
    row=StoreVersionRow,
)
UPDATE_STORE = sql(
    """
    UPDATE stores SET name = %(name)s, time_zone = %(time_zone)s, version = %(version)s WHERE store_id = %(store_id)s
    """
)
GET_TIME_ZONE = sql("SELECT time_zone FROM stores WHERE store_id = %(store_id)s AND version > 0", value=str)
LIST_UNKNOWN_STORES = sql("SELECT store_id FROM stores WHERE version = 0 ORDER BY store_id LIMIT 100", value=UUID)
LIST_ORDERS_OF_STORE = sql(
    f"""
    SELECT {column_names(OrderFactRow)} FROM order_facts
    WHERE store_id = %(store_id)s AND order_id > %(after)s ORDER BY order_id LIMIT 2000
    """,  # noqa: S608 - column names of the row type
    row=OrderFactRow,
)
DELETE_OTHER_ZONES = {
    table: sql(f"DELETE FROM {table} WHERE store_id = %(store_id)s AND report_zone <> %(platform_zone)s")  # noqa: S608
    for table in ("sales_hours", "sales_days", "product_days", "customer_days")
}

# --- figures ---

_IN_PERIOD = """
    report_zone = %(zone)s AND day BETWEEN %(first)s AND %(last)s
    AND (%(everywhere)s OR store_id = ANY(%(store_ids)s::uuid[]))
"""
_SUMS = ", ".join(
    [
        *(f"coalesce(sum({measure}), 0)::bigint AS {measure}" for measure in COUNTS),
        *(f"coalesce(sum({measure}), 0) AS {measure}" for measure in AMOUNTS),
    ]
)

GET_FIGURES = sql(
    f"SELECT {_SUMS} FROM sales_days WHERE {_IN_PERIOD}",  # noqa: S608 - text of this module
    row=FiguresRow,
)


@cache
def list_sales(step: Step) -> Statement[SalesRow]:
    """The measures by hour, day, week or month."""
    if step == "hour":
        return sql(
            f"""
            SELECT to_char(day, 'YYYY-MM-DD') || 'T' || lpad(hour::text, 2, '0') || ':00' AS starts_at, {_SUMS}
            FROM sales_hours WHERE {_IN_PERIOD} GROUP BY day, hour HAVING sum(placed) > 0 ORDER BY day, hour
            """,  # noqa: S608 - text of this module
            row=SalesRow,
        )
    return sql(
        f"""
        SELECT to_char(date_trunc('{step}', day), 'YYYY-MM-DD') AS starts_at, {_SUMS}
        FROM sales_days WHERE {_IN_PERIOD} GROUP BY 1 HAVING sum(placed) > 0 ORDER BY 1
        """,  # noqa: S608 - text of this module
        row=SalesRow,
    )


_BETWEEN_TIMES = """
    occurred_at >= %(start)s AND occurred_at < %(end)s
    AND (%(everywhere)s OR store_id = ANY(%(store_ids)s::uuid[]))
"""
LIST_PRODUCTS = sql(
    f"""
    WITH sold AS (
        SELECT product_id, sum(quantity)::bigint AS quantity, sum(orders)::bigint AS orders, sum(sales) AS sales
        FROM product_days WHERE {_IN_PERIOD} GROUP BY product_id HAVING sum(orders) > 0
    ), page AS (
        SELECT product_id, quantity, orders, sales FROM sold
        WHERE %(after_sales)s::numeric IS NULL
           OR (-sales, product_id) > (-%(after_sales)s::numeric, %(after_id)s::uuid)
        ORDER BY sales DESC, product_id LIMIT %(limit)s
    ), ran_out AS (
        SELECT product_id, count(*) AS times FROM stock_outs WHERE {_BETWEEN_TIMES} GROUP BY product_id
    )
    SELECT page.product_id, page.quantity, page.orders, page.sales, coalesce(products.name, '') AS name,
           coalesce(products.category, '') AS category, coalesce(ran_out.times, 0) AS stock_outs
    FROM page LEFT JOIN products USING (product_id) LEFT JOIN ran_out USING (product_id)
    ORDER BY page.sales DESC, page.product_id
    """,  # noqa: S608 - text of this module
    row=ProductSalesRow,
)
_CUSTOMERS = f"""
    WITH buyers AS (
        SELECT customer_id, sum(orders)::bigint AS orders, sum(revenue) AS revenue
        FROM customer_days WHERE {_IN_PERIOD} GROUP BY customer_id HAVING sum(orders) > 0
    ), known AS (
        SELECT buyers.customer_id, buyers.orders, buyers.revenue, EXISTS (
            SELECT FROM customer_days earlier
            WHERE earlier.customer_id = buyers.customer_id AND earlier.report_zone = %(zone)s
              AND earlier.day < %(first)s AND earlier.orders > 0
              AND (%(everywhere)s OR earlier.store_id = ANY(%(store_ids)s::uuid[]))
        ) AS came_back
        FROM buyers
    )
"""  # noqa: S608 - text of this module
COUNT_CUSTOMERS = sql(
    f"""
    {_CUSTOMERS}
    SELECT count(*) AS customers, count(*) FILTER (WHERE came_back) AS came_back,
           count(*) FILTER (WHERE came_back OR orders > 1) AS repeated, coalesce(sum(revenue), 0) AS revenue
    FROM known
    """,  # noqa: S608 - text of this module
    row=CustomerCountsRow,
)
LIST_TOP_CUSTOMERS = sql(
    f"""
    {_CUSTOMERS}
    SELECT {column_names(CustomerSalesRow)} FROM known ORDER BY revenue DESC, customer_id LIMIT %(limit)s
    """,  # noqa: S608 - text of this module
    row=CustomerSalesRow,
)
COUNT_STOCK_OUTS = sql(
    f"SELECT count(*) FROM stock_outs WHERE {_BETWEEN_TIMES}",  # noqa: S608 - text of this module
    value=int,
)
COUNT_REGISTRATIONS = sql(
    "SELECT count(*) FROM registrations WHERE registered_at >= %(start)s AND registered_at < %(end)s", value=int
)
LIST_ORDERS = sql(
    f"""
    SELECT {column_names(OrderFactRow)} FROM order_facts
    WHERE placed_at >= %(start)s AND placed_at < %(end)s
      AND (%(everywhere)s OR store_id = ANY(%(store_ids)s::uuid[]))
    ORDER BY placed_at, order_id LIMIT %(limit)s
    """,  # noqa: S608 - column names of the row type
    row=OrderFactRow,
)

# --- reports and events of apps ---

INSERT_REPORT = sql(
    f"""
    INSERT INTO reports ({column_names(NewReport)}) VALUES ({placeholders(NewReport)})
    RETURNING {column_names(ReportRow)}
    """,  # noqa: S608 - column names of the row types
    row=ReportRow,
)
# A report that includes a store outside the caller's scope is not found.
_IN_SCOPE = "(%(everything)s OR store_ids <@ %(tenants)s::uuid[])"
GET_REPORT = sql(
    f"SELECT {column_names(ReportRow)} FROM reports WHERE id = %(id)s AND {_IN_SCOPE}",  # noqa: S608
    row=ReportRow,
)
LIST_REPORTS = sql(
    f"""
    SELECT {column_names(ReportSummaryRow)} FROM reports
    WHERE {_IN_SCOPE} AND id < %(before)s ORDER BY id DESC LIMIT %(limit)s
    """,  # noqa: S608 - text of this module
    row=ReportSummaryRow,
)
INSERT_CLIENT_EVENT = sql(
    f"""
    INSERT INTO client_events ({column_names(NewClientEvent)}) VALUES ({placeholders(NewClientEvent)})
    RETURNING received_at
    """,  # noqa: S608 - column names of the row type
    value=datetime,
)

# --- retention ---

DELETE_OLD_EVENTS = sql(
    "DELETE FROM events_default WHERE occurred_at < now() - make_interval(months => %(months)s::int)"
)
DELETE_OLD_REPORTS = sql("DELETE FROM reports WHERE created_at < now() - %(keep)s::interval")
ERASE_CLIENT_EVENTS = sql("UPDATE client_events SET account_id = NULL WHERE account_id = %(account_id)s")
