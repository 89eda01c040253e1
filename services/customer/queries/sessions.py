"""Sessions and their refresh tokens."""

from __future__ import annotations

from uuid import UUID

from chassis.database import sql
from chassis.database.rows import column_names, placeholders
from services.customer.rows import LockedSessionRow, NewSession, SessionRow

INSERT_SESSION = sql(
    f"INSERT INTO sessions ({column_names(NewSession)}) VALUES ({placeholders(NewSession)})"  # noqa: S608 - column names of the row type
)
LOCK_SESSION = sql(
    """
    SELECT s.id, s.customer_id, s.refresh_token, s.previous_refresh_token, s.rotation_salt, s.rotated_at,
           s.is_active AND s.expires_at > now() AND c.is_active AS is_alive
    FROM sessions s JOIN customers c ON c.id = s.customer_id
    WHERE s.id = %(id)s FOR UPDATE OF s
    """,
    row=LockedSessionRow,
)
ROTATE_SESSION = sql(
    """
    UPDATE sessions SET previous_refresh_token = refresh_token, refresh_token = %(refresh_token)s,
        rotation_salt = %(rotation_salt)s, rotated_at = now(), access_token_hash = %(access_token_hash)s,
        expires_at = %(expires_at)s, last_accessed_at = now(),
        ip_address = coalesce(%(ip_address)s::inet, ip_address), user_agent = coalesce(%(user_agent)s, user_agent)
    WHERE id = %(id)s
    """
)
LIST_SESSIONS = sql(
    """
    SELECT id, device_type, device_id, host(ip_address) AS ip_address, user_agent, created_at, last_accessed_at,
           expires_at
    FROM sessions
    WHERE customer_id = %(customer_id)s AND is_active AND expires_at > now()
      AND (%(after_time)s::timestamptz IS NULL OR (created_at, id) < (%(after_time)s::timestamptz, %(after_id)s::uuid))
    ORDER BY created_at DESC, id DESC LIMIT %(limit)s
    """,
    row=SessionRow,
)
END_SESSION = sql(
    """
    UPDATE sessions SET is_active = false, ended_at = now(), end_reason = %(reason)s
    WHERE id = %(id)s AND customer_id = %(customer_id)s AND is_active AND expires_at > now() RETURNING id
    """,
    value=UUID,
)
END_SESSIONS = sql(
    """
    UPDATE sessions SET is_active = false, ended_at = now(), end_reason = %(reason)s
    WHERE customer_id = %(customer_id)s AND is_active AND id IS DISTINCT FROM %(keep)s::uuid RETURNING id
    """,
    value=UUID,
)
END_OLDEST_SESSIONS = sql(
    """
    UPDATE sessions SET is_active = false, ended_at = now(), end_reason = %(reason)s
    WHERE id IN (SELECT id FROM sessions WHERE customer_id = %(customer_id)s AND is_active
                 ORDER BY last_accessed_at DESC, id DESC OFFSET %(keep)s)
    RETURNING id
    """,
    value=UUID,
)
LIST_REVOKED_SESSIONS = sql(
    """
    SELECT id FROM sessions WHERE ended_at > now() - %(window)s::interval ORDER BY ended_at DESC LIMIT %(limit)s
    """,
    value=UUID,
)
PURGE_CLIENT_DATA = sql(
    """
    UPDATE sessions SET ip_address = NULL, user_agent = NULL
    WHERE last_accessed_at < now() - interval '90 days' AND (ip_address IS NOT NULL OR user_agent IS NOT NULL)
    """
)
PURGE_SESSIONS = sql(
    """
    DELETE FROM sessions
    WHERE expires_at < now() - interval '90 days' OR ended_at < now() - interval '90 days'
    """
)
