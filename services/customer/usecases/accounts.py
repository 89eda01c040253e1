"""Accounts: made, proved, changed, locked, erased."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from jainshikanji.customer.v1 import events_pb2 as events

from chassis.clock import now
from chassis.database import Row, Transaction
from chassis.errors import DomainError, InvalidArgument, NotFound
from chassis.pii import normalise_email
from chassis.security import throttle
from chassis.timestamps import timestamp_to_proto
from services.customer import model, passwords, wire
from services.customer.app import CustomerApp
from services.customer.client import Client
from services.customer.model import AccountAlreadyExists, AccountInactive, InvalidCode, WrongPassword
from services.customer.queries import accounts as q
from services.customer.queries import codes as code_rows
from services.customer.queries import grants
from services.customer.usecases import codes, sessions
from services.customer.usecases.sessions import Device, Opened

_LONGEST_EMAIL = 254
# Longer than either way through takes on a machine that is not overloaded.
_EVEN_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Applicant:
    """What somebody gives of themselves to register."""

    email: str
    phone: str
    first_name: str
    last_name: str
    display_name: str
    locale: str


def read_email(text: str) -> str:
    """One form of a mailbox. Raises InvalidArgument."""
    email = normalise_email(text)
    if len(email) > _LONGEST_EMAIL:
        raise InvalidArgument("email", f"must have at most {_LONGEST_EMAIL} characters")
    return email


async def register(app: CustomerApp, applicant: Applicant, password: str, client: Client) -> Row:
    """Makes an account and queues the code that verifies its mailbox. Raises AccountAlreadyExists, WeakPassword."""
    limit = throttle.Limit("register", client.network, app.settings.registrations_per_address, throttle.HOUR)
    await app.throttle.count(limit)
    passwords.check(password, applicant.email, "password")
    password_hash = await app.passwords.hash(password)
    async with app.db.transaction() as tx:
        customer_id = await insert(app, tx, applicant, password_hash)
        if customer_id is None:
            raise AccountAlreadyExists
        await codes.issue(app, tx, customer_id, model.EMAIL_VERIFICATION)
        announce_registered(tx, customer_id, invited=False)
        return await tx.one(q.CUSTOMER, id=customer_id)


async def insert(app: CustomerApp, tx: Transaction, applicant: Applicant, password_hash: str | None) -> UUID | None:
    """The new account's id; None when the email or the phone has one."""
    customer_id: UUID | None = await tx.value(
        q.INSERT_CUSTOMER,
        email=app.cipher.encrypt(applicant.email, wire.EMAIL),
        **app.cipher.index(applicant.email, wire.EMAIL),
        password_hash=password_hash,
        **wire.phone_columns(app.cipher, applicant.phone),
        first_name=applicant.first_name or None,
        last_name=applicant.last_name or None,
        display_name=applicant.display_name or None,
        locale=applicant.locale or model.DEFAULT_LOCALE,
    )
    return customer_id


def announce_registered(tx: Transaction, customer_id: UUID, *, invited: bool) -> None:
    event = events.CustomerRegistered(
        customer_id=str(customer_id), occurred_at=timestamp_to_proto(now()), invited=invited
    )
    tx.publish(event, key=customer_id)


@asynccontextmanager
async def _no_sooner_than(seconds: float) -> AsyncIterator[None]:
    """Hides in the time of the answer, also of a refusal, whether there was an account to work for."""
    loop = asyncio.get_running_loop()
    ready = loop.time() + seconds
    try:
        yield
    except DomainError:
        await asyncio.sleep(ready - loop.time())
        raise
    await asyncio.sleep(ready - loop.time())


async def verify_email(app: CustomerApp, email: str, code: str, client: Client) -> None:
    """Proves the mailbox with its code. Raises InvalidCode, TooManyAttempts."""
    async with _no_sooner_than(_EVEN_SECONDS):
        row = await _try_code(app, email, code, [model.EMAIL_VERIFICATION], client)
        async with app.db.transaction() as tx:
            await tx.one(q.LOCK_CUSTOMER, id=row.customer_id)
            await codes.use(tx, row)
            await mark_verified(tx, row.customer_id)


async def _try_code(app: CustomerApp, email: str, code: str, kinds: list[str], client: Client) -> Row:
    """Counts the try, then compares. Raises InvalidCode for every reason alike."""
    email = normalise_email(email)
    settings = app.settings
    await app.throttle.count(
        throttle.Limit("code", email, settings.code_attempts_per_account, throttle.HOUR),
        throttle.Limit("code", client.network, settings.code_attempts_per_address, throttle.HOUR),
    )
    tried = await app.db.all(
        code_rows.TRY_CODES_BY_EMAIL, **app.cipher.index(email, wire.EMAIL), kinds=kinds, tries=codes.TRIES
    )
    return codes.matching(app, tried, code)


async def mark_verified(tx: Transaction, customer_id: UUID) -> None:
    """The mailbox is proved; announced the first time."""
    if await tx.run(q.SET_EMAIL_VERIFIED, id=customer_id):
        tx.publish(
            events.CustomerVerified(customer_id=str(customer_id), occurred_at=timestamp_to_proto(now())),
            key=customer_id,
        )


async def resend_verification(app: CustomerApp, customer_id: UUID, client: Client) -> None:
    """Sends a new code in place of the old one, unless the mailbox is proved. Raises TooManyAttempts."""
    await app.throttle.count(*_mail_limits(app, str(customer_id), client))
    async with app.db.transaction() as tx:
        account = await tx.one(q.LOCK_CUSTOMER, id=customer_id)
        if account is not None and not account.email_verified:
            await codes.issue(app, tx, customer_id, model.EMAIL_VERIFICATION)


def _mail_limits(app: CustomerApp, whom: str, client: Client) -> tuple[throttle.Limit, throttle.Limit]:
    return (
        throttle.Limit("mail", whom, app.settings.mails_per_account, throttle.HOUR),
        throttle.Limit("mail", client.network, app.settings.mails_per_address, throttle.HOUR),
    )


async def forgot_password(app: CustomerApp, email: str, client: Client) -> None:
    """Mails a code when there is such an account; says nothing and takes as long when not. Raises TooManyAttempts."""
    email = normalise_email(email)
    async with _no_sooner_than(_EVEN_SECONDS):
        await app.throttle.count(*_mail_limits(app, email, client))
        async with app.db.transaction() as tx:
            account = await tx.one(q.LOCK_BY_EMAIL, **app.cipher.index(email, wire.EMAIL))
            if account is not None and account.is_active:
                await codes.issue(app, tx, account.id, model.PASSWORD_RESET)


async def reset_password(app: CustomerApp, email: str, code: str, new_password: str, client: Client) -> None:
    """Sets a password with a mailed code, which also proves the mailbox and, of an invitation, accepts it.

    Ends every session. Raises InvalidCode, WeakPassword, TooManyAttempts.
    """
    passwords.check(new_password, normalise_email(email), "newPassword")
    async with _no_sooner_than(_EVEN_SECONDS):
        row = await _try_code(app, email, code, [model.PASSWORD_RESET, model.STAFF_INVITATION], client)
    password_hash = await app.passwords.hash(new_password)
    async with app.db.transaction() as tx:
        if not await tx.run(q.SET_PASSWORD, id=row.customer_id, password_hash=password_hash):
            raise InvalidCode
        await codes.use(tx, row)
        # A reset that somebody else asked for is void, whichever code was used.
        await tx.run(code_rows.DROP_CODE, customer_id=row.customer_id, kind=model.PASSWORD_RESET, store_id=None)
        await mark_verified(tx, row.customer_id)
        if row.kind == model.STAFF_INVITATION:
            await tx.run(grants.ACCEPT_INVITATION, customer_id=row.customer_id, store_id=row.store_id)
        await sessions.end_all(tx, row.customer_id, "password reset")


async def change_password(
    app: CustomerApp, customer_id: UUID, current: str, new_password: str, device: Device, client: Client
) -> Opened:
    """Changes the password, ends every session and starts a new one. Raises WrongPassword, WeakPassword."""
    limit = throttle.Limit("change", str(customer_id), app.settings.login_attempts_per_account, throttle.QUARTER)
    await app.throttle.count(limit)
    account = await app.db.one(q.CREDENTIALS, id=customer_id)
    if account is None:
        raise NotFound
    passwords.check(new_password, wire.opened(app.cipher, account.email, wire.EMAIL), "newPassword")
    if not await app.passwords.verify(account.password_hash, current):
        raise WrongPassword
    new_hash = await app.passwords.hash(new_password)
    signer = await app.keyring.signer()
    async with app.db.transaction() as tx:
        changed = await tx.run(
            q.REPLACE_PASSWORD, id=customer_id, password_hash=new_hash, old_hash=account.password_hash
        )
        if not changed:
            raise WrongPassword
        await tx.run(code_rows.DROP_CODE, customer_id=customer_id, kind=model.PASSWORD_RESET, store_id=None)
        await sessions.end_all(tx, customer_id, "password change")
        opened = await sessions.start(app, tx, signer, customer_id, device, client)
    await app.throttle.forget(limit)
    return opened


async def set_active(app: CustomerApp, customer_id: UUID, *, is_active: bool) -> Row:
    """Locks or unlocks the account; locking ends its sessions. Raises NotFound."""
    async with app.db.transaction() as tx:
        changed = await tx.run(q.SET_ACTIVE, id=customer_id, is_active=is_active)
        if changed and not is_active:
            await sessions.end_all(tx, customer_id, "lock")
        row = await tx.one(q.CUSTOMER, id=customer_id)
    if row is None:
        raise NotFound
    return row


async def erase(app: CustomerApp, customer_id: UUID) -> None:
    """Removes everything personal and tells every service. Raises NotFound when there is nothing to erase."""
    async with app.db.transaction() as tx:
        erased_at = await tx.value(
            q.ERASE_CUSTOMER,
            id=customer_id,
            email=app.cipher.encrypt("", wire.EMAIL),
            **app.cipher.index_of_nothing(customer_id, wire.EMAIL),
        )
        if erased_at is None:
            raise NotFound
        await sessions.end_all(tx, customer_id, "erasure")
        for removal in q.ERASE_WHAT_BELONGS_TO_IT:
            await tx.run(removal, customer_id=customer_id)
        tx.publish(
            events.CustomerErased(customer_id=str(customer_id), occurred_at=timestamp_to_proto(erased_at)),
            key=customer_id,
        )


async def make_administrator(app: CustomerApp, email: str, password: str) -> bool:
    """For the bootstrap command. False, and nothing changed, when the account administers the platform already.

    An existing account gets this password and loses its sessions: whoever registered the email need not be who owns it.
    Raises WeakPassword, InvalidArgument, AccountInactive.
    """
    email = read_email(email)
    passwords.check(password, email, "password")
    password_hash = await app.passwords.hash(password)
    async with app.db.transaction() as tx:
        customer_id = await insert(app, tx, Applicant(email, "", "Administrator", "", "", ""), password_hash)
        if customer_id is not None:
            announce_registered(tx, customer_id, invited=True)
        else:
            found = await tx.one(q.LOCK_BY_EMAIL, **app.cipher.index(email, wire.EMAIL))
            assert found is not None
            customer_id = found.id
            if (await sessions.roles_of(tx, found.id)).is_admin:
                return False
            if not await tx.run(q.SET_PASSWORD, id=found.id, password_hash=password_hash):
                raise AccountInactive
            await tx.run(code_rows.DROP_CODE, customer_id=found.id, kind=model.PASSWORD_RESET, store_id=None)
            await sessions.end_all(tx, found.id, "made administrator")
        await mark_verified(tx, customer_id)
        await tx.run(grants.MAKE_ADMINISTRATOR, customer_id=customer_id)
    return True
