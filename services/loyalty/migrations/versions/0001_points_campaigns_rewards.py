"""Points, tiers, campaigns, coupons and rewards."""

from alembic import op

from chassis.database.migrations import create_chassis_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIERS = """
    CREATE TABLE tiers (
        name VARCHAR(20) PRIMARY KEY,
        rank INT NOT NULL UNIQUE CHECK (rank >= 0),
        min_spend DECIMAL(10, 2) NOT NULL CHECK (min_spend >= 0),
        multiplier_basis_points INT NOT NULL CHECK (multiplier_basis_points >= 10000),
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW()
    )
"""

# What the programme starts with; administrators change it by PUT /api/loyalty/tiers/{tier}.
FIRST_TIERS = """
    INSERT INTO tiers (name, rank, min_spend, multiplier_basis_points) VALUES
        ('Bronze', 0, 0, 10000),
        ('Silver', 1, 5000, 12500),
        ('Gold', 2, 20000, 15000),
        ('Platinum', 3, 50000, 20000)
"""

ACCOUNTS = """
    CREATE TABLE loyalty_accounts (
        customer_id UUID PRIMARY KEY,
        balance INT NOT NULL DEFAULT 0 CHECK (balance >= 0),
        held INT NOT NULL DEFAULT 0 CHECK (held >= 0),
        owed INT NOT NULL DEFAULT 0 CHECK (owed >= 0),
        tier VARCHAR(20) NOT NULL DEFAULT 'Bronze' REFERENCES tiers(name),
        referral_code VARCHAR(20) UNIQUE,
        last_order_at TIMESTAMP WITH TIME ZONE,
        version INT NOT NULL DEFAULT 0,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
        erased_at TIMESTAMP WITH TIME ZONE,

        CHECK (held <= balance)
    );
    CREATE INDEX idx_loyalty_accounts_tier ON loyalty_accounts(tier)
"""

TRANSACTIONS = """
    CREATE TABLE loyalty_transactions (
        id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
        customer_id UUID NOT NULL,
        type VARCHAR(50) NOT NULL,
        points INT NOT NULL,
        description TEXT,
        order_id UUID,
        campaign_id UUID,
        balance_after INT NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
        seq BIGINT NOT NULL GENERATED ALWAYS AS IDENTITY,
        actor_id UUID,

        CHECK (type IN ('earn', 'redeem', 'expire', 'bonus', 'adjustment'))
    );
    -- Begins with customer_id, so it also serves what idx_loyalty_customer would.
    CREATE INDEX idx_loyalty_customer_seq ON loyalty_transactions(customer_id, seq DESC);
    CREATE INDEX idx_loyalty_order ON loyalty_transactions(order_id);
    CREATE INDEX idx_loyalty_created ON loyalty_transactions(created_at DESC)
"""

# The ledger is append-only for everybody, the service's own login included. Only a description, which may hold what
# an administrator wrote about a person, can be blanked when that person's account is erased.
APPEND_ONLY = """
    CREATE FUNCTION refuse_ledger_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' AND NEW.description IS NULL THEN
            NEW.description := OLD.description;
            IF NEW IS NOT DISTINCT FROM OLD THEN
                NEW.description := NULL;
                RETURN NEW;
            END IF;
        END IF;
        RAISE EXCEPTION 'loyalty_transactions is append-only';
    END
    $$;
    CREATE TRIGGER loyalty_transactions_append_only BEFORE UPDATE OR DELETE ON loyalty_transactions
        FOR EACH ROW EXECUTE FUNCTION refuse_ledger_change();
    CREATE TRIGGER loyalty_transactions_no_truncate BEFORE TRUNCATE ON loyalty_transactions
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change()
"""

LOTS = """
    CREATE TABLE point_lots (
        id UUID PRIMARY KEY DEFAULT uuidv7(),
        customer_id UUID NOT NULL REFERENCES loyalty_accounts(customer_id),
        transaction_id UUID NOT NULL REFERENCES loyalty_transactions(id),
        points INT NOT NULL CHECK (points > 0),
        remaining INT NOT NULL,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),

        CHECK (remaining BETWEEN 0 AND points)
    );
    CREATE INDEX idx_point_lots_customer ON point_lots(customer_id, expires_at);
    CREATE INDEX idx_point_lots_transaction ON point_lots(transaction_id);
    CREATE INDEX idx_point_lots_expiry ON point_lots(expires_at) WHERE remaining > 0
"""

CAMPAIGNS = """
    CREATE TABLE campaigns (
        id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
        name VARCHAR(255) NOT NULL,
        code VARCHAR(50) UNIQUE,
        description TEXT,
        type VARCHAR(50) NOT NULL,
        discount_type VARCHAR(20),
        discount_value DECIMAL(10, 2),
        min_order_value DECIMAL(10, 2),
        max_discount DECIMAL(10, 2),
        applicable_products UUID[],
        applicable_categories VARCHAR(100)[],
        customer_segments VARCHAR(50)[],
        usage_limit INT,
        usage_per_customer INT DEFAULT 1,
        current_usage INT DEFAULT 0,
        start_date TIMESTAMP WITH TIME ZONE NOT NULL,
        end_date TIMESTAMP WITH TIME ZONE NOT NULL,
        is_active BOOLEAN DEFAULT true,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
        updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
        bonus_points INT CHECK (bonus_points > 0),
        is_listed BOOLEAN NOT NULL DEFAULT true,

        CHECK (type IN ('discount', 'bogo', 'free_delivery', 'loyalty_bonus', 'referral')),
        CHECK (discount_type IN ('percentage', 'fixed', 'free_delivery', 'free_item')),
        -- The limit holds even where a statement forgets its guard.
        CONSTRAINT campaigns_usage_within_limit CHECK (current_usage >= 0 AND current_usage <= usage_limit),
        CONSTRAINT campaigns_end_after_start CHECK (end_date > start_date)
    );
    CREATE INDEX idx_campaigns_active ON campaigns(is_active, start_date, end_date);
    CREATE INDEX idx_campaigns_end ON campaigns(end_date, id)
"""

CAMPAIGN_USAGE = """
    CREATE TABLE campaign_usage (
        id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
        campaign_id UUID NOT NULL REFERENCES campaigns(id),
        customer_id UUID NOT NULL,
        order_id UUID NOT NULL,
        discount_applied DECIMAL(10, 2) NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),

        CONSTRAINT campaign_usage_once_per_order UNIQUE (order_id, campaign_id)
    );
    CREATE INDEX idx_campaign_usage_campaign ON campaign_usage(campaign_id);
    CREATE INDEX idx_campaign_usage_customer ON campaign_usage(customer_id)
"""

CAMPAIGN_CUSTOMERS = """
    CREATE TABLE campaign_customers (
        campaign_id UUID NOT NULL REFERENCES campaigns(id) ON DELETE CASCADE,
        customer_id UUID NOT NULL,
        uses INT NOT NULL DEFAULT 0 CHECK (uses >= 0),

        PRIMARY KEY (campaign_id, customer_id)
    )
"""

REWARDS = """
    CREATE TABLE rewards (
        id UUID PRIMARY KEY DEFAULT uuidv7(),
        name VARCHAR(255) NOT NULL,
        description TEXT,
        points_cost INT NOT NULL CHECK (points_cost > 0),
        discount_type VARCHAR(20) NOT NULL,
        discount_value DECIMAL(10, 2),
        min_order_value DECIMAL(10, 2),
        max_discount DECIMAL(10, 2),
        applicable_products UUID[],
        min_tier VARCHAR(20) NOT NULL DEFAULT 'Bronze' REFERENCES tiers(name),
        stock INT CHECK (stock >= 0),
        valid_days INT NOT NULL DEFAULT 30 CHECK (valid_days > 0),
        is_active BOOLEAN NOT NULL DEFAULT true,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),

        CHECK (discount_type IN ('percentage', 'fixed', 'free_delivery', 'free_item'))
    );
    CREATE INDEX idx_rewards_cost ON rewards(points_cost, id);
    CREATE INDEX idx_rewards_min_tier ON rewards(min_tier)
"""

REDEMPTIONS = """
    CREATE TABLE redemptions (
        id UUID PRIMARY KEY DEFAULT uuidv7(),
        customer_id UUID NOT NULL REFERENCES loyalty_accounts(customer_id),
        reward_id UUID NOT NULL REFERENCES rewards(id),
        reward_name VARCHAR(255) NOT NULL,
        points INT NOT NULL CHECK (points > 0),
        code VARCHAR(50) NOT NULL UNIQUE,
        discount_type VARCHAR(20) NOT NULL,
        discount_value DECIMAL(10, 2),
        min_order_value DECIMAL(10, 2),
        max_discount DECIMAL(10, 2),
        applicable_products UUID[],
        status VARCHAR(20) NOT NULL DEFAULT 'issued',
        order_id UUID,
        expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),

        CHECK (status IN ('issued', 'held', 'used')),
        CHECK ((status = 'issued') = (order_id IS NULL))
    );
    CREATE INDEX idx_redemptions_customer ON redemptions(customer_id, id DESC);
    CREATE INDEX idx_redemptions_reward ON redemptions(reward_id)
"""

RESERVATIONS = """
    CREATE TABLE benefit_reservations (
        order_id UUID PRIMARY KEY,
        state VARCHAR(20) NOT NULL,
        customer_id UUID REFERENCES loyalty_accounts(customer_id),
        store_id UUID,
        coupon_code VARCHAR(50),
        campaign_id UUID REFERENCES campaigns(id),
        redemption_id UUID REFERENCES redemptions(id),
        referrer_id UUID REFERENCES loyalty_accounts(customer_id),
        coupon_discount DECIMAL(10, 2) NOT NULL DEFAULT 0 CHECK (coupon_discount >= 0),
        free_delivery BOOLEAN NOT NULL DEFAULT false,
        discount_applied DECIMAL(10, 2) NOT NULL DEFAULT 0,
        points INT NOT NULL DEFAULT 0 CHECK (points >= 0),
        points_discount DECIMAL(10, 2) NOT NULL DEFAULT 0 CHECK (points_discount >= 0),
        points_returned INT NOT NULL DEFAULT 0,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
        updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),

        CHECK (state IN ('reserved', 'used', 'released', 'returned')),
        -- Without a customer it is the mark that a release left for a reservation that comes too late.
        CHECK (customer_id IS NOT NULL OR state = 'released'),
        CHECK (points_returned BETWEEN 0 AND points)
    );
    CREATE INDEX idx_benefit_reservations_customer ON benefit_reservations(customer_id);
    CREATE INDEX idx_benefit_reservations_campaign ON benefit_reservations(campaign_id);
    CREATE INDEX idx_benefit_reservations_redemption ON benefit_reservations(redemption_id);
    CREATE INDEX idx_benefit_reservations_referrer ON benefit_reservations(referrer_id);
    CREATE INDEX idx_benefit_reservations_open ON benefit_reservations(created_at) WHERE state = 'reserved'
"""

HOLDS = """
    CREATE TABLE point_holds (
        order_id UUID NOT NULL REFERENCES benefit_reservations(order_id) ON DELETE CASCADE,
        lot_id UUID NOT NULL REFERENCES point_lots(id),
        points INT NOT NULL CHECK (points > 0),
        returned INT NOT NULL DEFAULT 0,

        PRIMARY KEY (order_id, lot_id),
        CHECK (returned BETWEEN 0 AND points)
    );
    CREATE INDEX idx_point_holds_lot ON point_holds(lot_id)
"""

ORDER_POINTS = """
    CREATE TABLE order_points (
        order_id UUID PRIMARY KEY,
        customer_id UUID NOT NULL REFERENCES loyalty_accounts(customer_id),
        order_number VARCHAR(50),
        total DECIMAL(10, 2) NOT NULL DEFAULT 0,
        delivered_at TIMESTAMP WITH TIME ZONE,
        captured DECIMAL(10, 2) NOT NULL DEFAULT 0,
        refunded DECIMAL(10, 2) NOT NULL DEFAULT 0,
        earned INT NOT NULL DEFAULT 0 CHECK (earned >= 0),
        reversed INT NOT NULL DEFAULT 0,
        referrer_id UUID REFERENCES loyalty_accounts(customer_id),
        referrer_points INT NOT NULL DEFAULT 0 CHECK (referrer_points >= 0),
        referrer_reversed INT NOT NULL DEFAULT 0,
        created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),

        CHECK (reversed BETWEEN 0 AND earned),
        CHECK (referrer_reversed BETWEEN 0 AND referrer_points)
    );
    CREATE INDEX idx_order_points_customer ON order_points(customer_id, delivered_at);
    CREATE INDEX idx_order_points_referrer ON order_points(referrer_id)
"""

GUESSES = """
    CREATE TABLE coupon_guesses (
        guesser BYTEA PRIMARY KEY,
        misses INT NOT NULL,
        until TIMESTAMP WITH TIME ZONE NOT NULL
    );
    CREATE INDEX idx_coupon_guesses_until ON coupon_guesses(until)
"""

STEPS = [
    TIERS,
    FIRST_TIERS,
    ACCOUNTS,
    TRANSACTIONS,
    APPEND_ONLY,
    LOTS,
    CAMPAIGNS,
    CAMPAIGN_USAGE,
    CAMPAIGN_CUSTOMERS,
    REWARDS,
    REDEMPTIONS,
    RESERVATIONS,
    HOLDS,
    ORDER_POINTS,
    GUESSES,
]


def upgrade() -> None:
    create_chassis_tables()
    for step in STEPS:
        op.execute(step)
