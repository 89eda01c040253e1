"""Creating, deactivating and erasing accounts."""

from __future__ import annotations

from uuid import UUID

from chassis import Caller
from chassis.clock import now
from chassis.database import Transaction
from chassis.database.rows import parameters
from chassis.errors import NotFound
from chassis.security import throttle
from services.customer import queries, wire
from services.customer.app import CustomerApp
from services.customer.commands import NewAccount, RegisterAccount
from services.customer.errors import AccountAlreadyExists, AccountInactive
from services.customer.model.codes import EMAIL_VERIFICATION, PASSWORD_RESET
from services.customer.model.personal_data import EMAIL, encrypt_phone
from services.customer.model.tables import DEFAULT_LOCALE
from services.customer.passwords import check_password
from services.customer.rows import CustomerRow, NewCustomer
from services.customer.usecases import codes, sessions, verification


async def register_account(app: CustomerApp, caller: Caller, command: RegisterAccount) -> CustomerRow:
    """Creates an account and queues the code that verifies its email address.

    Raises AccountAlreadyExists, WeakPassword, TooManyAttempts.
    """
    account, network = command.account, command.client.network
    limit = throttle.Limit("register", network, app.settings.registrations_per_address, throttle.HOUR)
    await app.throttle.count_attempt(limit)
    check_password(command.password, account.email, "password")
    password_hash = await app.passwords.hash(command.password)
    async with app.db.transaction() as tx:
        customer_id = await insert_account(app, tx, account, password_hash, is_invited=False)
        if customer_id is None:
            raise AccountAlreadyExists
        await codes.issue_code(app, tx, customer_id, EMAIL_VERIFICATION)
        return await get_existing_customer(tx, customer_id)


async def insert_account(
    app: CustomerApp, tx: Transaction, account: NewAccount, password_hash: str | None, *, is_invited: bool
) -> UUID | None:
    """Inserts the account and publishes CustomerRegistered. None when the email or the phone has an account."""
    new = NewCustomer(
        email=app.cipher.encrypt(account.email, EMAIL),
        **app.cipher.index(account.email, EMAIL),
        password_hash=password_hash,
        **parameters(encrypt_phone(app.cipher, account.phone)),
        first_name=account.first_name or None,
        last_name=account.last_name or None,
        display_name=account.display_name or None,
        locale=account.locale or DEFAULT_LOCALE,
    )
    customer_id = await tx.one(queries.accounts.INSERT_CUSTOMER, **parameters(new))
    if customer_id is not None:
        tx.publish(wire.customer_registered_to_proto(customer_id, now(), invited=is_invited), key=customer_id)
    return customer_id


async def get_existing_customer(tx: Transaction, customer_id: UUID) -> CustomerRow:
    """The customer, whose row the transaction has written or locked."""
    row = await tx.one(queries.accounts.GET_CUSTOMER, id=customer_id)
    assert row is not None
    return row


async def set_account_active(app: CustomerApp, caller: Caller, customer_id: UUID, *, is_active: bool) -> CustomerRow:
    """Activates or deactivates the account; deactivation ends its sessions. Raises NotFound."""
    async with app.db.transaction() as tx:
        changed = await tx.run(queries.accounts.SET_ACTIVE, id=customer_id, is_active=is_active)
        if changed and not is_active:
            await sessions.end_all_sessions(tx, customer_id, "lock")
        row = await tx.one(queries.accounts.GET_CUSTOMER, id=customer_id)
    if row is None:
        raise NotFound
    return row


async def erase_account(app: CustomerApp, caller: Caller, customer_id: UUID) -> None:
    """Deletes all personal data and publishes CustomerErased. Raises NotFound for an erased account too."""
    async with app.db.transaction() as tx:
        erased_at = await tx.one(
            queries.accounts.ERASE_CUSTOMER,
            id=customer_id,
            email=app.cipher.encrypt("", EMAIL),
            **app.cipher.index_of_nothing(customer_id, EMAIL),
        )
        if erased_at is None:
            raise NotFound
        await sessions.end_all_sessions(tx, customer_id, "erasure")
        for erasure in queries.accounts.ERASE_RELATED_ROWS:
            await tx.run(erasure, customer_id=customer_id)
        tx.publish(wire.customer_erased_to_proto(customer_id, erased_at), key=customer_id)


async def create_administrator(app: CustomerApp, email: str, password: str) -> bool:
    """Creates an administrator, for the bootstrap command. False, without a change, when the account is one already.

    An existing account gets this password and loses its sessions, since the email address may have been registered by a
    person who does not own it. Raises WeakPassword, AccountInactive.
    """
    check_password(password, email, "password")
    password_hash = await app.passwords.hash(password)
    async with app.db.transaction() as tx:
        new = NewAccount(email, first_name="Administrator")
        customer_id = await insert_account(app, tx, new, password_hash, is_invited=True)
        if customer_id is None:
            customer_id = await _take_over_account(app, tx, email, password_hash)
        if customer_id is None:
            return False
        await verification.mark_email_verified(tx, customer_id)
        await tx.run(queries.grants.INSERT_ADMINISTRATOR, customer_id=customer_id)
    return True


async def _take_over_account(app: CustomerApp, tx: Transaction, email: str, password_hash: str) -> UUID | None:
    """Sets the password of an existing account and ends its sessions. None when it is an administrator."""
    found = await tx.one(queries.accounts.LOCK_CREDENTIALS_BY_EMAIL, **app.cipher.index(email, EMAIL))
    assert found is not None
    if (await sessions.get_roles(tx, found.id)).is_admin:
        return None
    if not await tx.run(queries.accounts.SET_PASSWORD, id=found.id, password_hash=password_hash):
        raise AccountInactive
    await codes.delete_code(tx, found.id, PASSWORD_RESET)
    await sessions.end_all_sessions(tx, found.id, "made administrator")
    return found.id
