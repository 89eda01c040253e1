"""Every statement of notification."""

from __future__ import annotations

from chassis.database import sql

# --- telling -------------------------------------------------------------------------------------------------------

# One statement for a batch: what was told already (same event, person, message) is left as it is.
TELL = sql(
    """
    WITH ordered AS (
        INSERT INTO order_facts (order_id, facts)
        SELECT * FROM unnest(%(order_ids)s::uuid[], %(order_facts)s::jsonb[])
        ON CONFLICT (order_id) DO NOTHING
    ), news AS (
        SELECT * FROM jsonb_to_recordset(%(rows)s) AS row(
            id uuid, event_id uuid, user_id uuid, template text, category text, facts jsonb, order_id uuid,
            store_id uuid, sent_by uuid, sent_because text, occurred_at timestamptz, expires_at timestamptz,
            channels jsonb)
    ), told AS (
        INSERT INTO notifications (id, event_id, user_id, template, category, facts, order_id, store_id, sent_by,
                                   sent_because, occurred_at)
        SELECT id, event_id, user_id, template, category, facts, order_id, store_id, sent_by, sent_because, occurred_at
        FROM news
        ON CONFLICT (event_id, user_id, template) DO NOTHING
        RETURNING id
    )
    INSERT INTO dispatches (notification_id, channel, state, reason, expires_at)
    SELECT news.id, channel.name, channel.state, channel.reason, news.expires_at
    FROM news JOIN told USING (id),
         jsonb_to_recordset(news.channels) AS channel(name text, state text, reason text)
    """
)
SEAL = sql(
    """
    INSERT INTO sealed_facts (notification_id, sealed, expires_at)
    SELECT id, %(sealed)s, %(expires_at)s FROM notifications WHERE id = %(id)s
    """
)
TOLD_BEFORE = sql(
    """
    SELECT id FROM notifications
    WHERE event_id = %(event_id)s AND user_id = %(user_id)s AND template = %(template)s
    """
)
MANAGERS = sql(
    """
    SELECT DISTINCT store_id, account_id FROM employments
    WHERE store_id = ANY(%(store_ids)s::uuid[]) AND job = 'manager' AND active
    """
)
EMPLOY = sql(
    """
    INSERT INTO employments (staff_id, account_id, store_id, job, active, version)
    VALUES (%(staff_id)s, %(account_id)s, %(store_id)s, %(job)s, %(active)s, %(version)s)
    ON CONFLICT (staff_id) DO UPDATE
    SET account_id = excluded.account_id, store_id = excluded.store_id, job = excluded.job, active = excluded.active,
        version = excluded.version
    WHERE employments.version < excluded.version
    """
)

# --- sending -------------------------------------------------------------------------------------------------------

# What is claimed comes free by itself when the claimer dies before it hands anything over.
CLAIM = sql(
    """
    WITH due AS (
        SELECT notification_id, channel FROM dispatches
        WHERE state = 'pending' AND due_at <= now()
        ORDER BY due_at LIMIT %(size)s FOR UPDATE SKIP LOCKED
    ), claimed AS (
        UPDATE dispatches SET due_at = now() + %(lease)s::interval, claim = %(claim)s
        FROM due
        WHERE dispatches.notification_id = due.notification_id AND dispatches.channel = due.channel
        RETURNING dispatches.notification_id, dispatches.channel, dispatches.attempts, dispatches.expires_at
    )
    SELECT claimed.*, told.user_id, told.template, told.category, told.facts, told.store_id, told.occurred_at,
           orders.facts AS order_facts, secret.sealed,
           wishes.email, wishes.sms, wishes.push, wishes.marketing, wishes.quiet_start, wishes.quiet_end,
           wishes.quiet_zone, wishes.language,
           (SELECT jsonb_object_agg(language, jsonb_build_object('subject', subject, 'text', text, 'html', html))
            FROM templates WHERE name = told.template AND channel = claimed.channel) AS replaced
    FROM claimed
    JOIN notifications told ON told.id = claimed.notification_id
    LEFT JOIN order_facts orders ON orders.order_id = told.order_id
    LEFT JOIN sealed_facts secret ON secret.notification_id = told.id
    LEFT JOIN preferences wishes ON wishes.user_id = told.user_id
    ORDER BY told.occurred_at, told.id
    """
)
# Recorded before the provider hears anything: a process that dies after this leaves messages that are not repeated.
BEGIN = sql(
    """
    UPDATE dispatches SET state = 'sending', attempts = attempts + 1, sending_at = now()
    WHERE notification_id = ANY(%(notification_ids)s::uuid[]) AND channel = %(channel)s AND state = 'pending'
      AND claim = %(claim)s
    RETURNING notification_id, attempts
    """
)
END = sql(
    """
    WITH ended AS (
        UPDATE dispatches
        SET state = row.state, reason = row.reason, due_at = now() + row.again_in, claim = NULL,
            sent_at = CASE WHEN row.state = 'sent' THEN now() END
        FROM unnest(%(notification_ids)s::uuid[], %(states)s::text[], %(reasons)s::text[], %(pauses)s::interval[],
                    %(outcomes)s::text[], %(replies)s::text[])
             AS row(notification_id, state, reason, again_in, outcome, reply)
        -- A hand-over that was given up as cut off and ends after all is what it is.
        WHERE dispatches.notification_id = row.notification_id AND dispatches.channel = %(channel)s
          AND dispatches.state IN ('sending', 'unknown') AND dispatches.claim = %(claim)s
        RETURNING dispatches.notification_id, dispatches.channel, dispatches.attempts, dispatches.sending_at, row.state,
                  row.reason, row.outcome, row.reply
    ), logged AS (
        INSERT INTO deliveries (notification_id, channel, attempt, outcome, reason, reply, attempted_at)
        SELECT notification_id, channel, attempts, outcome, reason, reply, sending_at FROM ended
    )
    DELETE FROM sealed_facts USING ended
    WHERE sealed_facts.notification_id = ended.notification_id AND ended.state <> 'pending'
    """
)
# Back to the queue as if it had not been tried: the provider could not be reached at all.
POSTPONE = sql(
    """
    UPDATE dispatches
    SET state = 'pending', due_at = now() + %(again_in)s::interval, claim = NULL,
        attempts = attempts - (state = 'sending')::int
    WHERE notification_id = ANY(%(notification_ids)s::uuid[]) AND claim = %(claim)s AND state IN ('pending', 'sending')
      AND channel = ANY(%(channels)s::text[])
    """
)
LEAVE = sql(
    """
    WITH left_out AS (
        UPDATE dispatches SET state = row.state, reason = row.reason, claim = NULL
        FROM unnest(%(notification_ids)s::uuid[], %(channels)s::text[], %(states)s::text[], %(reasons)s::text[])
             AS row(notification_id, channel, state, reason)
        WHERE dispatches.notification_id = row.notification_id AND dispatches.channel = row.channel
          AND dispatches.state = 'pending' AND dispatches.claim = %(claim)s
        RETURNING dispatches.notification_id, dispatches.channel, dispatches.attempts, row.state, row.reason
    ), logged AS (
        INSERT INTO deliveries (notification_id, channel, attempt, outcome, reason, attempted_at)
        SELECT notification_id, channel, attempts, state, reason, now() FROM left_out
    )
    DELETE FROM sealed_facts USING left_out WHERE sealed_facts.notification_id = left_out.notification_id
    """
)
WAIT = sql(
    """
    UPDATE dispatches SET due_at = row.until, claim = NULL
    FROM unnest(%(notification_ids)s::uuid[], %(channels)s::text[], %(untils)s::timestamptz[])
         AS row(notification_id, channel, until)
    WHERE dispatches.notification_id = row.notification_id AND dispatches.channel = row.channel
      AND dispatches.state = 'pending' AND dispatches.claim = %(claim)s
    """
)
GIVE_UP_INTERRUPTED = sql(
    """
    WITH cut_off AS (
        UPDATE dispatches SET state = 'unknown', reason = 'INTERRUPTED'
        WHERE state = 'sending' AND sending_at < now() - %(after)s::interval
        RETURNING notification_id, channel, attempts, sending_at
    ), logged AS (
        INSERT INTO deliveries (notification_id, channel, attempt, outcome, reason, attempted_at)
        SELECT notification_id, channel, attempts, 'unknown', 'INTERRUPTED', sending_at FROM cut_off
    )
    DELETE FROM sealed_facts USING cut_off WHERE sealed_facts.notification_id = cut_off.notification_id
    """
)

# --- reading -------------------------------------------------------------------------------------------------------

_SHOWN = """
    SELECT told.*, orders.facts AS order_facts, wishes.language,
           (SELECT jsonb_agg(jsonb_build_object(
                       'channel', channel, 'state', state, 'reason', reason, 'attempts', attempts, 'sent_at', sent_at)
                   ORDER BY channel)
            FROM dispatches WHERE notification_id = told.id) AS dispatches
    FROM notifications told
    LEFT JOIN order_facts orders ON orders.order_id = told.order_id
    LEFT JOIN preferences wishes ON wishes.user_id = told.user_id
"""
NOTIFICATION = sql(_SHOWN + "WHERE told.id = %(id)s")
_OF_USER = _SHOWN + "WHERE told.user_id = %(user_id)s AND told.category <> 'security' "
NOTIFICATIONS = sql(_OF_USER + "AND told.id < %(before)s ORDER BY told.id DESC LIMIT %(limit)s")
UNREAD = sql(_OF_USER + "AND told.read_at IS NULL AND told.id < %(before)s ORDER BY told.id DESC LIMIT %(limit)s")
MARK_READ = sql(
    """
    UPDATE notifications SET read_at = coalesce(read_at, now())
    WHERE id = %(id)s AND category <> 'security' AND (%(everything)s OR user_id = %(owner)s)
    RETURNING id
    """
)

# --- preferences and texts -----------------------------------------------------------------------------------------

PREFERENCES = sql("SELECT * FROM preferences WHERE user_id = %(user_id)s")
CHANGE_PREFERENCES = sql(
    """
    INSERT INTO preferences AS kept (user_id, email, sms, push, marketing, quiet_start, quiet_end, quiet_zone, language)
    VALUES (%(user_id)s, coalesce(%(email)s::boolean, true), coalesce(%(sms)s::boolean, true),
            coalesce(%(push)s::boolean, true), coalesce(%(marketing)s::boolean, false),
            %(quiet_start)s::time, %(quiet_end)s::time, %(quiet_zone)s::text, %(language)s::text)
    ON CONFLICT (user_id) DO UPDATE
    SET email = coalesce(%(email)s::boolean, kept.email),
        sms = coalesce(%(sms)s::boolean, kept.sms),
        push = coalesce(%(push)s::boolean, kept.push),
        marketing = coalesce(%(marketing)s::boolean, kept.marketing),
        quiet_start = CASE WHEN %(change_quiet)s THEN %(quiet_start)s::time ELSE kept.quiet_start END,
        quiet_end = CASE WHEN %(change_quiet)s THEN %(quiet_end)s::time ELSE kept.quiet_end END,
        quiet_zone = CASE WHEN %(change_quiet)s THEN %(quiet_zone)s::text ELSE kept.quiet_zone END,
        language = coalesce(%(language)s::text, kept.language),
        version = kept.version + 1,
        updated_at = now()
    RETURNING *
    """
)
REPLACED = sql("SELECT name, channel, language, subject, text, html, updated_at FROM templates")
REPLACE = sql(
    """
    INSERT INTO templates (name, channel, language, subject, text, html, updated_by)
    VALUES (%(name)s, %(channel)s, %(language)s, %(subject)s, %(text)s, %(html)s, %(updated_by)s)
    ON CONFLICT (name, channel, language) DO UPDATE
    SET subject = excluded.subject, text = excluded.text, html = excluded.html, updated_by = excluded.updated_by,
        updated_at = now()
    RETURNING updated_at
    """
)
TAKE_BACK = sql("DELETE FROM templates WHERE name = %(name)s AND channel = %(channel)s AND language = %(language)s")

# --- forgetting ----------------------------------------------------------------------------------------------------

ERASE_NOTIFICATIONS = sql("DELETE FROM notifications WHERE user_id = %(user_id)s")
ERASE_PREFERENCES = sql("DELETE FROM preferences WHERE user_id = %(user_id)s")
ERASE_EMPLOYMENTS = sql("DELETE FROM employments WHERE account_id = %(user_id)s")
FORGET_NOTIFICATIONS = sql(
    """
    DELETE FROM notifications
    WHERE id IN (SELECT id FROM notifications WHERE created_at < now() - %(keep)s::interval LIMIT 5000)
    """
)
FORGET_ORDERS = sql(
    """
    DELETE FROM order_facts
    WHERE order_id IN (SELECT order_id FROM order_facts WHERE created_at < now() - %(keep)s::interval LIMIT 5000)
    """
)
FORGET_SECRETS = sql("DELETE FROM sealed_facts WHERE expires_at < now() - interval '1 hour'")
