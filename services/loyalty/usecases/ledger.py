"""Moves points. Every change of a balance is a line of the ledger, in the transaction of its cause."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from jainshikanji.loyalty.v1 import events_pb2

from chassis.clock import now
from chassis.database import Row, Transaction
from services.loyalty import wire
from services.loyalty.app import LoyaltyApp
from services.loyalty.model.campaigns import REFERRAL_LENGTH, new_code
from services.loyalty.model.refusals import InsufficientPoints
from services.loyalty.queries import accounts, tiers
from services.loyalty.queries import ledger as q

AT_ONCE: Final = timedelta(0)


async def open_account(tx: Transaction, customer_id: UUID) -> None:
    """Makes the account if it is not there. An erased one stays erased."""
    await tx.run(accounts.OPEN_ACCOUNT, customer_id=customer_id, referral_code=new_code("R", REFERRAL_LENGTH))


async def lock_accounts(app: LoyaltyApp, tx: Transaction, customer_ids: Iterable[UUID]) -> dict[UUID, Account]:
    """Opens the accounts that are missing and locks them all, in one order."""
    wanted = sorted(set(customer_ids))
    if not wanted:
        return {}
    rows = await tx.all(accounts.LOCK_ACCOUNTS, customer_ids=wanted)
    if len(rows) < len(wanted):
        # A random referral code that somebody has already also makes no row: the second try draws another.
        for _ in range(3):
            for customer_id in set(wanted) - {row.customer_id for row in rows}:
                await open_account(tx, customer_id)
            rows = await tx.all(accounts.LOCK_ACCOUNTS, customer_ids=wanted)
            if len(rows) == len(wanted):
                break
    return {row.customer_id: Account(app, tx, row) for row in rows}


async def lock_account(app: LoyaltyApp, tx: Transaction, customer_id: UUID) -> Account:
    """Opens the account if it is missing and locks it."""
    return (await lock_accounts(app, tx, [customer_id]))[customer_id]


class Account:
    """A locked account. What an erased one would gain is lost."""

    def __init__(self, app: LoyaltyApp, tx: Transaction, row: Row) -> None:
        self._app, self._tx = app, tx
        self.customer_id: UUID = row.customer_id
        self.tier: str = row.tier
        self.last_order_at: datetime | None = row.last_order_at
        self.is_erased: bool = row.erased_at is not None
        self._owed: int = row.owed
        self._balance: int = row.balance
        self._version: int = row.version

    async def available(self) -> int:
        """Points that can be spent now."""
        points: int = await self._tx.value(accounts.AVAILABLE, customer_id=self.customer_id)
        return points

    async def give(
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
        """Adds new points (`earn` or `bonus`) that expire in their time; returns the ledger line's id."""
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
        event = events_pb2.PointsEarned(
            customer_id=str(self.customer_id),
            order_id=str(order_id or ""),
            points=points,
            balance=self._balance,
            order_points=order_points,
            version=self._version,
        )
        event.expires_at.FromDatetime(expires_at)
        self._tx.publish(event, key=self.customer_id, version=self._version)
        return line_id

    async def hold(self, order_id: UUID, points: int) -> None:
        """Sets points aside for an order. Raises InsufficientPoints."""
        lots = await self._take(points)
        if await self._tx.value(q.HOLD, customer_id=self.customer_id, points=points) is None:
            raise InsufficientPoints(points, 0)
        await self._tx.run(
            q.NOTE_HOLDS, order_id=order_id, lot_ids=[lot.id for lot in lots], points=[lot.points for lot in lots]
        )

    async def use_held(self, order_id: UUID, points: int, description: str) -> None:
        """Spends what an order held."""
        await self._move("redeem", -points, description, order_id=order_id, held=-points)
        self._announce_redeemed(points, order_id=order_id)

    async def release_held(self, order_id: UUID, points: int) -> None:
        """Gives back what an order held and never used. Nothing of it was ever off the balance."""
        await self._tx.run(q.GIVE_BACK_TO_LOTS, order_id=order_id, points=points, at_least=AT_ONCE)
        await self._tx.run(q.UNHOLD, customer_id=self.customer_id, points=points)
        await self._forfeit_if_erased()

    async def return_used(self, order_id: UUID, points: int, description: str) -> None:
        """Gives back what an order had used. However old, the points then live some days at least."""
        at_least = self._app.settings.returned_points_validity
        await self._tx.run(q.GIVE_BACK_TO_LOTS, order_id=order_id, points=points, at_least=at_least)
        await self._move("adjustment", points, description, order_id=order_id)
        if await self._forfeit_if_erased():
            return
        await self._pay_owed()
        event = events_pb2.PointsReturned(
            customer_id=str(self.customer_id),
            order_id=str(order_id),
            points=points,
            balance=self._balance,
            version=self._version,
        )
        self._tx.publish(event, key=self.customer_id, version=self._version)

    async def spend(self, points: int, description: str, reward_id: UUID) -> None:
        """Spends points at once. Raises InsufficientPoints."""
        await self._take(points)
        await self._move("redeem", -points, description)
        self._announce_redeemed(points, reward_id=reward_id)

    async def reverse(self, points: int, description: str, order_id: UUID, *, order_points: int | None) -> None:
        """Takes earned points back. What has been spent since is owed and paid by the next points earned.

        `order_points` is what the order still is worth to this customer; None for a referrer, whose order it is not.
        """
        if points <= 0 or self.is_erased:
            return
        taken = min(points, await self.available())
        missing = points - taken
        if taken:
            await self._take(taken)
            await self._move("adjustment", -taken, description, order_id=order_id, owed=missing)
        else:
            row = await self._tx.one(q.OWE, customer_id=self.customer_id, points=missing)
            self._note(row)
        self._owed += missing
        event = events_pb2.PointsReversed(
            customer_id=str(self.customer_id),
            order_id=str(order_id) if order_points is not None else "",
            points=taken,
            balance=self._balance,
            order_points=order_points or 0,
            version=self._version,
        )
        self._tx.publish(event, key=self.customer_id, version=self._version)

    async def expire(self) -> int:
        """Takes off what is past its time; returns how many points."""
        points: int = await self._tx.value(q.EMPTY_LOTS, customer_id=self.customer_id, all=False)
        if not points:
            return 0
        await self._move("expire", -points, "Points expired")
        event = events_pb2.PointsExpired(
            customer_id=str(self.customer_id), points=points, balance=self._balance, version=self._version
        )
        self._tx.publish(event, key=self.customer_id, version=self._version)
        return points

    async def erase(self) -> None:
        """Closes the account: what is not held by an open order is forfeited now, the rest when it comes back."""
        if self.is_erased:
            return
        await self._tx.run(accounts.BLANK_DESCRIPTIONS, customer_id=self.customer_id)
        await self._tx.run(accounts.END_CODES, customer_id=self.customer_id)
        await self._tx.run(accounts.MARK_ERASED, customer_id=self.customer_id)
        self.is_erased = True
        await self._forfeit_if_erased()

    async def follow_tier(self) -> None:
        """Sets the tier that the spend of the last 12 months reaches."""
        row = await self._tx.one(tiers.FOLLOW_TIER, customer_id=self.customer_id)
        if row is None:
            return
        self.tier, self._version = row.tier, row.version
        event = events_pb2.TierChanged(
            customer_id=str(self.customer_id),
            tier=wire.TIERS.to_proto(row.tier),
            previous_tier=wire.TIERS.to_proto(row.previous),
            version=row.version,
        )
        self._tx.publish(event, key=self.customer_id, version=row.version)

    async def _take(self, points: int) -> list[Row]:
        lots = await self._tx.all(q.TAKE_FROM_LOTS, customer_id=self.customer_id, points=points)
        found = sum(lot.points for lot in lots)
        if found < points:
            raise InsufficientPoints(points, found)
        return lots

    async def _pay_owed(self) -> None:
        paid = min(self._owed, await self.available()) if self._owed else 0
        if not paid:
            return
        await self._take(paid)
        await self._move("adjustment", -paid, "Points owed from a refund", owed=-paid)
        self._owed -= paid

    async def _forfeit_if_erased(self) -> bool:
        if not self.is_erased:
            return False
        points: int = await self._tx.value(q.EMPTY_LOTS, customer_id=self.customer_id, all=True)
        if points:
            await self._move("adjustment", -points, "Account closed")
        return True

    def _announce_redeemed(self, points: int, *, order_id: UUID | None = None, reward_id: UUID | None = None) -> None:
        event = events_pb2.PointsRedeemed(
            customer_id=str(self.customer_id),
            order_id=str(order_id or ""),
            reward_id=str(reward_id or ""),
            points=points,
            balance=self._balance,
            version=self._version,
        )
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
            q.MOVE,
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
        self._note(row)
        assert row is not None
        line_id: UUID = row.id
        return line_id

    def _note(self, row: Row | None) -> None:
        assert row is not None, "the account is locked, so it is there"
        self._balance, self._version = row.balance, row.version
