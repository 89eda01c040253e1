"""Changes of points. Every change of a balance is a line of the ledger, in the transaction of its cause."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from chassis.clock import now
from chassis.database import Transaction
from services.loyalty import wire
from services.loyalty.app import LoyaltyApp
from services.loyalty.errors import InsufficientPoints
from services.loyalty.model.campaigns import REFERRAL_LENGTH, new_code
from services.loyalty.model.points import AccountState
from services.loyalty.queries import accounts, tiers
from services.loyalty.queries import ledger as queries
from services.loyalty.rows import AccountVersionRow, LockedAccountRow, LotRow, MovedRow

NO_EXTENSION: Final = timedelta(0)


async def open_account(tx: Transaction, customer_id: UUID) -> None:
    """Creates the account unless it exists. An erased account stays erased."""
    await tx.run(accounts.INSERT_ACCOUNT, customer_id=customer_id, referral_code=new_code("R", REFERRAL_LENGTH))


async def lock_accounts(app: LoyaltyApp, tx: Transaction, customer_ids: Iterable[UUID]) -> dict[UUID, Account]:
    """Creates missing accounts and locks all of them, in the order of their ids."""
    wanted = sorted(set(customer_ids))
    if not wanted:
        return {}
    rows = await tx.all(accounts.LOCK_ACCOUNTS, customer_ids=wanted)
    if len(rows) < len(wanted):
        # A referral code that another account has also inserts no row: the next attempt draws another code.
        for _ in range(3):
            for customer_id in set(wanted) - {row.customer_id for row in rows}:
                await open_account(tx, customer_id)
            rows = await tx.all(accounts.LOCK_ACCOUNTS, customer_ids=wanted)
            if len(rows) == len(wanted):
                break
    return {row.customer_id: Account(app, tx, row) for row in rows}


async def lock_account(app: LoyaltyApp, tx: Transaction, customer_id: UUID) -> Account:
    """Creates the account if it is missing, and locks it."""
    return (await lock_accounts(app, tx, [customer_id]))[customer_id]


class Account:
    """A locked account. An erased account gains no points."""

    def __init__(self, app: LoyaltyApp, tx: Transaction, row: LockedAccountRow) -> None:
        self._app, self._tx = app, tx
        self.customer_id: UUID = row.customer_id
        self.tier: str = row.tier
        self.last_order_at: datetime | None = row.last_order_at
        self.is_erased: bool = row.erased_at is not None
        self._owed: int = row.owed
        self._balance: int = row.balance
        self._version: int = row.version

    @property
    def state(self) -> AccountState:
        """The account as its events state it."""
        return AccountState(self.customer_id, self._balance, self._version)

    async def get_available(self) -> int:
        """The points that can be spent now."""
        return await self._tx.one(accounts.GET_AVAILABLE_POINTS, customer_id=self.customer_id) or 0

    async def add_points(
        self,
        kind: str,
        points: int,
        description: str,
        *,
        order_id: UUID | None = None,
        campaign_id: UUID | None = None,
        actor_id: UUID | None = None,
        order_points: int = 0,
    ) -> UUID | None:
        """Adds new points (`earn` or `bonus`) with an expiry; returns the id of the ledger line."""
        if points <= 0 or self.is_erased:
            return None
        expires_at = now() + self._app.settings.points_validity
        line_id = await self._move(
            kind,
            points,
            description,
            order_id=order_id,
            campaign_id=campaign_id,
            actor_id=actor_id,
            expires_at=expires_at,
        )
        await self._pay_owed()
        event = wire.points_earned_to_proto(
            self.state, points, order_id=order_id, order_points=order_points, expires_at=expires_at
        )
        self._tx.publish(event, key=self.customer_id, version=self._version)
        return line_id

    async def reserve_points(self, order_id: UUID, points: int) -> None:
        """Reserves points for an order. Raises InsufficientPoints."""
        lots = await self._take(points)
        if await self._tx.one(queries.HOLD_POINTS, customer_id=self.customer_id, points=points) is None:
            raise InsufficientPoints(points, 0)
        await self._tx.run(
            queries.INSERT_HOLDS,
            order_id=order_id,
            lot_ids=[lot.id for lot in lots],
            points=[lot.points for lot in lots],
        )

    async def redeem_reserved(self, order_id: UUID, points: int, description: str) -> None:
        """Spends the points that an order reserved."""
        await self._move("redeem", -points, description, order_id=order_id, held=-points)
        self._publish_redeemed(points, order_id=order_id)

    async def release_points(self, order_id: UUID, points: int) -> None:
        """Releases the points that an order reserved and did not redeem; they never left the balance."""
        await self._tx.run(queries.RETURN_TO_LOTS, order_id=order_id, points=points, at_least=NO_EXTENSION)
        await self._tx.run(queries.RELEASE_POINTS, customer_id=self.customer_id, points=points)
        await self._forfeit_if_erased()

    async def return_redeemed(self, order_id: UUID, points: int, description: str) -> None:
        """Returns the points that an order redeemed; they stay valid for some days at least."""
        at_least = self._app.settings.returned_points_validity
        await self._tx.run(queries.RETURN_TO_LOTS, order_id=order_id, points=points, at_least=at_least)
        await self._move("adjustment", points, description, order_id=order_id)
        if await self._forfeit_if_erased():
            return
        await self._pay_owed()
        event = wire.points_returned_to_proto(self.state, points, order_id)
        self._tx.publish(event, key=self.customer_id, version=self._version)

    async def spend_points(self, points: int, description: str, reward_id: UUID) -> None:
        """Spends points. Raises InsufficientPoints."""
        await self._take(points)
        await self._move("redeem", -points, description)
        self._publish_redeemed(points, reward_id=reward_id)

    async def reverse_points(self, points: int, description: str, order_id: UUID, *, order_points: int | None) -> None:
        """Reverses earned points. Points that were spent since are owed, and paid by the next points earned.

        `order_points` is the rest that the order earned this customer; None for a referrer, whose order it is not.
        """
        if points <= 0 or self.is_erased:
            return
        taken = min(points, await self.get_available())
        missing = points - taken
        if taken:
            await self._take(taken)
            await self._move("adjustment", -taken, description, order_id=order_id, owed=missing)
        else:
            self._set_state(await self._tx.one(queries.ADD_OWED_POINTS, customer_id=self.customer_id, points=missing))
        self._owed += missing
        event = wire.points_reversed_to_proto(self.state, taken, order_id, order_points=order_points)
        self._tx.publish(event, key=self.customer_id, version=self._version)

    async def expire_points(self) -> int:
        """Removes expired points; returns their number."""
        points = await self._tx.one(queries.EMPTY_LOTS, customer_id=self.customer_id, all=False)
        if not points:
            return 0
        await self._move("expire", -points, "Points expired")
        event = wire.points_expired_to_proto(self.state, points)
        self._tx.publish(event, key=self.customer_id, version=self._version)
        return points

    async def erase(self) -> None:
        """Closes the account. Points are forfeited now; those reserved by open orders when they are released."""
        if self.is_erased:
            return
        await self._tx.run(accounts.DELETE_DESCRIPTIONS, customer_id=self.customer_id)
        await self._tx.run(accounts.EXPIRE_REDEMPTIONS, customer_id=self.customer_id)
        await self._tx.run(accounts.MARK_ERASED, customer_id=self.customer_id)
        self.is_erased = True
        await self._forfeit_if_erased()

    async def update_tier(self) -> None:
        """Sets the tier for the spend of the last 12 months."""
        row = await self._tx.one(tiers.UPDATE_ACCOUNT_TIER, customer_id=self.customer_id)
        if row is None:
            return
        self.tier, self._version = row.tier, row.version
        event = wire.tier_changed_to_proto(self.customer_id, row)
        self._tx.publish(event, key=self.customer_id, version=row.version)

    async def _take(self, points: int) -> list[LotRow]:
        lots = await self._tx.all(queries.TAKE_FROM_LOTS, customer_id=self.customer_id, points=points)
        found = sum(lot.points for lot in lots)
        if found < points:
            raise InsufficientPoints(points, found)
        return lots

    async def _pay_owed(self) -> None:
        paid = min(self._owed, await self.get_available()) if self._owed else 0
        if not paid:
            return
        await self._take(paid)
        await self._move("adjustment", -paid, "Points owed from a refund", owed=-paid)
        self._owed -= paid

    async def _forfeit_if_erased(self) -> bool:
        if not self.is_erased:
            return False
        points = await self._tx.one(queries.EMPTY_LOTS, customer_id=self.customer_id, all=True)
        if points:
            await self._move("adjustment", -points, "Account closed")
        return True

    def _publish_redeemed(self, points: int, *, order_id: UUID | None = None, reward_id: UUID | None = None) -> None:
        event = wire.points_redeemed_to_proto(self.state, points, order_id=order_id, reward_id=reward_id)
        self._tx.publish(event, key=self.customer_id, version=self._version)

    async def _move(
        self,
        kind: str,
        points: int,
        description: str,
        *,
        held: int = 0,
        owed: int = 0,
        order_id: UUID | None = None,
        campaign_id: UUID | None = None,
        actor_id: UUID | None = None,
        expires_at: datetime | None = None,
    ) -> UUID:
        row = await self._tx.one(
            queries.MOVE_POINTS,
            customer_id=self.customer_id,
            type=kind,
            points=points,
            description=description,
            held=held,
            owed=owed,
            order_id=order_id,
            campaign_id=campaign_id,
            actor_id=actor_id,
            expires_at=expires_at,
        )
        assert row is not None
        self._set_state(row)
        return row.id

    def _set_state(self, row: MovedRow | AccountVersionRow | None) -> None:
        assert row is not None, "a locked account exists"
        self._balance, self._version = row.balance, row.version
