"""Attempts counted against limits."""

from __future__ import annotations

from chassis.security import throttle

THROTTLE_STATEMENTS = throttle.statements("throttles", key="key", attempts="attempts", ends="window_ends_at")
