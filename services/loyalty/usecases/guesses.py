"""Holds off people who try coupon codes: few wrong ones for an account and for an address."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from services.loyalty.app import LoyaltyApp
from services.loyalty.model.refusals import TooManyGuesses
from services.loyalty.queries import guesses as q


class Guess:
    """One look at a code: counted as wrong until `was_right`."""

    def __init__(self, app: LoyaltyApp, limits: dict[bytes, int]) -> None:
        self._app, self._limits = app, limits

    @classmethod
    async def count(cls, app: LoyaltyApp, customer_id: UUID, address: str = "") -> Guess:
        """Counts first and looks later, so that guesses made at once are all counted. Raises TooManyGuesses."""
        settings = app.settings
        limits = {app.cipher.blind(f"coupon account {customer_id}"): settings.coupon_misses_per_account}
        if address:
            limits[app.cipher.blind(f"coupon address {address}")] = settings.coupon_misses_per_address
        window = timedelta(minutes=settings.coupon_miss_window_minutes)
        counts = await app.db.all(q.COUNT_GUESS, guessers=list(limits), window=window)
        over = [row.seconds_left for row in counts if row.misses > limits[bytes(row.guesser)]]
        if over:
            raise TooManyGuesses(max(over))
        return cls(app, limits)

    async def was_right(self) -> None:
        """Takes the count back: who knows a code may look as often as they like."""
        await self._app.db.run(q.FORGIVE_GUESS, guessers=list(self._limits))


async def refuse_guesser(app: LoyaltyApp, customer_id: UUID) -> None:
    """Only looks: raises TooManyGuesses when the account has made too many. For where a right code costs an order."""
    guesser = app.cipher.blind(f"coupon account {customer_id}")
    limit = app.settings.coupon_misses_per_account
    seconds = await app.db.value(q.HELD_OFF, guesser=guesser, limit=limit)
    if seconds is not None:
        raise TooManyGuesses(seconds)


async def forget_guesses(app: LoyaltyApp) -> None:
    """Deletes counts whose window is over."""
    async with app.db.upkeep() as tx:
        await tx.run(q.FORGET_GUESSES)
