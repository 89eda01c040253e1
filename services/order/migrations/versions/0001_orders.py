"""Orders, their items, history and positions; the saga that places them; the staff to whom they can be assigned.

The tables of the design document, with these differences: copies of personal data are encrypted (BYTEA); orders are
partitioned by month of their UUIDv7 and their numbers are unique through order_numbers; the indexes by customer and by
store include the id, for keyset pagination; only orders with delivery have an address.

Revision ID: 0001
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from alembic import op

from chassis.database.migrations import create_chassis_tables
from services.order.model.months import months
from services.order.queries.partitions import partition_ddl

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MONTHS_BACK = timedelta(days=62)
MONTHS = 8


def upgrade() -> None:
    create_chassis_tables()
    op.execute(
        """
        CREATE TABLE orders (
            id UUID PRIMARY KEY DEFAULT uuidv7(),
            order_number VARCHAR(50) NOT NULL,

            customer_id UUID NOT NULL,
            customer_name VARCHAR(255) NOT NULL,
            customer_email BYTEA NOT NULL,
            customer_phone BYTEA NOT NULL,

            store_id UUID NOT NULL,

            status VARCHAR(50) NOT NULL DEFAULT 'pending',
            payment_status VARCHAR(50) NOT NULL DEFAULT 'pending',
            payment_method VARCHAR(50),

            subtotal DECIMAL(10, 2) NOT NULL,
            tax DECIMAL(10, 2) DEFAULT 0,
            delivery_fee DECIMAL(10, 2) DEFAULT 0,
            discount DECIMAL(10, 2) DEFAULT 0,
            loyalty_discount DECIMAL(10, 2) DEFAULT 0,
            total DECIMAL(10, 2) NOT NULL,

            delivery_address BYTEA,
            delivery_type VARCHAR(20) DEFAULT 'delivery',
            delivery_instructions TEXT,
            delivery_latitude BYTEA,
            delivery_longitude BYTEA,

            estimated_delivery_time TIMESTAMP WITH TIME ZONE,
            scheduled_delivery_time TIMESTAMP WITH TIME ZONE,
            accepted_at TIMESTAMP WITH TIME ZONE,
            preparing_at TIMESTAMP WITH TIME ZONE,
            ready_at TIMESTAMP WITH TIME ZONE,
            dispatched_at TIMESTAMP WITH TIME ZONE,
            delivered_at TIMESTAMP WITH TIME ZONE,
            cancelled_at TIMESTAMP WITH TIME ZONE,

            assigned_staff_id UUID,
            delivery_person_id UUID,

            special_instructions TEXT,
            cancellation_reason TEXT,
            rating INT CHECK (rating BETWEEN 1 AND 5),
            review_comment TEXT,

            loyalty_points_earned INT DEFAULT 0,
            loyalty_points_redeemed INT DEFAULT 0,
            coupon_code VARCHAR(50),

            created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),

            version INT NOT NULL DEFAULT 1,
            store_name VARCHAR(255) NOT NULL,
            store_state VARCHAR(100) NOT NULL,
            store_gstin VARCHAR(20),
            place_of_supply VARCHAR(100) NOT NULL,
            delivery_tax_rate INT NOT NULL DEFAULT 0,
            delivery_cgst DECIMAL(10, 2) NOT NULL DEFAULT 0,
            delivery_sgst DECIMAL(10, 2) NOT NULL DEFAULT 0,
            delivery_igst DECIMAL(10, 2) NOT NULL DEFAULT 0,
            cancellation_code VARCHAR(50),
            payment_id UUID,
            provider_order_id VARCHAR(100),
            payment_expires_at TIMESTAMP WITH TIME ZONE,

            CHECK (status IN ('pending', 'confirmed', 'preparing', 'ready', 'out_for_delivery', 'delivered',
                              'cancelled', 'refunded')),
            CHECK (payment_status IN ('pending', 'processing', 'completed', 'failed', 'refunded')),
            CHECK (delivery_type IN ('delivery', 'pickup', 'dine-in')),
            CHECK (delivery_type <> 'delivery' OR delivery_address IS NOT NULL)
        ) PARTITION BY RANGE (id)
        """
    )
    op.execute("CREATE TABLE orders_default PARTITION OF orders DEFAULT")
    for month in months(datetime.now(UTC) - MONTHS_BACK, MONTHS):
        op.execute(partition_ddl(month))
    op.execute("CREATE INDEX idx_orders_customer ON orders(customer_id, id DESC)")
    op.execute("CREATE INDEX idx_orders_store ON orders(store_id, id DESC)")
    op.execute("CREATE INDEX idx_orders_status ON orders(status)")
    op.execute("CREATE INDEX idx_orders_payment_status ON orders(payment_status)")
    op.execute("CREATE INDEX idx_orders_created_at ON orders(created_at DESC)")
    op.execute(
        """
        CREATE INDEX idx_orders_delivery_person ON orders(delivery_person_id) WHERE delivery_person_id IS NOT NULL
        """
    )
    op.execute(
        """
        CREATE TABLE order_numbers (
            number VARCHAR(50) PRIMARY KEY,
            order_id UUID NOT NULL
        )
        """
    )
    _create_order_details()
    _create_saga()
    op.execute(
        """
        CREATE TABLE store_staff (
            staff_id UUID PRIMARY KEY,
            account_id UUID NOT NULL,
            store_id UUID NOT NULL,
            job VARCHAR(50) NOT NULL,
            is_active BOOLEAN NOT NULL,
            version INT NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX idx_store_staff_account ON store_staff(account_id, store_id)")


def _create_order_details() -> None:
    op.execute(
        """
        CREATE TABLE order_items (
            id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            order_id UUID NOT NULL REFERENCES orders(id) ON DELETE CASCADE,

            product_id UUID NOT NULL,
            product_name VARCHAR(255) NOT NULL,
            product_sku VARCHAR(100),

            unit_price DECIMAL(10, 2) NOT NULL,
            quantity INT NOT NULL CHECK (quantity > 0),
            subtotal DECIMAL(10, 2) NOT NULL,

            customizations JSONB DEFAULT '[]',
            special_instructions TEXT,

            created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),

            position INT NOT NULL,
            category VARCHAR(100),
            discount DECIMAL(10, 2) NOT NULL DEFAULT 0,
            tax_rate INT NOT NULL DEFAULT 0,
            cgst DECIMAL(10, 2) NOT NULL DEFAULT 0,
            sgst DECIMAL(10, 2) NOT NULL DEFAULT 0,
            igst DECIMAL(10, 2) NOT NULL DEFAULT 0
        )
        """
    )
    op.execute("CREATE INDEX idx_order_items_order ON order_items(order_id)")
    op.execute("CREATE INDEX idx_order_items_product ON order_items(product_id)")
    op.execute(
        """
        CREATE TABLE order_timeline (
            id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            order_id UUID NOT NULL REFERENCES orders(id) ON DELETE CASCADE,

            status VARCHAR(50) NOT NULL,
            note TEXT,

            updated_by UUID,
            updated_by_name VARCHAR(255),

            created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),

            version INT NOT NULL DEFAULT 1,
            visible_to_customer BOOLEAN NOT NULL DEFAULT true
        )
        """
    )
    op.execute("CREATE INDEX idx_timeline_order ON order_timeline(order_id)")
    op.execute("CREATE INDEX idx_timeline_created ON order_timeline(created_at DESC)")
    op.execute(
        """
        CREATE TABLE order_tracking (
            id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            order_id UUID NOT NULL REFERENCES orders(id) ON DELETE CASCADE,

            latitude BYTEA,
            longitude BYTEA,

            status VARCHAR(50),
            message TEXT,

            created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
        )
        """
    )
    op.execute("CREATE INDEX idx_tracking_order ON order_tracking(order_id)")
    op.execute("CREATE INDEX idx_tracking_created ON order_tracking(created_at DESC)")


def _create_saga() -> None:
    op.execute(
        """
        CREATE TABLE order_sagas (
            order_id UUID PRIMARY KEY,
            customer_id UUID NOT NULL,
            store_id UUID NOT NULL,
            state TEXT NOT NULL,
            holds_benefits BOOLEAN NOT NULL,
            caller TEXT NOT NULL,
            method TEXT NOT NULL,
            key TEXT NOT NULL,
            attempts INT NOT NULL DEFAULT 0,
            locked_until TIMESTAMP WITH TIME ZONE NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),

            CHECK (state IN ('reserving', 'undoing', 'placed'))
        ) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)
        """
    )
