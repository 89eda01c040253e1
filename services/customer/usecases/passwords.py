"""Resetting and changing passwords."""

from __future__ import annotations

from chassis import Caller
from chassis.errors import NotFound
from chassis.security import throttle
from services.customer import queries
from services.customer.app import CustomerApp
from services.customer.commands import ChangePassword, RequestPasswordReset, ResetPassword
from services.customer.errors import InvalidCode, WrongPassword
from services.customer.model.codes import PASSWORD_RESET, STAFF_INVITATION
from services.customer.model.personal_data import EMAIL
from services.customer.passwords import check_password
from services.customer.usecases import codes, sessions, verification
from services.customer.usecases.sessions import OpenedSession


async def request_password_reset(app: CustomerApp, caller: Caller, command: RequestPasswordReset) -> None:
    """Sends a code when the account exists; responds equally and in equal time when not. Raises TooManyAttempts."""
    async with verification.respond_in_constant_time():
        await app.throttle.count_attempt(*verification.email_limits(app, command.email, command.client))
        async with app.db.transaction() as tx:
            by_email = app.cipher.index(command.email, EMAIL)
            account = await tx.one(queries.accounts.LOCK_CREDENTIALS_BY_EMAIL, **by_email)
            if account is not None and account.is_active:
                await codes.issue_code(app, tx, account.id, PASSWORD_RESET)


async def reset_password(app: CustomerApp, caller: Caller, command: ResetPassword) -> None:
    """Sets a password with a code that was sent by email. Ends every session.

    The code also verifies the address; the code of an invitation accepts it. Raises InvalidCode, WeakPassword,
    TooManyAttempts.
    """
    check_password(command.new_password, command.email, "newPassword")
    async with verification.respond_in_constant_time():
        code = await verification.check_code(
            app, command.email, command.code, [PASSWORD_RESET, STAFF_INVITATION], command.client
        )
    password_hash = await app.passwords.hash(command.new_password)
    async with app.db.transaction() as tx:
        if not await tx.run(queries.accounts.SET_PASSWORD, id=code.customer_id, password_hash=password_hash):
            raise InvalidCode
        await codes.redeem_code(tx, code)
        # A reset that another person requested is void, whichever code was used.
        await codes.delete_code(tx, code.customer_id, PASSWORD_RESET)
        await verification.mark_email_verified(tx, code.customer_id)
        if code.kind == STAFF_INVITATION:
            await tx.run(queries.grants.ACCEPT_INVITATION, customer_id=code.customer_id, store_id=code.store_id)
        await sessions.end_all_sessions(tx, code.customer_id, "password reset")


async def change_password(app: CustomerApp, caller: Caller, command: ChangePassword) -> OpenedSession:
    """Changes the own password, ends every session and starts a new one.

    Raises WrongPassword, WeakPassword, TooManyAttempts.
    """
    customer_id = caller.account
    limit = throttle.Limit("change", str(customer_id), app.settings.login_attempts_per_account, throttle.QUARTER)
    await app.throttle.count_attempt(limit)
    account = await app.db.one(queries.accounts.GET_OWN_CREDENTIALS, id=customer_id)
    if account is None:
        raise NotFound
    check_password(command.new_password, app.cipher.decrypt(account.email, EMAIL), "newPassword")
    if not await app.passwords.verify(account.password_hash, command.current_password):
        raise WrongPassword
    new_hash = await app.passwords.hash(command.new_password)
    signer = await app.keyring.get_signer()
    async with app.db.transaction() as tx:
        changed = await tx.run(
            queries.accounts.REPLACE_PASSWORD,
            id=customer_id,
            password_hash=new_hash,
            current_hash=account.password_hash,
        )
        if not changed:
            raise WrongPassword
        await codes.delete_code(tx, customer_id, PASSWORD_RESET)
        await sessions.end_all_sessions(tx, customer_id, "password change")
        opened = await sessions.start_session(app, tx, signer, customer_id, command.device, command.client)
    await app.throttle.reset(limit)
    return opened
