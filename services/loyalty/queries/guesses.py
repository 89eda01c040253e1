"""Wrong coupon codes, counted."""

from __future__ import annotations

from chassis.db import sql

# Counted before the code is looked up, so that guesses made at once are all counted. In the order of the keys, so
# that two calls never wait for each other. Nobody minds when a crash forgets a few.
COUNT_GUESS = sql(
    """
    INSERT INTO coupon_guesses (guesser, misses, until)
    SELECT guesser, 1, now() + %(window)s::interval FROM unnest(%(guessers)s::bytea[]) AS guesser ORDER BY guesser
    ON CONFLICT (guesser) DO UPDATE SET
        misses = CASE WHEN coupon_guesses.until <= now() THEN 1 ELSE coupon_guesses.misses + 1 END,
        until = CASE WHEN coupon_guesses.until <= now() THEN excluded.until ELSE coupon_guesses.until END
    RETURNING guesser, misses, extract(epoch FROM until - now())::float8 AS seconds_left
    """
)
FORGIVE_GUESS = sql(
    """
    UPDATE coupon_guesses SET misses = misses - 1 WHERE guesser IN (
        SELECT guesser FROM coupon_guesses WHERE guesser = ANY(%(guessers)s::bytea[]) AND misses > 0
        ORDER BY guesser FOR UPDATE
    )
    """
)
HELD_OFF = sql(
    """
    SELECT extract(epoch FROM until - now())::float8 FROM coupon_guesses
    WHERE guesser = %(guesser)s AND until > now() AND misses >= %(limit)s
    """
)
FORGET_GUESSES = sql("DELETE FROM coupon_guesses WHERE until < now()")
