"""Statements on the counts of wrong coupon codes."""

from __future__ import annotations

from chassis.security import throttle

COUPON_GUESSES = throttle.statements("coupon_guesses", key="guesser", attempts="misses", ends="until")
