"""Proving that an account owns its email address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from chassis import Caller
from chassis.clock import now
from chassis.database import Transaction
from chassis.errors import DomainError
from chassis.security import throttle
from services.customer import queries, wire
from services.customer.app import CustomerApp
from services.customer.commands import ClientInfo, VerifyEmail
from services.customer.model.codes import EMAIL_VERIFICATION, MAX_ATTEMPTS, CodeKind
from services.customer.model.personal_data import EMAIL
from services.customer.rows import CodeRow
from services.customer.usecases import codes

# Longer than a request takes, with or without an account, on a machine that is not overloaded.
_CONSTANT_SECONDS = 0.25


async def verify_email(app: CustomerApp, caller: Caller, command: VerifyEmail) -> None:
    """Verifies the email address with its code. Raises InvalidCode, TooManyAttempts."""
    async with respond_in_constant_time():
        code = await check_code(app, command.email, command.code, [EMAIL_VERIFICATION], command.client)
        async with app.db.transaction() as tx:
            await tx.one(queries.accounts.LOCK_ACCOUNT, id=code.customer_id)
            await codes.redeem_code(tx, code)
            await mark_email_verified(tx, code.customer_id)


async def resend_verification(app: CustomerApp, caller: Caller, client: ClientInfo) -> None:
    """Replaces the code and sends the new one, unless the address is verified. Raises TooManyAttempts."""
    await app.throttle.count_attempt(*email_limits(app, str(caller.account), client))
    async with app.db.transaction() as tx:
        account = await tx.one(queries.accounts.LOCK_ACCOUNT, id=caller.account)
        if account is not None and not account.email_verified:
            await codes.issue_code(app, tx, account.id, EMAIL_VERIFICATION)


@asynccontextmanager
async def respond_in_constant_time() -> AsyncIterator[None]:
    """Delays a result or an error, so that its time does not reveal whether the account exists."""
    loop = asyncio.get_running_loop()
    due = loop.time() + _CONSTANT_SECONDS
    try:
        yield
    except DomainError:
        await asyncio.sleep(due - loop.time())
        raise
    await asyncio.sleep(due - loop.time())


async def check_code(app: CustomerApp, email: str, code: str, kinds: Sequence[CodeKind], client: ClientInfo) -> CodeRow:
    """Counts the attempt, then compares. Raises InvalidCode for every cause, TooManyAttempts."""
    await app.throttle.count_attempt(*code_limits(app, email, client))
    candidates = await app.db.all(
        queries.codes.COUNT_ATTEMPT_BY_EMAIL,
        **app.cipher.index(email, EMAIL),
        kinds=list(kinds),
        max_attempts=MAX_ATTEMPTS,
    )
    return codes.match_code(app, candidates, code)


async def mark_email_verified(tx: Transaction, customer_id: UUID) -> None:
    """Stores that the address is verified; publishes CustomerVerified the first time."""
    if await tx.run(queries.accounts.SET_EMAIL_VERIFIED, id=customer_id):
        tx.publish(wire.customer_verified_to_proto(customer_id, now()), key=customer_id)


def code_limits(app: CustomerApp, account: str, client: ClientInfo) -> tuple[throttle.Limit, throttle.Limit]:
    """The limits on wrong codes, for the account and for the network."""
    return (
        throttle.Limit("code", account, app.settings.code_attempts_per_account, throttle.HOUR),
        throttle.Limit("code", client.network, app.settings.code_attempts_per_address, throttle.HOUR),
    )


def email_limits(app: CustomerApp, account: str, client: ClientInfo) -> tuple[throttle.Limit, throttle.Limit]:
    """The limits on emails with codes, for the account and for the network."""
    return (
        throttle.Limit("mail", account, app.settings.mails_per_account, throttle.HOUR),
        throttle.Limit("mail", client.network, app.settings.mails_per_address, throttle.HOUR),
    )
