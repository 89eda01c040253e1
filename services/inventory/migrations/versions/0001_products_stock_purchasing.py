"""Products, options, categories, stores' offers; stock, movements, batches, reservations; suppliers, purchase orders.

The tables of the design document, with these additions: ingredients, GST rate, version, soft deletion and search
documents of a product; the version of its rating copy; `received_quantity` of a purchase order's line; `is_low` of
stock. Email, phone and address of a supplier are encrypted. There is no `idx_products_slug` or `idx_inventory_product`,
since a UNIQUE constraint has the same leading column. `idx_inventory_low_stock` uses the generated flag instead of the
quantities, so that a change of stock is a heap-only update.
"""

from alembic import op

from chassis.database.migrations import create_chassis_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_chassis_tables()
    _create_catalogue()
    _create_search()
    _create_purchasing()
    _create_stock()


def _create_catalogue() -> None:
    op.execute(
        """
        CREATE TABLE categories (
            id UUID PRIMARY KEY DEFAULT uuidv7(),
            slug VARCHAR(100) UNIQUE NOT NULL,
            name VARCHAR(100) NOT NULL,
            description TEXT NOT NULL DEFAULT '',
            parent_id UUID REFERENCES categories(id),
            display_order INT NOT NULL DEFAULT 0,
            is_active BOOLEAN NOT NULL DEFAULT true,
            created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
            updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW()
        )
        """
    )
    op.execute("CREATE INDEX idx_categories_parent ON categories(parent_id)")
    # array_to_string is only STABLE because of arrays of other types; a generated column needs IMMUTABLE.
    op.execute(
        """
        CREATE FUNCTION words_of(words TEXT[]) RETURNS TEXT LANGUAGE sql IMMUTABLE PARALLEL SAFE
        RETURN coalesce(array_to_string(words, ' '), '')
        """
    )
    op.execute(
        """
        CREATE TABLE products (
            id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            name VARCHAR(255) NOT NULL,
            slug VARCHAR(255) UNIQUE NOT NULL,
            description TEXT,
            short_description VARCHAR(500),
            sku VARCHAR(100) UNIQUE,
            price DECIMAL(10, 2) NOT NULL,
            original_price DECIMAL(10, 2),
            cost_price DECIMAL(10, 2),
            category VARCHAR(100) NOT NULL,
            subcategory VARCHAR(100),
            tags TEXT[],
            ingredients TEXT[] NOT NULL DEFAULT '{}',
            is_veg BOOLEAN DEFAULT true,
            is_vegan BOOLEAN DEFAULT false,
            is_jain BOOLEAN DEFAULT true,
            is_gluten_free BOOLEAN DEFAULT false,
            is_nut_free BOOLEAN DEFAULT false,
            spice_level VARCHAR(20) DEFAULT 'Mild',
            prep_time_minutes INT DEFAULT 15,
            servings INT DEFAULT 1,
            weight VARCHAR(50),
            unit VARCHAR(20),
            shelf_life_days INT,
            storage_instructions TEXT,
            calories INT,
            protein_g DECIMAL(5, 2),
            carbs_g DECIMAL(5, 2),
            fat_g DECIMAL(5, 2),
            fiber_g DECIMAL(5, 2),
            sodium_mg INT,
            images JSONB DEFAULT '[]',
            video_url VARCHAR(500),
            is_available BOOLEAN DEFAULT true,
            is_featured BOOLEAN DEFAULT false,
            scheduled_availability JSONB,
            rating DECIMAL(3, 2) DEFAULT 0.00 CHECK (rating BETWEEN 0 AND 5),
            review_count INT DEFAULT 0,
            meta_title VARCHAR(255),
            meta_description VARCHAR(500),
            created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            created_by UUID,
            tax_rate_basis_points INT NOT NULL DEFAULT 500,
            version INT NOT NULL DEFAULT 1,
            rating_version BIGINT NOT NULL DEFAULT 0,
            deleted_at TIMESTAMP WITH TIME ZONE,
            search_document TSVECTOR GENERATED ALWAYS AS (
                setweight(to_tsvector('english'::regconfig, name), 'A')
                || setweight(to_tsvector('english'::regconfig, words_of(tags) || ' ' || category || ' '
                                                               || coalesce(subcategory, '')), 'B')
                || setweight(to_tsvector('english'::regconfig, coalesce(short_description, '') || ' '
                                                               || coalesce(description, '') || ' '
                                                               || words_of(ingredients)), 'C')
            ) STORED,
            search_words TEXT GENERATED ALWAYS AS (lower(name || ' ' || words_of(tags) || ' ' || category)) STORED,
            CHECK (spice_level IN ('Mild', 'Medium', 'Hot', 'Sweet')),
            CONSTRAINT products_price_not_negative CHECK (price >= 0),
            CONSTRAINT products_tax_class CHECK (tax_rate_basis_points IN (0, 500, 1200, 1800, 2800, 4000))
        )
        """
    )
    op.execute("CREATE INDEX idx_products_category ON products(category)")
    op.execute("CREATE INDEX idx_products_available ON products(is_available)")
    op.execute("CREATE INDEX idx_products_featured ON products(is_featured)")
    op.execute("CREATE INDEX idx_products_rating ON products(rating DESC)")
    op.execute("CREATE INDEX idx_products_tags ON products USING GIN(tags)")
    op.execute("CREATE INDEX idx_products_dietary ON products(is_veg, is_vegan, is_jain)")
    # One index for each sort order, so that every page costs the same.
    op.execute("CREATE INDEX idx_products_by_newest ON products(created_at, id) WHERE deleted_at IS NULL")
    op.execute("CREATE INDEX idx_products_by_name ON products(lower(name), id) WHERE deleted_at IS NULL")
    op.execute("CREATE INDEX idx_products_by_price ON products(price, id) WHERE deleted_at IS NULL")
    op.execute("CREATE INDEX idx_products_by_rating ON products(rating, id) WHERE deleted_at IS NULL")
    op.execute(
        """
        CREATE TABLE product_customizations (
            id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            product_id UUID NOT NULL REFERENCES products(id) ON DELETE CASCADE,
            name VARCHAR(255) NOT NULL,
            type VARCHAR(20) NOT NULL,
            is_required BOOLEAN DEFAULT false,
            display_order INT DEFAULT 0,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            CHECK (type IN ('radio', 'checkbox', 'select'))
        )
        """
    )
    op.execute("CREATE INDEX idx_customizations_product ON product_customizations(product_id)")
    op.execute(
        """
        CREATE TABLE customization_options (
            id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            customization_id UUID NOT NULL REFERENCES product_customizations(id) ON DELETE CASCADE,
            name VARCHAR(255) NOT NULL,
            price_modifier DECIMAL(10, 2) DEFAULT 0.00,
            is_default BOOLEAN DEFAULT false,
            display_order INT DEFAULT 0,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
        )
        """
    )
    op.execute("CREATE INDEX idx_options_customization ON customization_options(customization_id)")
    op.execute(
        """
        CREATE TABLE product_store_offers (
            product_id UUID NOT NULL REFERENCES products(id) ON DELETE CASCADE,
            store_id UUID NOT NULL,
            price DECIMAL(10, 2) CONSTRAINT product_store_offers_price_not_negative CHECK (price >= 0),
            is_available BOOLEAN NOT NULL DEFAULT true,
            updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
            PRIMARY KEY (product_id, store_id)
        )
        """
    )


def _create_search() -> None:
    op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    op.execute("CREATE INDEX idx_products_search_document ON products USING GIN(search_document)")
    op.execute("CREATE INDEX idx_products_search_words ON products USING GIN(search_words gin_trgm_ops)")
    # A function, since its similarity threshold must not apply to other statements of the connection. Exact matches
    # come first; similar products are searched only when exact matches are few. The score is an integer, which page
    # tokens contain.
    op.execute(
        """
        CREATE FUNCTION products_like(wanted TEXT) RETURNS TABLE (product_id UUID, score INT)
        LANGUAGE sql STABLE PARALLEL SAFE SET pg_trgm.word_similarity_threshold = 0.45 AS $$
            WITH exact AS MATERIALIZED (
                SELECT id, (1000000 * (1 + ts_rank(search_document, websearch_to_tsquery('english', wanted))))::int
                           AS score
                FROM products
                WHERE deleted_at IS NULL AND search_document @@ websearch_to_tsquery('english', wanted)
            )
            SELECT id, score FROM exact
            UNION ALL
            SELECT id, (1000000 * word_similarity(lower(wanted), search_words))::int
            FROM products
            WHERE deleted_at IS NULL AND lower(wanted) <% search_words
              AND (SELECT count(*) FROM (SELECT FROM exact LIMIT 10) few) < 10
              AND NOT EXISTS (SELECT FROM exact WHERE exact.id = products.id)
        $$
        """
    )


def _create_purchasing() -> None:
    op.execute(
        """
        CREATE TABLE suppliers (
            id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            name VARCHAR(255) NOT NULL,
            email BYTEA,
            phone BYTEA,
            address BYTEA,
            contact_person VARCHAR(255),
            payment_terms VARCHAR(100),
            tax_id VARCHAR(50),
            is_active BOOLEAN DEFAULT true,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
        )
        """
    )
    op.execute("CREATE INDEX idx_suppliers_active ON suppliers(is_active)")
    op.execute("CREATE INDEX idx_suppliers_by_name ON suppliers(lower(name), id)")
    op.execute(
        """
        CREATE TABLE purchase_orders (
            id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            po_number VARCHAR(50) UNIQUE NOT NULL,
            supplier_id UUID NOT NULL REFERENCES suppliers(id),
            store_id UUID NOT NULL,
            status VARCHAR(50) DEFAULT 'pending',
            subtotal DECIMAL(10, 2) NOT NULL,
            tax DECIMAL(10, 2) DEFAULT 0,
            shipping DECIMAL(10, 2) DEFAULT 0,
            total DECIMAL(10, 2) NOT NULL,
            order_date DATE NOT NULL DEFAULT CURRENT_DATE,
            expected_delivery_date DATE,
            received_date DATE,
            notes TEXT,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            created_by UUID,
            cancellation_reason TEXT,
            CHECK (status IN ('pending', 'confirmed', 'received', 'cancelled'))
        )
        """
    )
    op.execute("CREATE INDEX idx_po_supplier ON purchase_orders(supplier_id)")
    op.execute("CREATE INDEX idx_po_store ON purchase_orders(store_id)")
    op.execute("CREATE INDEX idx_po_status ON purchase_orders(status)")
    op.execute("CREATE INDEX idx_po_by_newest ON purchase_orders(created_at, id)")
    op.execute(
        """
        CREATE TABLE purchase_order_items (
            id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            purchase_order_id UUID NOT NULL REFERENCES purchase_orders(id) ON DELETE CASCADE,
            product_id UUID NOT NULL REFERENCES products(id),
            quantity INT NOT NULL,
            unit_price DECIMAL(10, 2) NOT NULL,
            total_price DECIMAL(10, 2) NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            received_quantity INT NOT NULL DEFAULT 0,
            CONSTRAINT purchase_order_items_received CHECK (received_quantity BETWEEN 0 AND quantity)
        )
        """
    )
    op.execute("CREATE INDEX idx_poi_po ON purchase_order_items(purchase_order_id)")
    op.execute("CREATE INDEX idx_poi_product ON purchase_order_items(product_id)")


def _create_stock() -> None:
    # Every order updates these rows. The fill factor and the absence of indexes on quantities keep updates heap-only.
    op.execute(
        """
        CREATE TABLE inventory (
            id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            product_id UUID NOT NULL REFERENCES products(id) ON DELETE CASCADE,
            store_id UUID NOT NULL,
            current_stock INT NOT NULL DEFAULT 0,
            min_stock INT NOT NULL DEFAULT 10,
            max_stock INT NOT NULL DEFAULT 1000,
            reorder_point INT NOT NULL DEFAULT 20,
            cost_per_unit DECIMAL(10, 2),
            unit VARCHAR(20) NOT NULL DEFAULT 'pieces',
            last_restocked_at TIMESTAMP WITH TIME ZONE,
            last_stock_count_at TIMESTAMP WITH TIME ZONE,
            expiry_date DATE,
            batch_number VARCHAR(100),
            created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
            is_low BOOLEAN NOT NULL GENERATED ALWAYS AS (current_stock <= min_stock) STORED,
            UNIQUE (product_id, store_id),
            CONSTRAINT inventory_stock_not_negative CHECK (current_stock >= 0),
            CONSTRAINT inventory_thresholds CHECK (min_stock >= 0 AND reorder_point >= 0 AND max_stock >= min_stock)
        ) WITH (fillfactor = 70)
        """
    )
    op.execute("CREATE INDEX idx_inventory_store ON inventory(store_id)")
    op.execute("CREATE INDEX idx_inventory_low_stock ON inventory(store_id) WHERE is_low")
    op.execute(
        """
        CREATE TABLE stock_batches (
            id UUID PRIMARY KEY DEFAULT uuidv7(),
            product_id UUID NOT NULL,
            store_id UUID NOT NULL,
            purchase_order_id UUID REFERENCES purchase_orders(id),
            batch_number VARCHAR(100) NOT NULL DEFAULT '',
            expiry_date DATE,
            unit_cost DECIMAL(10, 2),
            received_quantity INT NOT NULL CONSTRAINT stock_batches_received CHECK (received_quantity > 0),
            remaining_quantity INT NOT NULL,
            is_open BOOLEAN NOT NULL GENERATED ALWAYS AS (remaining_quantity > 0) STORED,
            received_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
            FOREIGN KEY (product_id, store_id) REFERENCES inventory(product_id, store_id) ON DELETE CASCADE,
            CONSTRAINT stock_batches_remaining CHECK (remaining_quantity BETWEEN 0 AND received_quantity)
        ) WITH (fillfactor = 80)
        """
    )
    op.execute("CREATE INDEX idx_stock_batches_product ON stock_batches(product_id, store_id, expiry_date, id)")
    op.execute(
        "CREATE INDEX idx_stock_batches_open ON stock_batches(product_id, store_id, expiry_date, id) WHERE is_open"
    )
    op.execute("CREATE INDEX idx_stock_batches_purchase_order ON stock_batches(purchase_order_id)")
    op.execute(
        """
        CREATE TABLE stock_movements (
            id UUID PRIMARY KEY DEFAULT uuidv7(),
            product_id UUID NOT NULL,
            store_id UUID NOT NULL,
            kind VARCHAR(20) NOT NULL,
            quantity INT NOT NULL,
            balance_after INT NOT NULL CONSTRAINT stock_movements_balance CHECK (balance_after >= 0),
            actor_id UUID,
            actor_service VARCHAR(50),
            reason TEXT,
            order_id UUID,
            purchase_order_id UUID,
            created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
            FOREIGN KEY (product_id, store_id) REFERENCES inventory(product_id, store_id) ON DELETE CASCADE,
            CONSTRAINT stock_movements_kind CHECK (
                CASE kind
                    WHEN 'receive' THEN quantity > 0
                    WHEN 'release' THEN quantity > 0
                    WHEN 'return' THEN quantity > 0
                    WHEN 'reserve' THEN quantity < 0
                    WHEN 'spoil' THEN quantity < 0
                    WHEN 'commit' THEN quantity = 0
                    WHEN 'adjust' THEN true
                    ELSE false
                END
            ),
            CONSTRAINT stock_movements_actor CHECK (num_nonnulls(actor_id, actor_service) = 1)
        )
        """
    )
    op.execute("CREATE INDEX idx_stock_movements_product ON stock_movements(product_id, store_id, id)")
    # A 'released' row without lines is the tombstone of a release that arrived before its reservation.
    op.execute(
        """
        CREATE TABLE stock_reservations (
            order_id UUID PRIMARY KEY,
            store_id UUID,
            product_ids UUID[] NOT NULL DEFAULT '{}',
            quantities INT[] NOT NULL DEFAULT '{}',
            status VARCHAR(20) NOT NULL,
            ask_after TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
            created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
            updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
            CONSTRAINT stock_reservations_status CHECK (status IN ('held', 'committed', 'released', 'returned')),
            CONSTRAINT stock_reservations_lines CHECK (
                cardinality(product_ids) = cardinality(quantities)
                AND (status = 'released' OR (store_id IS NOT NULL AND cardinality(product_ids) > 0))
            )
        )
        """
    )
    op.execute("CREATE INDEX idx_stock_reservations_held ON stock_reservations(ask_after) WHERE status = 'held'")
