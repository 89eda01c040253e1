"""Counts of attempts."""

from __future__ import annotations

from chassis.db import sql

COUNT_ATTEMPTS = sql(
    """
    INSERT INTO throttles AS t (key, attempts, window_ends_at)
    SELECT key, 1, now() + seconds * interval '1 second'
    FROM unnest(%(keys)s::bytea[], %(seconds)s::int[]) AS counted (key, seconds) ORDER BY key
    ON CONFLICT (key) DO UPDATE SET
        attempts = CASE WHEN t.window_ends_at <= now() THEN 1 ELSE t.attempts + 1 END,
        window_ends_at = CASE WHEN t.window_ends_at <= now() THEN excluded.window_ends_at ELSE t.window_ends_at END
    RETURNING key, attempts, extract(epoch FROM window_ends_at - now())::float AS seconds_left
    """
)
FORGIVE_ATTEMPT = sql("UPDATE throttles SET attempts = greatest(attempts - 1, 0) WHERE key = %(key)s")
FORGET_ATTEMPTS = sql("DELETE FROM throttles WHERE key = %(key)s")
FORGET_THROTTLES = sql("DELETE FROM throttles WHERE window_ends_at < now() - interval '1 hour'")
