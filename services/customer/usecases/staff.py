"""Staff: invited by a store, accepted by the person, granted and revoked by the store's events."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from chassis.database import Row, Transaction
from chassis.security import throttle
from services.customer import model, wire
from services.customer.app import CustomerApp
from services.customer.client import Client
from services.customer.model import AccountInactive
from services.customer.queries import accounts as account_rows
from services.customer.queries import codes as code_rows
from services.customer.queries import grants as q
from services.customer.usecases import accounts, codes, sessions
from services.customer.usecases.accounts import Applicant

_LONGEST_FIRST_NAME = 100


@dataclass(frozen=True, slots=True)
class Invited:
    """The account, and whether it still has to accept."""

    customer_id: UUID
    is_pending: bool


@dataclass(frozen=True, slots=True)
class Employment:
    """What a store says of somebody who works there."""

    staff_id: UUID
    version: int
    customer_id: UUID
    store_id: UUID
    job: str
    is_revoked: bool


async def invite(app: CustomerApp, email: str, phone: str, name: str, store_id: UUID, job: str) -> Invited:
    """Finds or makes the account and mails the invitation. Raises AccountInactive, TooManyAttempts."""
    email = accounts.read_email(email)
    await app.throttle.count(throttle.Limit("invite", email, app.settings.mails_per_account, throttle.HOUR))
    async with app.db.transaction() as tx:
        customer_id = await _find_or_make(app, tx, email, phone, name)
        invitation = await tx.one(q.INVITATION, customer_id=customer_id, store_id=store_id)
        await tx.run(q.PUT_INVITATION, customer_id=customer_id, store_id=store_id, job=job)
        if invitation is not None and invitation.accepted_at is not None:
            return Invited(customer_id, is_pending=False)
        # A store that repeats a call whose answer it lost does not void the code that is under way.
        kind = model.STAFF_INVITATION
        if not await tx.value(code_rows.CODE_IS_RECENT, customer_id=customer_id, kind=kind, store_id=store_id):
            await codes.issue(app, tx, customer_id, kind, store_id)
    return Invited(customer_id, is_pending=True)


async def _find_or_make(app: CustomerApp, tx: Transaction, email: str, phone: str, name: str) -> UUID:
    """The account's id; its row is held by the transaction. An existing account keeps its name and phone."""
    by_email = app.cipher.index(email, wire.EMAIL)
    found = await tx.one(account_rows.LOCK_BY_EMAIL, **by_email)
    if found is None:
        if phone and await tx.value(account_rows.PHONE_IS_TAKEN, **app.cipher.index(phone, wire.PHONE)):
            phone = ""
        first_name = name.split(maxsplit=1)[0][:_LONGEST_FIRST_NAME]
        made = await accounts.insert(app, tx, Applicant(email, phone, first_name, "", name, ""), None)
        if made is not None:
            accounts.announce_registered(tx, made, invited=True)
            return made
        # Somebody registered the email in this moment, or took the phone; the row is visible now.
        found = await tx.one(account_rows.LOCK_BY_EMAIL, **by_email)
        if found is None:
            return await _find_or_make(app, tx, email, "", name)
    if not found.is_active:
        raise AccountInactive
    customer_id: UUID = found.id
    return customer_id


async def accept(app: CustomerApp, customer_id: UUID, code: str, client: Client) -> None:
    """Accepts an invitation with the code from the account's own mailbox. Raises InvalidCode, TooManyAttempts.

    Being logged in is not enough: the account may have been registered by somebody who does not own the mailbox.
    """
    settings = app.settings
    await app.throttle.count(
        throttle.Limit("code", str(customer_id), settings.code_attempts_per_account, throttle.HOUR),
        throttle.Limit("code", client.network, settings.code_attempts_per_address, throttle.HOUR),
    )
    tried = await app.db.all(
        code_rows.TRY_CODES, customer_id=customer_id, kinds=[model.STAFF_INVITATION], tries=codes.TRIES
    )
    row: Row = codes.matching(app, tried, code)
    async with app.db.transaction() as tx:
        await tx.one(account_rows.LOCK_CUSTOMER, id=customer_id)
        await codes.use(tx, row)
        await tx.run(q.ACCEPT_INVITATION, customer_id=customer_id, store_id=row.store_id)
        await accounts.mark_verified(tx, customer_id)


async def apply_employment(tx: Transaction, employment: Employment) -> None:
    """Follows a store's word on an employment; stale words change nothing.

    Tokens state the grants of the moment they were made, so an account that loses something it could do loses its
    sessions with it and logs in again.
    """
    before = await tx.one(q.GRANT_FOR_UPDATE, staff_id=employment.staff_id)
    if before is not None:
        await tx.one(account_rows.LOCK_CUSTOMER, id=before.customer_id)
    applied = await tx.run(
        q.PUT_GRANT,
        staff_id=employment.staff_id,
        version=employment.version,
        customer_id=employment.customer_id,
        store_id=employment.store_id,
        job=employment.job,
        is_revoked=employment.is_revoked,
    )
    if not applied or before is None or not before.is_active:
        return
    same = (before.customer_id, before.store_id, before.job) == (
        employment.customer_id,
        employment.store_id,
        employment.job,
    )
    if employment.is_revoked or not same:
        await sessions.end_all(tx, before.customer_id, "grant lost")
