"""Staff: invited by a store, accepted by the person, granted and revoked by events of the store."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from chassis import Caller
from chassis.database import Transaction
from chassis.database.rows import parameters
from chassis.security import throttle
from services.customer import queries
from services.customer.app import CustomerApp
from services.customer.commands import AcceptInvitation, ApplyEmployment, InviteStaff, NewAccount
from services.customer.errors import AccountInactive
from services.customer.model.codes import MAX_ATTEMPTS, STAFF_INVITATION
from services.customer.model.personal_data import EMAIL, PHONE
from services.customer.usecases import accounts, codes, sessions, verification

_MAX_FIRST_NAME_LENGTH = 100


@dataclass(frozen=True, slots=True)
class InvitedAccount:
    """The account, and whether it still has to accept the invitation."""

    customer_id: UUID
    is_pending: bool


async def invite_staff(app: CustomerApp, caller: Caller, command: InviteStaff) -> InvitedAccount:
    """Finds or creates the account and sends the invitation. Raises AccountInactive, TooManyAttempts."""
    limit = throttle.Limit("invite", command.email, app.settings.mails_per_account, throttle.HOUR)
    await app.throttle.count_attempt(limit)
    async with app.db.transaction() as tx:
        customer_id = await _find_or_create_account(app, tx, command.email, command.phone, command.name)
        accepted_at = await tx.one(
            queries.grants.GET_INVITATION_ACCEPTED_AT, customer_id=customer_id, store_id=command.store_id
        )
        await tx.run(
            queries.grants.UPSERT_INVITATION, customer_id=customer_id, store_id=command.store_id, job=command.job
        )
        if accepted_at is not None:
            return InvitedAccount(customer_id, is_pending=False)
        # A store that repeats a call whose response was lost does not invalidate the code that is being sent.
        is_repeated = await tx.one(
            queries.codes.HAS_RECENT_CODE, customer_id=customer_id, kind=STAFF_INVITATION, store_id=command.store_id
        )
        if not is_repeated:
            await codes.issue_code(app, tx, customer_id, STAFF_INVITATION, command.store_id)
    return InvitedAccount(customer_id, is_pending=True)


async def _find_or_create_account(app: CustomerApp, tx: Transaction, email: str, phone: str, name: str) -> UUID:
    """The id of the account, which the transaction has locked. An existing account keeps its name and phone."""
    by_email = app.cipher.index(email, EMAIL)
    found = await tx.one(queries.accounts.LOCK_CREDENTIALS_BY_EMAIL, **by_email)
    if found is None:
        if phone:
            is_taken = await tx.one(queries.accounts.IS_PHONE_TAKEN, **app.cipher.index(phone, PHONE))
            phone = "" if is_taken else phone
        first_name = name.split(maxsplit=1)[0][:_MAX_FIRST_NAME_LENGTH]
        new = NewAccount(email, phone, first_name=first_name, display_name=name)
        customer_id = await accounts.insert_account(app, tx, new, None, is_invited=True)
        if customer_id is not None:
            return customer_id
        # A concurrent request registered the email or the phone; its row is visible now.
        found = await tx.one(queries.accounts.LOCK_CREDENTIALS_BY_EMAIL, **by_email)
        if found is None:
            return await _find_or_create_account(app, tx, email, "", name)
    if not found.is_active:
        raise AccountInactive
    return found.id


async def accept_invitation(app: CustomerApp, caller: Caller, command: AcceptInvitation) -> None:
    """Accepts an invitation with the code that was sent to the account's email address.

    A login is not sufficient, since the account may have been registered by a person who does not own the address.
    Raises InvalidCode, TooManyAttempts.
    """
    customer_id = caller.account
    await app.throttle.count_attempt(*verification.code_limits(app, str(customer_id), command.client))
    candidates = await app.db.all(
        queries.codes.COUNT_ATTEMPT, customer_id=customer_id, kinds=[STAFF_INVITATION], max_attempts=MAX_ATTEMPTS
    )
    code = codes.match_code(app, candidates, command.code)
    async with app.db.transaction() as tx:
        await tx.one(queries.accounts.LOCK_ACCOUNT, id=customer_id)
        await codes.redeem_code(tx, code)
        await tx.run(queries.grants.ACCEPT_INVITATION, customer_id=customer_id, store_id=code.store_id)
        await verification.mark_email_verified(tx, customer_id)


async def apply_employment(app: CustomerApp, tx: Transaction, command: ApplyEmployment) -> None:
    """Stores the state of an employment; an older version changes nothing.

    Access tokens contain the grants at their creation. An account that loses a grant therefore loses its sessions.
    """
    before = await tx.one(queries.grants.LOCK_GRANT, staff_id=command.staff_id)
    if before is not None:
        await tx.one(queries.accounts.LOCK_ACCOUNT, id=before.customer_id)
    applied = await tx.run(queries.grants.UPSERT_GRANT, **parameters(command))
    if not applied or before is None or not before.is_active:
        return
    is_same = (before.customer_id, before.store_id, before.job) == (
        command.customer_id,
        command.store_id,
        command.job,
    )
    if command.is_revoked or not is_same:
        await sessions.end_all_sessions(tx, before.customer_id, "grant lost")
