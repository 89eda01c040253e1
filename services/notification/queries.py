"""Every statement of the notification service."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from chassis.database import sql
from chassis.database.rows import column_definitions, column_names, placeholders, unnest
from services.notification.rows import (
    ClaimedDispatchRow,
    DeferredDispatch,
    DiscardedDispatch,
    FinishedAttempt,
    NewDispatch,
    NewEmployment,
    NewEncryptedFacts,
    NewNotification,
    NewOrderFacts,
    NewTemplateOverride,
    NotificationRow,
    PreferencesRow,
    StartedAttemptRow,
    StoreManagerRow,
    TemplateOverrideRow,
)

# --- notifications ---------------------------------------------------------------------------------------------------

# A whole batch. A notification that exists (same event, recipient and type) stays as it is, with its dispatches.
INSERT_NOTIFICATIONS = sql(
    f"""
    WITH inserted_order_facts AS (
        INSERT INTO order_facts ({column_names(NewOrderFacts)})
        SELECT {column_names(NewOrderFacts, "new")}
        FROM jsonb_to_recordset(%(orders)s) AS new({column_definitions(NewOrderFacts)})
        ON CONFLICT (order_id) DO NOTHING
    ), inserted AS (
        INSERT INTO notifications ({column_names(NewNotification)})
        SELECT {column_names(NewNotification, "new")}
        FROM jsonb_to_recordset(%(notifications)s) AS new({column_definitions(NewNotification)})
        ON CONFLICT (event_id, user_id, template) DO NOTHING
        RETURNING id
    )
    INSERT INTO dispatches ({column_names(NewDispatch)})
    SELECT {column_names(NewDispatch, "new")}
    FROM jsonb_to_recordset(%(dispatches)s) AS new({column_definitions(NewDispatch)})
    JOIN inserted ON inserted.id = new.notification_id
    """  # noqa: S608 - column names of the row types
)
# Inserts nothing when the notification existed already under another id.
INSERT_ENCRYPTED_FACTS = sql(
    f"""
    INSERT INTO sealed_facts ({column_names(NewEncryptedFacts)})
    SELECT id, %(sealed)s, %(expires_at)s FROM notifications WHERE id = %(notification_id)s
    """  # noqa: S608 - column names of the row type
)
GET_NOTIFICATION_ID = sql(
    """
    SELECT id FROM notifications
    WHERE event_id = %(event_id)s AND user_id = %(user_id)s AND template = %(template)s
    """,
    value=UUID,
)
LIST_STORE_MANAGERS = sql(
    """
    SELECT DISTINCT store_id, account_id FROM employments
    WHERE store_id = ANY(%(store_ids)s::uuid[]) AND job = 'manager' AND active
    """,
    row=StoreManagerRow,
)

_SELECT_NOTIFICATIONS = """
    SELECT notification.id, notification.user_id, notification.template, notification.category, notification.facts,
           notification.order_id, notification.store_id, notification.occurred_at, notification.read_at,
           ordered.facts AS order_facts, preference.language,
           (SELECT jsonb_agg(jsonb_build_object(
                       'channel', channel, 'state', state, 'reason', reason, 'attempts', attempts, 'sent_at', sent_at)
                   ORDER BY channel)
            FROM dispatches WHERE notification_id = notification.id) AS dispatches
    FROM notifications notification
    LEFT JOIN order_facts ordered ON ordered.order_id = notification.order_id
    LEFT JOIN preferences preference ON preference.user_id = notification.user_id
"""
# Security notifications are not listed.
_OF_USER = "WHERE notification.user_id = %(user_id)s AND notification.category <> 'security'"
_PAGE = "AND notification.id < %(before)s ORDER BY notification.id DESC LIMIT %(limit)s"

GET_NOTIFICATION = sql(f"{_SELECT_NOTIFICATIONS} WHERE notification.id = %(id)s", row=NotificationRow)
LIST_NOTIFICATIONS = sql(f"{_SELECT_NOTIFICATIONS} {_OF_USER} {_PAGE}", row=NotificationRow)
LIST_UNREAD_NOTIFICATIONS = sql(
    f"{_SELECT_NOTIFICATIONS} {_OF_USER} AND notification.read_at IS NULL {_PAGE}", row=NotificationRow
)
# A notification that is read already keeps its time.
MARK_READ = sql(
    """
    UPDATE notifications SET read_at = coalesce(read_at, now())
    WHERE id = %(id)s AND category <> 'security' AND (%(everything)s OR user_id = %(owner)s)
    RETURNING id
    """,
    value=UUID,
)

# --- deliveries ------------------------------------------------------------------------------------------------------

# A claim expires by itself when its process dies before the first attempt.
CLAIM_DISPATCHES = sql(
    """
    WITH due AS (
        SELECT notification_id, channel FROM dispatches
        WHERE state = 'pending' AND due_at <= now()
        ORDER BY due_at LIMIT %(size)s FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE dispatches SET due_at = now() + %(lease)s::interval, claim = %(claim)s
        FROM due
        WHERE dispatches.notification_id = due.notification_id AND dispatches.channel = due.channel
        RETURNING dispatches.notification_id, dispatches.channel, dispatches.expires_at
    )
    SELECT claimed.notification_id, claimed.channel, claimed.expires_at, notification.user_id, notification.template,
           notification.category, notification.facts, notification.store_id, notification.occurred_at,
           ordered.facts AS order_facts, encrypted.sealed, preference.email, preference.sms, preference.push,
           preference.marketing, preference.quiet_start, preference.quiet_end, preference.quiet_zone,
           preference.language,
           (SELECT jsonb_object_agg(language, jsonb_build_object('subject', subject, 'text', text, 'html', html))
            FROM templates WHERE name = notification.template AND channel = claimed.channel) AS overrides
    FROM claimed
    JOIN notifications notification ON notification.id = claimed.notification_id
    LEFT JOIN order_facts ordered ON ordered.order_id = notification.order_id
    LEFT JOIN sealed_facts encrypted ON encrypted.notification_id = notification.id
    LEFT JOIN preferences preference ON preference.user_id = notification.user_id
    ORDER BY notification.occurred_at, notification.id
    """,
    row=ClaimedDispatchRow,
)
# Committed before the provider is called: a message of a process that dies after this is not sent again.
START_ATTEMPTS = sql(
    """
    UPDATE dispatches SET state = 'sending', attempts = attempts + 1, sending_at = now()
    WHERE notification_id = ANY(%(notification_ids)s::uuid[]) AND channel = %(channel)s AND state = 'pending'
      AND claim = %(claim)s
    RETURNING notification_id, attempts
    """,
    row=StartedAttemptRow,
)
# An attempt that was marked as interrupted and ends after all gets its real outcome.
FINISH_ATTEMPTS = sql(
    f"""
    WITH finished AS (
        UPDATE dispatches
        SET state = new.state, reason = new.reason, due_at = now() + new.retry_delay, claim = NULL,
            sent_at = CASE WHEN new.state = 'sent' THEN now() END
        FROM {unnest(FinishedAttempt)}
        WHERE dispatches.notification_id = new.notification_id AND dispatches.channel = %(channel)s
          AND dispatches.state IN ('sending', 'unknown') AND dispatches.claim = %(claim)s
        RETURNING dispatches.notification_id, dispatches.channel, dispatches.attempts, dispatches.sending_at, new.state,
                  new.reason, new.outcome, new.reply
    ), logged AS (
        INSERT INTO deliveries (notification_id, channel, attempt, outcome, reason, reply, attempted_at)
        SELECT notification_id, channel, attempts, outcome, reason, reply, sending_at FROM finished
    )
    DELETE FROM sealed_facts USING finished
    WHERE sealed_facts.notification_id = finished.notification_id AND finished.state <> 'pending'
    """  # noqa: S608 - column names of the row type
)
# For a provider that cannot be reached: the attempt does not count.
POSTPONE_DISPATCHES = sql(
    """
    UPDATE dispatches
    SET state = 'pending', due_at = now() + %(delay)s::interval, claim = NULL,
        attempts = attempts - (state = 'sending')::int
    WHERE notification_id = ANY(%(notification_ids)s::uuid[]) AND claim = %(claim)s AND state IN ('pending', 'sending')
      AND channel = ANY(%(channels)s::text[])
    """
)
DISCARD_DISPATCHES = sql(
    f"""
    WITH discarded AS (
        UPDATE dispatches SET state = new.state, reason = new.reason, claim = NULL
        FROM {unnest(DiscardedDispatch)}
        WHERE dispatches.notification_id = new.notification_id AND dispatches.channel = new.channel
          AND dispatches.state = 'pending' AND dispatches.claim = %(claim)s
        RETURNING dispatches.notification_id, dispatches.channel, dispatches.attempts, new.state, new.reason
    ), logged AS (
        INSERT INTO deliveries (notification_id, channel, attempt, outcome, reason, attempted_at)
        SELECT notification_id, channel, attempts, state, reason, now() FROM discarded
    )
    DELETE FROM sealed_facts USING discarded WHERE sealed_facts.notification_id = discarded.notification_id
    """  # noqa: S608 - column names of the row type
)
DEFER_DISPATCHES = sql(
    f"""
    UPDATE dispatches SET due_at = new.due_at, claim = NULL
    FROM {unnest(DeferredDispatch)}
    WHERE dispatches.notification_id = new.notification_id AND dispatches.channel = new.channel
      AND dispatches.state = 'pending' AND dispatches.claim = %(claim)s
    """  # noqa: S608 - column names of the row type
)
# Returns the number of interrupted attempts.
MARK_INTERRUPTED = sql(
    """
    WITH interrupted AS (
        UPDATE dispatches SET state = 'unknown', reason = 'INTERRUPTED'
        WHERE state = 'sending' AND sending_at < now() - %(after)s::interval
        RETURNING notification_id, channel, attempts, sending_at
    ), logged AS (
        INSERT INTO deliveries (notification_id, channel, attempt, outcome, reason, attempted_at)
        SELECT notification_id, channel, attempts, 'unknown', 'INTERRUPTED', sending_at FROM interrupted
    ), deleted AS (
        DELETE FROM sealed_facts USING interrupted WHERE sealed_facts.notification_id = interrupted.notification_id
    )
    SELECT count(*) FROM interrupted
    """,
    value=int,
)

# --- preferences -----------------------------------------------------------------------------------------------------

GET_PREFERENCES = sql(
    f"SELECT {column_names(PreferencesRow)} FROM preferences WHERE user_id = %(user_id)s",  # noqa: S608 - of the row type
    row=PreferencesRow,
)
# Without a row, what the request leaves out gets its default.
UPDATE_PREFERENCES = sql(
    f"""
    INSERT INTO preferences AS present
        (user_id, email, sms, push, marketing, quiet_start, quiet_end, quiet_zone, language)
    VALUES (%(user_id)s, coalesce(%(email)s::boolean, true), coalesce(%(sms)s::boolean, true),
            coalesce(%(push)s::boolean, true), coalesce(%(marketing)s::boolean, false),
            %(quiet_start)s::time, %(quiet_end)s::time, %(quiet_zone)s::text, %(language)s::text)
    ON CONFLICT (user_id) DO UPDATE
    SET email = coalesce(%(email)s::boolean, present.email),
        sms = coalesce(%(sms)s::boolean, present.sms),
        push = coalesce(%(push)s::boolean, present.push),
        marketing = coalesce(%(marketing)s::boolean, present.marketing),
        quiet_start = CASE WHEN %(changes_quiet_hours)s THEN %(quiet_start)s::time ELSE present.quiet_start END,
        quiet_end = CASE WHEN %(changes_quiet_hours)s THEN %(quiet_end)s::time ELSE present.quiet_end END,
        quiet_zone = CASE WHEN %(changes_quiet_hours)s THEN %(quiet_zone)s::text ELSE present.quiet_zone END,
        language = coalesce(%(language)s::text, present.language),
        version = present.version + 1,
        updated_at = now()
    RETURNING {column_names(PreferencesRow)}
    """,  # noqa: S608 - column names of the row type
    row=PreferencesRow,
)

# --- templates -------------------------------------------------------------------------------------------------------

LIST_TEMPLATE_OVERRIDES = sql(
    f"SELECT {column_names(TemplateOverrideRow)} FROM templates",  # noqa: S608 - column names of the row type
    row=TemplateOverrideRow,
)
UPSERT_TEMPLATE_OVERRIDE = sql(
    f"""
    INSERT INTO templates ({column_names(NewTemplateOverride)}) VALUES ({placeholders(NewTemplateOverride)})
    ON CONFLICT (name, channel, language) DO UPDATE
    SET subject = excluded.subject, text = excluded.text, html = excluded.html, updated_by = excluded.updated_by,
        updated_at = now()
    RETURNING updated_at
    """,  # noqa: S608 - column names of the row type
    value=datetime,
)
DELETE_TEMPLATE_OVERRIDE = sql(
    "DELETE FROM templates WHERE name = %(name)s AND channel = %(channel)s AND language = %(language)s"
)

# --- employments -----------------------------------------------------------------------------------------------------

# An older event does not overwrite a newer one.
UPSERT_EMPLOYMENT = sql(
    f"""
    INSERT INTO employments ({column_names(NewEmployment)}) VALUES ({placeholders(NewEmployment)})
    ON CONFLICT (staff_id) DO UPDATE
    SET account_id = excluded.account_id, store_id = excluded.store_id, job = excluded.job, active = excluded.active,
        version = excluded.version
    WHERE employments.version < excluded.version
    """  # noqa: S608 - column names of the row type
)

# --- retention -------------------------------------------------------------------------------------------------------

DELETE_NOTIFICATIONS_OF_USER = sql("DELETE FROM notifications WHERE user_id = %(user_id)s")
DELETE_PREFERENCES_OF_USER = sql("DELETE FROM preferences WHERE user_id = %(user_id)s")
DELETE_EMPLOYMENTS_OF_USER = sql("DELETE FROM employments WHERE account_id = %(user_id)s")
DELETE_OLD_NOTIFICATIONS = sql(
    """
    DELETE FROM notifications
    WHERE id IN (SELECT id FROM notifications WHERE created_at < now() - %(keep)s::interval LIMIT 5000)
    """
)
DELETE_OLD_ORDER_FACTS = sql(
    """
    DELETE FROM order_facts
    WHERE order_id IN (SELECT order_id FROM order_facts WHERE created_at < now() - %(keep)s::interval LIMIT 5000)
    """
)
DELETE_EXPIRED_FACTS = sql("DELETE FROM sealed_facts WHERE expires_at < now() - interval '1 hour'")
