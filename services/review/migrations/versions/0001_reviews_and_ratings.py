"""Reviews, ratings of products, and delivered items, which are what may be reviewed."""

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
        CREATE TABLE reviews (
            id UUID PRIMARY KEY DEFAULT uuidv7(),
            product_id UUID NOT NULL,
            order_id UUID NOT NULL,
            store_id UUID NOT NULL,
            customer_id UUID,
            rating INT NOT NULL CHECK (rating BETWEEN 1 AND 5),
            title VARCHAR(120) NOT NULL DEFAULT '',
            comment TEXT NOT NULL DEFAULT '',
            edited_at TIMESTAMP WITH TIME ZONE,
            response TEXT,
            responded_by UUID,
            responded_at TIMESTAMP WITH TIME ZONE,
            version INT NOT NULL DEFAULT 1,
            created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
            updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
            UNIQUE (order_id, product_id)
        )
        """
    )
    op.execute("CREATE INDEX idx_reviews_product ON reviews(product_id, id)")
    op.execute("CREATE INDEX idx_reviews_product_rating ON reviews(product_id, rating, id)")
    op.execute("CREATE INDEX idx_reviews_customer ON reviews(customer_id, id) WHERE customer_id IS NOT NULL")
    op.execute(
        """
        CREATE TABLE product_ratings (
            product_id UUID PRIMARY KEY,
            rated_1 INT NOT NULL DEFAULT 0,
            rated_2 INT NOT NULL DEFAULT 0,
            rated_3 INT NOT NULL DEFAULT 0,
            rated_4 INT NOT NULL DEFAULT 0,
            rated_5 INT NOT NULL DEFAULT 0,
            version INT NOT NULL DEFAULT 1,
            updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
            CHECK (least(rated_1, rated_2, rated_3, rated_4, rated_5) >= 0)
        )
        """
    )
    op.execute(
        """
        CREATE TABLE delivered_items (
            order_id UUID NOT NULL,
            product_id UUID NOT NULL,
            customer_id UUID NOT NULL,
            store_id UUID NOT NULL,
            delivered_at TIMESTAMP WITH TIME ZONE NOT NULL,
            PRIMARY KEY (order_id, product_id)
        )
        """
    )
    op.execute("CREATE INDEX idx_delivered_items_customer ON delivered_items(customer_id)")
    op.execute(
        """
        CREATE TABLE erased_customers (
            customer_id UUID PRIMARY KEY,
            erased_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW()
        )
        """
    )
