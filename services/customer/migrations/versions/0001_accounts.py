"""Accounts, addresses, preferences, favorites, sessions, codes, grants and signing keys.

Revision ID: 0001
Revises:
"""

from alembic import op

from chassis.database.migrations import create_chassis_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_chassis_tables()
    _accounts()
    _account_details()
    _sessions()
    _codes()
    _roles()
    op.execute(
        """
        CREATE TABLE signing_keys (
            kid TEXT PRIMARY KEY,
            private_key BYTEA NOT NULL,
            public_key BYTEA NOT NULL,
            signs_from TIMESTAMP WITH TIME ZONE NOT NULL,
            verifies_until TIMESTAMP WITH TIME ZONE,
            created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW()
        );

        CREATE TABLE throttles (
            key BYTEA PRIMARY KEY,
            attempts INT NOT NULL,
            window_ends_at TIMESTAMP WITH TIME ZONE NOT NULL
        );
        CREATE INDEX idx_throttles_window_ends_at ON throttles(window_ends_at);
        """
    )


def _accounts() -> None:
    # Ciphertext is longer than the VARCHARs of the design document, and two encryptions of a value differ. The UNIQUE
    # constraints and the index names therefore belong to the blind indexes.
    op.execute(
        """
        CREATE TABLE customers (
            id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            email BYTEA NOT NULL,
            email_index BYTEA NOT NULL CONSTRAINT idx_customers_email UNIQUE,
            email_index_next BYTEA NOT NULL UNIQUE,
            password_hash VARCHAR(255),
            phone BYTEA,
            phone_index BYTEA CONSTRAINT idx_customers_phone UNIQUE,
            phone_index_next BYTEA UNIQUE,
            first_name VARCHAR(100),
            last_name VARCHAR(100),
            display_name VARCHAR(255),
            date_of_birth BYTEA,
            gender VARCHAR(20),
            locale VARCHAR(12) NOT NULL DEFAULT 'en-IN',
            is_verified BOOLEAN DEFAULT false,
            is_active BOOLEAN DEFAULT true,
            email_verified BOOLEAN DEFAULT false,
            phone_verified BOOLEAN DEFAULT false,
            google_id VARCHAR(255),
            facebook_id VARCHAR(255),
            loyalty_points INT DEFAULT 0,
            loyalty_points_version INT NOT NULL DEFAULT 0,
            loyalty_tier VARCHAR(20) DEFAULT 'Bronze',
            loyalty_tier_version INT NOT NULL DEFAULT 0,
            total_orders INT DEFAULT 0,
            total_spent DECIMAL(10, 2) DEFAULT 0,
            version INT NOT NULL DEFAULT 1,
            last_login TIMESTAMP WITH TIME ZONE,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            erased_at TIMESTAMP WITH TIME ZONE,
            CHECK (loyalty_tier IN ('Bronze', 'Silver', 'Gold', 'Platinum'))
        );
        CREATE INDEX idx_customers_tier ON customers(loyalty_tier);
        CREATE INDEX idx_customers_active ON customers(is_active);
        """
    )


def _account_details() -> None:
    op.execute(
        """
        CREATE TABLE customer_addresses (
            id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            customer_id UUID NOT NULL REFERENCES customers(id) ON DELETE CASCADE,
            type VARCHAR(20) NOT NULL DEFAULT 'home',
            label VARCHAR(100),
            address_line1 BYTEA NOT NULL,
            address_line2 BYTEA,
            landmark BYTEA,
            city VARCHAR(100) NOT NULL,
            state VARCHAR(100) NOT NULL,
            postal_code VARCHAR(20) NOT NULL,
            country VARCHAR(100) DEFAULT 'India',
            latitude BYTEA,
            longitude BYTEA,
            is_default BOOLEAN DEFAULT false,
            version INT NOT NULL DEFAULT 1,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            CHECK (type IN ('home', 'work', 'other'))
        );
        -- idx_addresses_customer would repeat the front of this one.
        CREATE INDEX idx_addresses_default ON customer_addresses(customer_id, is_default);
        CREATE UNIQUE INDEX idx_addresses_one_default ON customer_addresses(customer_id) WHERE is_default;

        -- idx_preferences_customer would repeat the UNIQUE.
        CREATE TABLE customer_preferences (
            id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            customer_id UUID NOT NULL REFERENCES customers(id) ON DELETE CASCADE,
            preferred_spice_level VARCHAR(20) DEFAULT 'Mild',
            dietary_restrictions TEXT[],
            favorite_categories TEXT[],
            email_notifications BOOLEAN DEFAULT true,
            sms_notifications BOOLEAN DEFAULT true,
            push_notifications BOOLEAN DEFAULT true,
            marketing_emails BOOLEAN DEFAULT true,
            preferred_payment_method VARCHAR(50),
            preferred_delivery_time VARCHAR(50),
            created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            UNIQUE (customer_id)
        );

        -- idx_favorites_customer would repeat the front of the UNIQUE.
        CREATE TABLE customer_favorites (
            id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            customer_id UUID NOT NULL REFERENCES customers(id) ON DELETE CASCADE,
            product_id UUID NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            UNIQUE (customer_id, product_id)
        );
        CREATE INDEX idx_favorites_product ON customer_favorites(product_id);
        """
    )


def _sessions() -> None:
    # A session stores hashes of two refresh tokens: the valid one and the previous one. The salt derives the successor
    # of the previous token again, for a client that refreshes twice in parallel.
    # idx_sessions_token would repeat the UNIQUE of refresh_token.
    op.execute(
        """
        CREATE TABLE sessions (
            id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            customer_id UUID NOT NULL REFERENCES customers(id) ON DELETE CASCADE,
            refresh_token VARCHAR(500) UNIQUE NOT NULL,
            access_token_hash VARCHAR(255),
            previous_refresh_token VARCHAR(500),
            rotation_salt BYTEA,
            rotated_at TIMESTAMP WITH TIME ZONE,
            device_type VARCHAR(50),
            device_id VARCHAR(255),
            ip_address INET,
            user_agent TEXT,
            expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
            is_active BOOLEAN DEFAULT true,
            ended_at TIMESTAMP WITH TIME ZONE,
            end_reason VARCHAR(50),
            created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            last_accessed_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            CHECK (is_active = (ended_at IS NULL))
        );
        CREATE INDEX idx_sessions_customer ON sessions(customer_id);
        CREATE INDEX idx_sessions_expires ON sessions(expires_at);
        CREATE INDEX idx_sessions_ended ON sessions(ended_at) WHERE ended_at IS NOT NULL;
        """
    )


def _codes() -> None:
    op.execute(
        """
        CREATE TABLE codes (
            id UUID PRIMARY KEY DEFAULT uuidv7(),
            customer_id UUID NOT NULL REFERENCES customers(id) ON DELETE CASCADE,
            kind VARCHAR(30) NOT NULL CHECK (kind IN ('email_verification', 'password_reset', 'staff_invitation')),
            store_id UUID,
            code_hash BYTEA NOT NULL,
            attempts INT NOT NULL DEFAULT 0,
            expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
            UNIQUE NULLS NOT DISTINCT (customer_id, kind, store_id),
            CHECK ((kind = 'staff_invitation') = (store_id IS NOT NULL))
        );
        CREATE INDEX idx_codes_expires ON codes(expires_at);

        -- A code until the notification service has it. Gone with the code when a newer one replaces that.
        CREATE TABLE code_deliveries (
            code_id UUID PRIMARY KEY REFERENCES codes(id) ON DELETE CASCADE,
            code BYTEA NOT NULL,
            attempts INT NOT NULL DEFAULT 0,
            next_attempt_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW()
        );
        CREATE INDEX idx_code_deliveries_next ON code_deliveries(next_attempt_at);
        """
    )


def _roles() -> None:
    op.execute(
        """
        CREATE TABLE administrators (
            customer_id UUID PRIMARY KEY REFERENCES customers(id) ON DELETE CASCADE,
            granted_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW()
        );

        -- What the account said to the store that invited it. Outlives a suspension.
        CREATE TABLE staff_invitations (
            customer_id UUID NOT NULL REFERENCES customers(id) ON DELETE CASCADE,
            store_id UUID NOT NULL,
            job VARCHAR(20) NOT NULL CHECK (job IN ('manager', 'chef', 'cashier', 'delivery', 'support')),
            invited_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
            accepted_at TIMESTAMP WITH TIME ZONE,
            PRIMARY KEY (customer_id, store_id)
        );

        -- What the store says, one row an employment. It counts once the invitation is accepted.
        CREATE TABLE staff_grants (
            staff_id UUID PRIMARY KEY,
            version INT NOT NULL,
            customer_id UUID NOT NULL REFERENCES customers(id) ON DELETE CASCADE,
            store_id UUID NOT NULL,
            job VARCHAR(20) NOT NULL CHECK (job IN ('manager', 'chef', 'cashier', 'delivery', 'support')),
            is_revoked BOOLEAN NOT NULL,
            updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW()
        );
        CREATE INDEX idx_staff_grants_customer ON staff_grants(customer_id);
        """
    )


def downgrade() -> None:
    op.execute(
        """
        DROP TABLE staff_grants, staff_invitations, administrators, code_deliveries, codes, sessions,
                   customer_favorites, customer_preferences, customer_addresses, customers, throttles, signing_keys
        """
    )
