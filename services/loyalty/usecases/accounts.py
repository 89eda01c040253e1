"""Accounts: what a customer sees, what an administrator gives, how an account opens and ends, how time moves it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from uuid import UUID

from google.protobuf.message import Message

from chassis import Call
from chassis.database import Row, Transaction
from chassis.database.retries import retry_on_deadlock
from chassis.errors import InvalidArgument, NotFound
from chassis.rpc import idempotency
from services.loyalty.app import LoyaltyApp
from services.loyalty.queries import accounts as q
from services.loyalty.queries import ledger, tiers
from services.loyalty.usecases.ledger import lock_account

NO_CUSTOMER = UUID(int=0)


async def get_account(app: LoyaltyApp, customer_id: UUID, *, is_own: bool) -> Row:
    """The account. A customer whose registration is still on its way here sees an empty one."""
    row = await app.db.one(q.ACCOUNT, customer_id=customer_id)
    if row is not None:
        return row
    if not is_own or await app.db.value(q.ERASED, customer_id=customer_id) is not None:
        raise NotFound
    return await app.db.one(q.NEW_ACCOUNT, customer_id=customer_id)


async def list_transactions(
    app: LoyaltyApp, customer_id: UUID, *, kind: str | None, before: int | None, limit: int
) -> list[Row]:
    """Lines of the ledger, newest first."""
    return await app.db.all(ledger.TRANSACTIONS, customer_id=customer_id, type=kind, before=before, limit=limit)


async def give_points(
    app: LoyaltyApp, call: Call, request: Message, customer_id: UUID, points: int, reason: str
) -> Row:
    """An administrator's gift, once per Idempotency-Key where there is one; returns the line of the ledger.

    NotFound unless the account is open.
    """

    async def give(tx: Transaction) -> UUID:
        if await tx.one(q.CUSTOMER, customer_id=customer_id) is None:
            raise NotFound
        account = await lock_account(app, tx, customer_id)
        given = await account.give("bonus", points, reason, actor_id=call.account)
        if given is None:
            raise NotFound
        return given

    if call.idempotency_key:
        line_id = await idempotency.run_once(app.db, idempotency.Claim.of(call), give)
    else:
        async with app.db.transaction() as tx:
            line_id = await give(tx)
    return await app.db.one(ledger.TRANSACTION, id=line_id)


async def erase_account(app: LoyaltyApp, tx: Transaction, customer_id: UUID) -> None:
    """Forfeits the points, ends the codes and blanks what was written about the person."""
    account = await lock_account(app, tx, customer_id)
    await account.erase()


async def expire_points(app: LoyaltyApp) -> None:
    """Takes off points past their time; each account in its own transaction."""
    for row in await app.db.all(ledger.DUE):
        await retry_on_deadlock(lambda customer_id=row.customer_id: _expire(app, customer_id))  # type: ignore[misc]


async def _expire(app: LoyaltyApp, customer_id: UUID) -> None:
    async with app.db.transaction() as tx:
        await (await lock_account(app, tx, customer_id)).expire()


async def follow_tiers(app: LoyaltyApp) -> None:
    """Moves accounts whose spend of the last 12 months no longer fits their tier."""
    after = NO_CUSTOMER
    while rows := await _out_of_tier(app, after):
        for row in rows:
            await retry_on_deadlock(lambda customer_id=row.customer_id: _follow(app, customer_id))  # type: ignore[misc]
        after = rows[-1].customer_id


async def _out_of_tier(app: LoyaltyApp, after: UUID) -> list[Row]:
    # Looks at every account until it has found its page.
    async with app.db.maintenance() as tx:
        return await tx.all(tiers.OUT_OF_TIER, after=after)


async def _follow(app: LoyaltyApp, customer_id: UUID) -> None:
    async with app.db.transaction() as tx:
        await (await lock_account(app, tx, customer_id)).follow_tier()


async def list_tiers(app: LoyaltyApp) -> list[Row]:
    """The tiers, lowest first."""
    return await app.db.all(tiers.TIERS)


async def update_tier(app: LoyaltyApp, name: str, changes: dict[str, object]) -> Row:
    """Sets min_spend and multiplier_basis_points as given. Raises InvalidArgument when the order of tiers breaks."""
    async with app.db.transaction() as tx:
        locked = await tx.all(tiers.LOCK_TIERS)
        wanted = [tier._replace(**changes) if tier.name == name else tier for tier in locked]
        _check_tiers(wanted)
        changed: Row = next(tier for tier in wanted if tier.name == name)
        await tx.run(
            tiers.SET_TIER_TERMS,
            tier=name,
            min_spend=changed.min_spend,
            multiplier_basis_points=changed.multiplier_basis_points,
        )
    return changed


def _check_tiers(wanted: Sequence[Row]) -> None:
    if wanted[0].min_spend != 0:
        raise InvalidArgument("minSpend", "the lowest tier is everybody's: it must be 0")
    for lower, higher in pairwise(wanted):
        if higher.min_spend <= lower.min_spend:
            raise InvalidArgument("minSpend", "a higher tier must ask more than a lower one")
        if higher.multiplier_basis_points < lower.multiplier_basis_points:
            raise InvalidArgument("multiplierBasisPoints", "a higher tier must not give less than a lower one")
