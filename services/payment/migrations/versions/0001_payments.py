"""Creates the tables of payments, attempts, messages of gateways, refunds, saved methods and order outcomes."""

from alembic import op

from chassis.database.migrations import create_chassis_tables

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_chassis_tables()
    _payments()
    _attempts()
    _events()
    _refunds()
    _refund_cap()
    op.execute(
        """
        CREATE TABLE payment_methods (
            id UUID PRIMARY KEY DEFAULT uuidv7(),
            customer_id UUID NOT NULL,
            payment_method VARCHAR(50) NOT NULL,
            provider VARCHAR(50) NOT NULL,
            token BYTEA NOT NULL,
            token_index BYTEA NOT NULL,
            token_index_next BYTEA NOT NULL,
            network VARCHAR(50),
            last4 VARCHAR(4) CONSTRAINT payment_methods_last4_check CHECK (last4 ~ '^[0-9]{4}$'),
            created_at TIMESTAMPTZ NOT NULL DEFAULT now()
        );
        CREATE UNIQUE INDEX payment_methods_token ON payment_methods (provider, customer_id, token_index);
        CREATE UNIQUE INDEX payment_methods_token_next ON payment_methods (provider, customer_id, token_index_next);
        CREATE INDEX payment_methods_customer ON payment_methods (customer_id);

        CREATE TABLE order_outcomes (
            order_id UUID PRIMARY KEY,
            outcome TEXT NOT NULL CONSTRAINT order_outcomes_outcome_check CHECK (outcome IN ('cancelled', 'delivered')),
            actor UUID,
            recorded_at TIMESTAMPTZ NOT NULL DEFAULT now()
        );
        """
    )


def _payments() -> None:
    # An order has one payment, so the index on order_id is unique.
    op.execute(
        """
        CREATE TABLE payments (
            id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            payment_id VARCHAR(100) UNIQUE NOT NULL,
            order_id UUID NOT NULL,
            customer_id UUID NOT NULL,
            payment_method VARCHAR(50) NOT NULL,
            provider VARCHAR(50),
            amount DECIMAL(10, 2) NOT NULL,
            currency VARCHAR(10) DEFAULT 'INR',
            status VARCHAR(50) DEFAULT 'pending',
            failure_reason TEXT,
            gateway_response JSONB,
            transaction_id VARCHAR(255),
            initiated_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
            completed_at TIMESTAMP WITH TIME ZONE,
            failed_at TIMESTAMP WITH TIME ZONE,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
            store_id UUID NOT NULL,
            order_number VARCHAR(50) NOT NULL,
            provider_order_id VARCHAR(255),
            expires_at TIMESTAMPTZ,
            captured_amount DECIMAL(10, 2) NOT NULL DEFAULT 0,
            refunded_amount DECIMAL(10, 2) NOT NULL DEFAULT 0,
            version INT NOT NULL DEFAULT 1,
            check_at TIMESTAMPTZ,
            checks INT NOT NULL DEFAULT 0,
            order_check_at TIMESTAMPTZ,
            CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'refunded', 'cancelled')),
            CHECK (payment_method IN ('upi', 'card', 'netbanking', 'cod', 'wallet', 'emi')),
            CONSTRAINT payments_amount_not_negative CHECK (amount >= 0),
            CONSTRAINT payments_captured_exactly CHECK (captured_amount IN (0, amount)),
            CONSTRAINT payments_refunded_within_captured CHECK (refunded_amount BETWEEN 0 AND captured_amount)
        );
        CREATE UNIQUE INDEX idx_payments_order ON payments (order_id);
        CREATE INDEX idx_payments_customer ON payments (customer_id);
        CREATE INDEX idx_payments_status ON payments (status);
        CREATE INDEX idx_payments_created ON payments (created_at DESC);
        CREATE UNIQUE INDEX payments_provider_order ON payments (provider, provider_order_id);
        CREATE INDEX payments_due_check ON payments (check_at) WHERE check_at IS NOT NULL;
        CREATE INDEX payments_due_order_check ON payments (order_check_at) WHERE order_check_at IS NOT NULL;
        """
    )


def _attempts() -> None:
    op.execute(
        """
        CREATE TABLE payment_attempts (
            id UUID PRIMARY KEY DEFAULT uuidv7(),
            payment_id UUID NOT NULL REFERENCES payments(id),
            provider VARCHAR(50) NOT NULL,
            transaction_id VARCHAR(255) NOT NULL,
            payment_method VARCHAR(50) NOT NULL,
            amount DECIMAL(14, 2) NOT NULL,
            currency VARCHAR(10) NOT NULL,
            status VARCHAR(50) NOT NULL,
            failure_reason TEXT,
            kept BOOLEAN NOT NULL DEFAULT false,
            captured_amount DECIMAL(14, 2) NOT NULL DEFAULT 0,
            refunded_amount DECIMAL(14, 2) NOT NULL DEFAULT 0,
            actor UUID,
            created_at TIMESTAMPTZ NOT NULL DEFAULT now(),
            updated_at TIMESTAMPTZ NOT NULL DEFAULT now(),
            CHECK (status IN ('authorized', 'failed', 'mismatched', 'captured')),
            CONSTRAINT payment_attempts_refunded_within_captured
                CHECK (refunded_amount BETWEEN 0 AND captured_amount),
            CONSTRAINT payment_attempts_kept_is_captured CHECK (NOT kept OR status = 'captured')
        );
        CREATE UNIQUE INDEX payment_attempts_transaction ON payment_attempts (provider, transaction_id);
        CREATE INDEX payment_attempts_payment ON payment_attempts (payment_id);
        CREATE UNIQUE INDEX payment_attempts_kept ON payment_attempts (payment_id) WHERE kept;
        """
    )


def _events() -> None:
    op.execute(
        """
        CREATE TABLE payment_events (
            id UUID PRIMARY KEY DEFAULT uuidv7(),
            provider VARCHAR(50) NOT NULL,
            event_id VARCHAR(255) NOT NULL,
            digest BYTEA NOT NULL,
            type VARCHAR(100) NOT NULL,
            payment_id UUID REFERENCES payments(id),
            transaction_id VARCHAR(255),
            outcome VARCHAR(50) NOT NULL,
            details JSONB NOT NULL,
            received_at TIMESTAMPTZ NOT NULL DEFAULT now()
        );
        CREATE UNIQUE INDEX payment_events_event ON payment_events (provider, event_id);
        CREATE UNIQUE INDEX payment_events_digest ON payment_events (provider, digest);
        CREATE INDEX payment_events_payment ON payment_events (payment_id, received_at);

        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
        END $$;
        CREATE TRIGGER payment_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON payment_events
            FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
        """
    )


def _refunds() -> None:
    op.execute(
        """
        CREATE TABLE refunds (
            id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
            refund_id VARCHAR(100) UNIQUE NOT NULL,
            payment_id UUID NOT NULL REFERENCES payments(id),
            order_id UUID NOT NULL,
            amount DECIMAL(10, 2) NOT NULL,
            reason TEXT,
            status VARCHAR(50) DEFAULT 'pending',
            gateway_refund_id VARCHAR(255),
            gateway_response JSONB,
            initiated_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
            completed_at TIMESTAMP WITH TIME ZONE,
            created_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
            updated_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
            attempt_id UUID NOT NULL REFERENCES payment_attempts(id),
            automatic BOOLEAN NOT NULL DEFAULT false,
            cash BOOLEAN NOT NULL DEFAULT false,
            requested_by UUID,
            tries INT NOT NULL DEFAULT 0,
            try_at TIMESTAMPTZ NOT NULL DEFAULT now(),
            CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
            CONSTRAINT refunds_amount_positive CHECK (amount > 0)
        );
        CREATE INDEX idx_refunds_payment ON refunds (payment_id);
        CREATE INDEX idx_refunds_order ON refunds (order_id);
        CREATE INDEX refunds_attempt ON refunds (attempt_id);
        CREATE UNIQUE INDEX refunds_gateway_refund ON refunds (attempt_id, gateway_refund_id);
        CREATE INDEX refunds_due ON refunds (try_at) WHERE status IN ('pending', 'processing');
        """
    )


def _refund_cap() -> None:
    # The attempt stores the sum of its refunds that have not failed. A CHECK caps it at the captured amount, so that no
    # code can exceed it.
    op.execute(
        """
        CREATE FUNCTION count_refund() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
            before NUMERIC := 0;
            after NUMERIC := 0;
            of_attempt UUID;
        BEGIN
            IF TG_OP <> 'INSERT' THEN
                of_attempt := OLD.attempt_id;
                IF OLD.status IS DISTINCT FROM 'failed' THEN before := OLD.amount; END IF;
            END IF;
            IF TG_OP <> 'DELETE' THEN
                IF of_attempt IS DISTINCT FROM NEW.attempt_id AND of_attempt IS NOT NULL THEN
                    RAISE EXCEPTION 'a refund stays with its attempt' USING ERRCODE = 'restrict_violation';
                END IF;
                of_attempt := NEW.attempt_id;
                IF NEW.status IS DISTINCT FROM 'failed' THEN after := NEW.amount; END IF;
            END IF;
            IF before <> after THEN
                WITH attempt AS (
                    UPDATE payment_attempts SET refunded_amount = refunded_amount + after - before, updated_at = now()
                    WHERE id = of_attempt RETURNING payment_id, kept
                )
                UPDATE payments SET refunded_amount = refunded_amount + after - before, updated_at = now()
                FROM attempt WHERE payments.id = attempt.payment_id AND attempt.kept;
            END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER refunds_within_capture AFTER INSERT OR UPDATE OR DELETE ON refunds
            FOR EACH ROW EXECUTE FUNCTION count_refund();
        """
    )
