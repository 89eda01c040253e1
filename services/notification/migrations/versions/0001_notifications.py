"""Notifications, their dispatches, the delivery log, templates and preferences.

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


def upgrade() -> None:
    create_chassis_tables()
    _create_notifications()
    _create_preferences_and_templates()
    _create_copies()
    _create_partitions()


def _create_notifications() -> None:
    op.execute(
        """
        CREATE TABLE notifications (
            id UUID PRIMARY KEY DEFAULT uuidv7(),
            event_id UUID NOT NULL,
            user_id UUID NOT NULL,
            template VARCHAR(50) NOT NULL,
            category VARCHAR(20) NOT NULL,
            facts JSONB NOT NULL,
            order_id UUID,
            store_id UUID,
            sent_by UUID,
            sent_because VARCHAR(500),
            occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
            read_at TIMESTAMP WITH TIME ZONE,
            UNIQUE (event_id, user_id, template),
            CHECK (category IN ('security', 'order', 'account', 'loyalty', 'operations', 'marketing'))
        );
        CREATE INDEX idx_notifications_user ON notifications(user_id, id) WHERE category <> 'security';
        CREATE INDEX idx_notifications_order ON notifications(order_id) WHERE order_id IS NOT NULL;
        CREATE INDEX idx_notifications_created_at ON notifications(created_at);

        CREATE TABLE dispatches (
            notification_id UUID NOT NULL REFERENCES notifications(id) ON DELETE CASCADE,
            channel VARCHAR(10) NOT NULL,
            state VARCHAR(10) NOT NULL DEFAULT 'pending',
            reason VARCHAR(30),
            attempts SMALLINT NOT NULL DEFAULT 0,
            due_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
            expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
            claim UUID,
            sending_at TIMESTAMP WITH TIME ZONE,
            sent_at TIMESTAMP WITH TIME ZONE,
            PRIMARY KEY (notification_id, channel),
            CHECK (channel IN ('email', 'sms', 'push')),
            CHECK (state IN ('pending', 'sending', 'sent', 'failed', 'skipped', 'unknown'))
        );
        CREATE INDEX idx_dispatches_due ON dispatches(due_at) WHERE state = 'pending';
        CREATE INDEX idx_dispatches_sending ON dispatches(sending_at) WHERE state = 'sending';

        CREATE TABLE deliveries (
            id UUID NOT NULL DEFAULT uuidv7(),
            notification_id UUID NOT NULL,
            channel VARCHAR(10) NOT NULL,
            attempt SMALLINT NOT NULL,
            outcome VARCHAR(10) NOT NULL,
            reason VARCHAR(30),
            reply VARCHAR(20),
            attempted_at TIMESTAMP WITH TIME ZONE NOT NULL,
            PRIMARY KEY (attempted_at, id)
        ) PARTITION BY RANGE (attempted_at);
        CREATE INDEX idx_deliveries_notification ON deliveries(notification_id);

        CREATE TABLE sealed_facts (
            notification_id UUID PRIMARY KEY REFERENCES notifications(id) ON DELETE CASCADE,
            sealed BYTEA NOT NULL,
            expires_at TIMESTAMP WITH TIME ZONE NOT NULL
        );
        CREATE INDEX idx_sealed_facts_expires_at ON sealed_facts(expires_at);
        """
    )


def _create_preferences_and_templates() -> None:
    op.execute(
        """
        CREATE TABLE preferences (
            user_id UUID PRIMARY KEY,
            email BOOLEAN NOT NULL DEFAULT true,
            sms BOOLEAN NOT NULL DEFAULT true,
            push BOOLEAN NOT NULL DEFAULT true,
            marketing BOOLEAN NOT NULL DEFAULT false,
            quiet_start TIME,
            quiet_end TIME,
            quiet_zone VARCHAR(50),
            language VARCHAR(10),
            version INTEGER NOT NULL DEFAULT 1,
            updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
            CHECK ((quiet_start IS NULL) = (quiet_end IS NULL) AND (quiet_start IS NULL) = (quiet_zone IS NULL))
        );

        CREATE TABLE templates (
            name VARCHAR(50) NOT NULL,
            channel VARCHAR(10) NOT NULL,
            language VARCHAR(10) NOT NULL,
            subject TEXT NOT NULL,
            text TEXT NOT NULL,
            html TEXT NOT NULL,
            updated_by UUID NOT NULL,
            updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
            PRIMARY KEY (name, channel, language),
            CHECK (channel IN ('email', 'sms', 'push'))
        );
        """
    )


def _create_copies() -> None:
    op.execute(
        """
        CREATE TABLE order_facts (
            order_id UUID PRIMARY KEY,
            facts JSONB NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now()
        );
        CREATE INDEX idx_order_facts_created_at ON order_facts(created_at);

        CREATE TABLE employments (
            staff_id UUID PRIMARY KEY,
            account_id UUID NOT NULL,
            store_id UUID NOT NULL,
            job VARCHAR(20) NOT NULL,
            active BOOLEAN NOT NULL,
            version INTEGER NOT NULL
        );
        CREATE INDEX idx_employments_store ON employments(store_id, job) WHERE active;
        CREATE INDEX idx_employments_account ON employments(account_id);
        """
    )


def _create_partitions() -> None:
    """Monthly partitions of the delivery log."""
    create_keep_months()
    op.execute("SELECT keep_months('deliveries', 2, 13)")
