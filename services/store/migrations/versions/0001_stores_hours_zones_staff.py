"""Stores, their hours and exceptions, delivery zones and staff.

Beside the design document's columns: `time_zone`, `gstin`, `landmark` and `version` of a store; several intervals a
day, so that the day's UNIQUE takes the opening time in; sealed email and phone of staff with a blind index, which the
UNIQUE and index on email moved to; `account_id`, `invitation` and `version` of staff. `idx_stores_slug` and
`idx_operating_hours_store` are left out: the UNIQUE on the same leading column serves them.
"""

from alembic import op

from chassis.database.migrations import create_chassis_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_chassis_tables()
    op.execute(
        """
        CREATE TABLE stores (
            id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            name VARCHAR(255) NOT NULL,
            slug VARCHAR(255) UNIQUE NOT NULL,
            description TEXT,
            email VARCHAR(255) NOT NULL,
            phone VARCHAR(20) NOT NULL,
            address_line1 VARCHAR(255) NOT NULL,
            address_line2 VARCHAR(255),
            landmark VARCHAR(255),
            city VARCHAR(100) NOT NULL,
            state VARCHAR(100) NOT NULL,
            postal_code VARCHAR(20) NOT NULL,
            country VARCHAR(100) DEFAULT 'India',
            latitude DECIMAL(10, 8),
            longitude DECIMAL(11, 8),
            delivery_radius_km DECIMAL(5, 2) DEFAULT 10.00,
            time_zone VARCHAR(64) NOT NULL DEFAULT 'Asia/Kolkata',
            gstin VARCHAR(15),
            is_active BOOLEAN DEFAULT true,
            is_accepting_orders BOOLEAN DEFAULT true,
            min_order_value DECIMAL(10, 2) DEFAULT 0,
            delivery_fee DECIMAL(10, 2) DEFAULT 0,
            free_delivery_above DECIMAL(10, 2),
            estimated_prep_time_minutes INT DEFAULT 30,
            version INT NOT NULL DEFAULT 1,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            CONSTRAINT stores_name_not_empty CHECK (name != '')
        )
        """
    )
    op.execute("CREATE INDEX idx_stores_city ON stores(city)")
    op.execute("CREATE INDEX idx_stores_active ON stores(is_active, is_accepting_orders)")
    op.execute("CREATE INDEX idx_stores_location ON stores(latitude, longitude)")
    op.execute(
        """
        CREATE TABLE store_operating_hours (
            id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            store_id UUID NOT NULL REFERENCES stores(id) ON DELETE CASCADE,
            day_of_week INT NOT NULL CHECK (day_of_week BETWEEN 0 AND 6),
            open_time TIME NOT NULL,
            close_time TIME NOT NULL,
            is_open BOOLEAN DEFAULT true,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            UNIQUE (store_id, day_of_week, open_time)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE store_hours_exceptions (
            id UUID PRIMARY KEY DEFAULT uuidv7(),
            store_id UUID NOT NULL REFERENCES stores(id) ON DELETE CASCADE,
            date DATE NOT NULL,
            open_times TIME[] NOT NULL,
            close_times TIME[] NOT NULL,
            reason VARCHAR(255) NOT NULL DEFAULT '',
            created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
            updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
            UNIQUE (store_id, date),
            CHECK (cardinality(open_times) = cardinality(close_times))
        )
        """
    )
    op.execute(
        """
        CREATE TABLE delivery_zones (
            id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            store_id UUID NOT NULL REFERENCES stores(id) ON DELETE CASCADE,
            name VARCHAR(255) NOT NULL,
            postal_codes TEXT[],
            delivery_fee DECIMAL(10, 2) NOT NULL DEFAULT 0,
            estimated_time_minutes INT NOT NULL DEFAULT 30,
            is_active BOOLEAN DEFAULT true,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
        )
        """
    )
    op.execute("CREATE INDEX idx_delivery_zones_store ON delivery_zones(store_id)")
    op.execute("CREATE INDEX idx_delivery_zones_postal_codes ON delivery_zones USING GIN(postal_codes)")
    op.execute(
        """
        CREATE TABLE staff (
            id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            store_id UUID NOT NULL REFERENCES stores(id) ON DELETE CASCADE,
            name VARCHAR(255) NOT NULL,
            email BYTEA NOT NULL,
            email_index BYTEA NOT NULL,
            email_index_next BYTEA NOT NULL UNIQUE,
            phone BYTEA,
            role VARCHAR(50) NOT NULL,
            is_active BOOLEAN DEFAULT true,
            hire_date DATE,
            termination_date DATE,
            permissions JSONB DEFAULT '[]',
            last_login TIMESTAMP WITH TIME ZONE,
            account_id UUID,
            invitation VARCHAR(20) NOT NULL DEFAULT 'pending' CHECK (invitation IN ('pending', 'sent', 'refused')),
            version INT NOT NULL DEFAULT 1,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            CONSTRAINT idx_staff_email UNIQUE (email_index),
            CHECK (role IN ('manager', 'chef', 'cashier', 'delivery', 'support'))
        )
        """
    )
    op.execute("CREATE INDEX idx_staff_store ON staff(store_id)")
    op.execute("CREATE INDEX idx_staff_active ON staff(is_active)")
    op.execute("CREATE INDEX idx_staff_account ON staff(account_id) WHERE account_id IS NOT NULL")
    op.execute("CREATE INDEX idx_staff_invitation_pending ON staff(updated_at) WHERE invitation = 'pending'")
