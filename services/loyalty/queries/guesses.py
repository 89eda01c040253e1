"""Wrong coupon codes, counted. Nobody minds when a crash forgets a few."""

from __future__ import annotations

from chassis.security import throttle

ON_COUPON_GUESSES = throttle.statements("coupon_guesses", key="guesser", attempts="misses", ends="until")
