"""Counts of attempts."""

from __future__ import annotations

from chassis.security import throttle

ON_THROTTLES = throttle.statements("throttles", key="key", attempts="attempts", ends="window_ends_at")
