"""Accounts: read, open, erase; gifts of administrators; expiry of points; tiers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from uuid import UUID

from chassis import Caller
from chassis.database import Transaction
from chassis.database.retries import retry_on_deadlock
from chassis.errors import InvalidArgument, NotFound
from chassis.rpc import idempotency
from chassis.rpc.pagination import Page
from services.loyalty.app import LoyaltyApp
from services.loyalty.commands import GivePoints, ListTransactions, UpdateTier
from services.loyalty.queries import accounts as queries
from services.loyalty.queries import ledger, tiers
from services.loyalty.rows import AccountRow, TierRow, TransactionRow
from services.loyalty.usecases.ledger import lock_account

_LOWEST_ID = UUID(int=0)


async def get_account(app: LoyaltyApp, caller: Caller, customer_id: UUID) -> AccountRow:
    """The account. A customer whose registration event has not arrived yet gets an empty one. Raises NotFound."""
    row = await app.db.one(queries.GET_ACCOUNT, customer_id=customer_id)
    if row is not None:
        return row
    is_own = caller.account_id == customer_id
    if not is_own or await app.db.one(queries.GET_ERASED_AT, customer_id=customer_id) is not None:
        raise NotFound
    empty = await app.db.one(queries.GET_EMPTY_ACCOUNT, customer_id=customer_id)
    assert empty is not None
    return empty


async def list_transactions(
    app: LoyaltyApp, caller: Caller, command: ListTransactions, page: Page
) -> list[TransactionRow]:
    """A page of ledger lines, newest first, with one row more than the page shows."""
    return await app.db.all(
        ledger.LIST_TRANSACTIONS,
        customer_id=command.customer_id,
        type=command.kind,
        before=int(page.after[0]) if page.after else None,
        limit=page.limit,
    )


async def give_points(app: LoyaltyApp, caller: Caller, command: GivePoints) -> TransactionRow:
    """A gift of an administrator, once per Idempotency-Key; returns the ledger line. Raises NotFound."""

    async def give(tx: Transaction) -> UUID:
        if await tx.one(queries.GET_CUSTOMER, customer_id=command.customer_id) is None:
            raise NotFound
        account = await lock_account(app, tx, command.customer_id)
        line_id = await account.add_points("bonus", command.points, command.reason, actor_id=caller.account)
        if line_id is None:
            raise NotFound
        return line_id

    if command.claim is not None:
        line_id = await idempotency.run_once(app.db, command.claim, give)
    else:
        async with app.db.transaction() as tx:
            line_id = await give(tx)
    row = await app.db.one(ledger.GET_TRANSACTION, id=line_id)
    assert row is not None
    return row


async def open_account(app: LoyaltyApp, tx: Transaction, customer_id: UUID) -> None:
    """Opens the account unless it exists."""
    await lock_account(app, tx, customer_id)


async def erase_account(app: LoyaltyApp, tx: Transaction, customer_id: UUID) -> None:
    """Forfeits the points, expires the codes and deletes texts about the person."""
    account = await lock_account(app, tx, customer_id)
    await account.erase()


async def expire_points(app: LoyaltyApp) -> None:
    """Removes expired points, one transaction per account."""
    for customer_id in await app.db.all(ledger.LIST_CUSTOMERS_WITH_EXPIRED_POINTS):
        await retry_on_deadlock(lambda customer_id=customer_id: _expire(app, customer_id))  # type: ignore[misc]


async def _expire(app: LoyaltyApp, customer_id: UUID) -> None:
    async with app.db.transaction() as tx:
        await (await lock_account(app, tx, customer_id)).expire_points()


async def update_tiers(app: LoyaltyApp) -> None:
    """Changes the tier of accounts whose spend of the last 12 months does not match it."""
    after = _LOWEST_ID
    while customer_ids := await _list_out_of_tier(app, after):
        for customer_id in customer_ids:
            await retry_on_deadlock(lambda customer_id=customer_id: _update_tier(app, customer_id))  # type: ignore[misc]
        after = customer_ids[-1]


async def _list_out_of_tier(app: LoyaltyApp, after: UUID) -> list[UUID]:
    # Scans all accounts until it has a page.
    async with app.db.maintenance() as tx:
        return await tx.all(tiers.LIST_CUSTOMERS_OUT_OF_TIER, after=after)


async def _update_tier(app: LoyaltyApp, customer_id: UUID) -> None:
    async with app.db.transaction() as tx:
        await (await lock_account(app, tx, customer_id)).update_tier()


async def list_tiers(app: LoyaltyApp, caller: Caller) -> list[TierRow]:
    """The tiers, lowest first."""
    return await app.db.all(tiers.LIST_TIERS)


async def update_tier(app: LoyaltyApp, caller: Caller, command: UpdateTier) -> TierRow:
    """Changes the terms of a tier. Raises InvalidArgument when the tiers are not in ascending order any more."""
    async with app.db.transaction() as tx:
        locked = await tx.all(tiers.LOCK_TIERS)
        changed = next(_apply(command, tier) for tier in locked if tier.name == command.name)
        _check_tiers([changed if tier.name == command.name else tier for tier in locked])
        await tx.run(
            tiers.UPDATE_TIER,
            tier=changed.name,
            min_spend=changed.min_spend,
            multiplier_basis_points=changed.multiplier_basis_points,
        )
    return changed


def _apply(command: UpdateTier, tier: TierRow) -> TierRow:
    multiplier = command.multiplier_basis_points
    return tier._replace(
        min_spend=tier.min_spend if command.min_spend is None else command.min_spend,
        multiplier_basis_points=tier.multiplier_basis_points if multiplier is None else multiplier,
    )


def _check_tiers(rows: Sequence[TierRow]) -> None:
    if rows[0].min_spend != 0:
        raise InvalidArgument("minSpend", "must be 0 for the lowest tier")
    for lower, higher in pairwise(rows):
        if higher.min_spend <= lower.min_spend:
            raise InvalidArgument("minSpend", "must be above that of the tier below")
        if higher.multiplier_basis_points < lower.multiplier_basis_points:
            raise InvalidArgument("multiplierBasisPoints", "must not be below that of the tier below")
