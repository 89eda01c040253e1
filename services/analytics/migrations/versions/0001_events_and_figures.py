"""Events, what is known of each order, the roll-ups and reports.

Revision ID: 0001
Revises:
"""

from alembic import op

from chassis.database.migrations import create_chassis_tables
from chassis.database.partitions import create_keep_months

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_MEASURES = """
    placed BIGINT NOT NULL,
    counted BIGINT NOT NULL,
    cancelled BIGINT NOT NULL,
    delivered BIGINT NOT NULL,
    prepared BIGINT NOT NULL,
    preparation_seconds BIGINT NOT NULL,
    carried BIGINT NOT NULL,
    delivery_seconds BIGINT NOT NULL,
    gross NUMERIC(14, 2) NOT NULL,
    refunds NUMERIC(14, 2) NOT NULL,
    tax NUMERIC(14, 2) NOT NULL,
    delivery_fees NUMERIC(14, 2) NOT NULL,
    discounts NUMERIC(14, 2) NOT NULL
"""


def upgrade() -> None:
    create_chassis_tables()
    _events()
    _facts()
    _roll_ups()
    _reports()
    _months()


def _events() -> None:
    op.execute(
        """
        CREATE TABLE events (
            id UUID NOT NULL,
            type TEXT NOT NULL,
            source TEXT NOT NULL,
            key TEXT NOT NULL,
            version INTEGER NOT NULL,
            store_id UUID,
            payload JSONB NOT NULL,
            occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
            stored_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
            PRIMARY KEY (occurred_at, id)
        ) PARTITION BY RANGE (occurred_at);
        CREATE INDEX idx_events_type ON events(type, occurred_at);
        CREATE INDEX idx_events_store ON events(store_id, occurred_at) WHERE store_id IS NOT NULL;
        -- Events older than the months that are kept apart: replays, a consumer that was away for long.
        CREATE TABLE events_default PARTITION OF events DEFAULT;

        CREATE TABLE client_events (
            id UUID NOT NULL,
            name VARCHAR(40) NOT NULL,
            visit_id UUID,
            account_id UUID,
            store_id UUID,
            product_id UUID,
            properties JSONB NOT NULL,
            received_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
            PRIMARY KEY (received_at, id)
        ) PARTITION BY RANGE (received_at);
        CREATE INDEX idx_client_events_name ON client_events(name, received_at);
        """
    )


def _facts() -> None:
    op.execute(
        """
        CREATE TABLE stores (
            store_id UUID PRIMARY KEY,
            name TEXT NOT NULL DEFAULT '',
            time_zone VARCHAR(50) NOT NULL DEFAULT 'Asia/Kolkata',
            version INTEGER NOT NULL DEFAULT 0
        );
        CREATE INDEX idx_stores_unknown ON stores(store_id) WHERE version = 0;

        CREATE TABLE products (
            product_id UUID PRIMARY KEY,
            name TEXT NOT NULL,
            category TEXT NOT NULL,
            known_at TIMESTAMP WITH TIME ZONE NOT NULL
        );

        CREATE TABLE order_facts (
            order_id UUID PRIMARY KEY,
            number VARCHAR(50),
            store_id UUID,
            customer_id UUID,
            placed_at TIMESTAMP WITH TIME ZONE,
            fulfilment VARCHAR(20),
            payment_method VARCHAR(20),
            subtotal NUMERIC(14, 2),
            tax NUMERIC(14, 2),
            delivery_fee NUMERIC(14, 2),
            discount NUMERIC(14, 2),
            loyalty_discount NUMERIC(14, 2),
            total NUMERIC(14, 2),
            lines JSONB,
            refunds JSONB NOT NULL DEFAULT '{}'::jsonb,
            confirmed_at TIMESTAMP WITH TIME ZONE,
            preparing_at TIMESTAMP WITH TIME ZONE,
            ready_at TIMESTAMP WITH TIME ZONE,
            dispatched_at TIMESTAMP WITH TIME ZONE,
            delivered_at TIMESTAMP WITH TIME ZONE,
            cancelled_at TIMESTAMP WITH TIME ZONE,
            refunded_at TIMESTAMP WITH TIME ZONE,
            version INTEGER NOT NULL DEFAULT 0
        ) WITH (fillfactor = 70);
        CREATE INDEX idx_order_facts_placed_at ON order_facts(placed_at);
        CREATE INDEX idx_order_facts_store ON order_facts(store_id, placed_at);

        CREATE TABLE stock_outs (
            event_id UUID PRIMARY KEY,
            store_id UUID NOT NULL,
            product_id UUID NOT NULL,
            occurred_at TIMESTAMP WITH TIME ZONE NOT NULL
        );
        CREATE INDEX idx_stock_outs_store ON stock_outs(store_id, occurred_at);
        CREATE INDEX idx_stock_outs_occurred_at ON stock_outs(occurred_at);

        CREATE TABLE registrations (
            customer_id UUID PRIMARY KEY,
            registered_at TIMESTAMP WITH TIME ZONE NOT NULL
        );
        CREATE INDEX idx_registrations_registered_at ON registrations(registered_at);
        """
    )


def _roll_ups() -> None:
    op.execute(
        f"""
        CREATE TABLE sales_hours (
            store_id UUID NOT NULL,
            report_zone VARCHAR(50) NOT NULL,
            day DATE NOT NULL,
            hour SMALLINT NOT NULL,
            {_MEASURES},
            PRIMARY KEY (store_id, report_zone, day, hour)
        ) WITH (fillfactor = 70);
        CREATE INDEX idx_sales_hours_day ON sales_hours(report_zone, day);

        CREATE TABLE sales_days (
            store_id UUID NOT NULL,
            report_zone VARCHAR(50) NOT NULL,
            day DATE NOT NULL,
            {_MEASURES},
            PRIMARY KEY (store_id, report_zone, day)
        ) WITH (fillfactor = 70);
        CREATE INDEX idx_sales_days_day ON sales_days(report_zone, day);

        CREATE TABLE product_days (
            store_id UUID NOT NULL,
            report_zone VARCHAR(50) NOT NULL,
            day DATE NOT NULL,
            product_id UUID NOT NULL,
            quantity BIGINT NOT NULL,
            orders BIGINT NOT NULL,
            sales NUMERIC(14, 2) NOT NULL,
            PRIMARY KEY (store_id, report_zone, day, product_id)
        ) WITH (fillfactor = 70);
        CREATE INDEX idx_product_days_day ON product_days(report_zone, day);

        CREATE TABLE customer_days (
            store_id UUID NOT NULL,
            report_zone VARCHAR(50) NOT NULL,
            day DATE NOT NULL,
            customer_id UUID NOT NULL,
            orders BIGINT NOT NULL,
            revenue NUMERIC(14, 2) NOT NULL,
            PRIMARY KEY (store_id, report_zone, day, customer_id)
        );
        CREATE INDEX idx_customer_days_day ON customer_days(report_zone, day);
        CREATE INDEX idx_customer_days_customer ON customer_days(customer_id, report_zone, day);
        """
    )


def _reports() -> None:
    op.execute(
        """
        CREATE TABLE reports (
            id UUID PRIMARY KEY DEFAULT uuidv7(),
            kind VARCHAR(20) NOT NULL,
            step VARCHAR(10),
            store_id UUID,
            store_ids UUID[],
            time_zone VARCHAR(50) NOT NULL,
            from_date DATE NOT NULL,
            to_date DATE NOT NULL,
            column_names TEXT[] NOT NULL,
            row_count INTEGER NOT NULL,
            content BYTEA NOT NULL,
            created_by UUID NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
            CHECK (kind IN ('sales', 'products', 'customers', 'orders')),
            CHECK (step IN ('hour', 'day', 'week', 'month'))
        );
        CREATE INDEX idx_reports_created_at ON reports(created_at);
        """
    )


def _months() -> None:
    """Events live in months."""
    create_keep_months()
    op.execute("SELECT keep_months('events', 2, 25)")
    op.execute("SELECT keep_months('client_events', 2, 13)")
