"""Sessions: a login and the tokens that descend from it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from chassis import Caller
from chassis.clock import now
from chassis.database import Transaction
from chassis.database.rows import parameters
from chassis.errors import NotFound, Unauthenticated
from chassis.ids import new_id
from chassis.rpc.pagination import Page
from chassis.security import throttle
from services.customer import queries, wire
from services.customer.app import CustomerApp
from services.customer.commands import ClientInfo, Device, LogIn, RefreshSession
from services.customer.errors import InvalidCredentials, InvalidRefreshToken
from services.customer.keys import Signer
from services.customer.model.personal_data import EMAIL
from services.customer.rows import LockedSessionRow, NewSession, SessionRow
from services.customer.tokens import (
    SALT_BYTES,
    PresentedToken,
    Roles,
    create_access_token,
    create_csrf_token,
    hash_token,
)

# The time after a session's end in which its access tokens may be valid: their lifetime and the clock skew.
REVOCATION_WINDOW = timedelta(minutes=16)
_MAX_REVOKED_SESSIONS = 50_000


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session and its newest tokens."""

    customer_id: UUID
    session_id: UUID
    access_token: str
    refresh_token: str
    csrf_token: str
    refresh_expires_at: datetime


async def log_in(app: CustomerApp, caller: Caller, command: LogIn) -> OpenedSession:
    """Starts a session. Raises InvalidCredentials, TooManyAttempts."""
    settings = app.settings
    account = throttle.Limit("login", command.email, settings.login_attempts_per_account, throttle.QUARTER)
    network = throttle.Limit("login", command.client.network, settings.login_attempts_per_address, throttle.QUARTER)
    await app.throttle.count_attempt(account, network)
    by_email = app.cipher.index(command.email, EMAIL)
    found = await app.db.one(queries.accounts.GET_CREDENTIALS_BY_EMAIL, **by_email)
    stored = found.password_hash if found is not None else None
    matches = await app.passwords.verify(stored, command.password)
    if found is None or stored is None or not matches or not found.is_active:
        raise InvalidCredentials
    if app.passwords.is_outdated(stored):
        stored = await _renew_hash(app, found.id, stored, command.password)
    signer = await app.keyring.get_signer()
    async with app.db.transaction() as tx:
        # The password may have been changed, or the account deactivated, while it was verified.
        if not await tx.run(queries.accounts.RECORD_LOGIN, id=found.id, password_hash=stored):
            raise InvalidCredentials
        opened = await start_session(app, tx, signer, found.id, command.device, command.client)
    await app.throttle.reset(account)
    await app.throttle.subtract_attempt(network)
    return opened


async def _renew_hash(app: CustomerApp, customer_id: UUID, stored: str, password: str) -> str:
    renewed = await app.passwords.hash(password)
    await app.db.run(queries.accounts.REPLACE_PASSWORD, id=customer_id, password_hash=renewed, current_hash=stored)
    return renewed


async def start_session(
    app: CustomerApp, tx: Transaction, signer: Signer, customer_id: UUID, device: Device, client: ClientInfo
) -> OpenedSession:
    """Starts a session; the oldest ones above the limit end. The transaction must have locked the account."""
    session_id = new_id()
    opened = await _create_tokens(app, tx, signer, customer_id, session_id, app.refresh_tokens.create_first(session_id))
    new = NewSession(
        id=session_id,
        customer_id=customer_id,
        refresh_token=hash_token(opened.refresh_token),
        access_token_hash=hash_token(opened.access_token),
        device_type=device.type,
        device_id=device.id,
        ip_address=client.address,
        user_agent=client.user_agent,
        expires_at=opened.refresh_expires_at,
    )
    await tx.run(queries.sessions.INSERT_SESSION, **parameters(new))
    limit = app.settings.sessions_per_account
    ended = await tx.all(queries.sessions.END_OLDEST_SESSIONS, customer_id=customer_id, keep=limit, reason="crowded")
    _publish_revocations(tx, ended)
    return opened


async def _create_tokens(
    app: CustomerApp, tx: Transaction, signer: Signer, customer_id: UUID, session_id: UUID, refresh_token: str
) -> OpenedSession:
    """Signs an access token with the present roles."""
    settings = app.settings
    roles = await get_roles(tx, customer_id)
    csrf_token = create_csrf_token(app.signing_key, session_id)
    access_token = create_access_token(
        signer,
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        account_id=customer_id,
        session_id=session_id,
        roles=roles,
        csrf=csrf_token,
        at=now(),
        seconds=settings.access_token_seconds,
    )
    expires_at = now() + timedelta(seconds=settings.refresh_token_seconds)
    return OpenedSession(customer_id, session_id, access_token, refresh_token, csrf_token, expires_at)


async def get_roles(tx: Transaction, customer_id: UUID) -> Roles:
    """The roles of the account: administrator, and the grants of stores whose invitation it accepted."""
    row = await tx.one(queries.grants.GET_ROLES, customer_id=customer_id)
    assert row is not None
    return Roles(row.is_admin, tuple(zip(row.stores, row.jobs, strict=True)))


async def refresh_session(app: CustomerApp, caller: Caller, command: RefreshSession) -> OpenedSession:
    """Exchanges a refresh token for its successor. Raises InvalidRefreshToken.

    The reuse of a token that was replaced ends the session: one of its two users has stolen it.
    """
    presented = app.refresh_tokens.parse(command.refresh_token)
    if presented is None:
        raise InvalidRefreshToken
    signer = await app.keyring.get_signer()
    async with app.db.transaction() as tx:
        session = await tx.one(queries.sessions.LOCK_SESSION, id=presented.session_id)
        opened: OpenedSession | None = None
        if session is None or not session.is_alive:
            pass
        elif session.refresh_token == presented.digest:
            opened = await _rotate_tokens(app, tx, signer, session, presented, command.client)
        elif _is_parallel_refresh(session, presented, app.settings.refresh_grace_seconds):
            # Two parallel requests of one client get the same successor, so either response may be the last one.
            assert session.rotation_salt is not None
            successor = app.refresh_tokens.create_successor(presented, bytes(session.rotation_salt))
            opened = await _create_tokens(app, tx, signer, session.customer_id, session.id, successor)
        elif presented.is_genuine:
            app.log.warning("reuse of a refresh token; the session is ended", session_id=str(session.id))
            await end_session(tx, session.customer_id, session.id, "reuse")
    if opened is None:
        raise InvalidRefreshToken
    return opened


async def _rotate_tokens(
    app: CustomerApp,
    tx: Transaction,
    signer: Signer,
    session: LockedSessionRow,
    presented: PresentedToken,
    client: ClientInfo,
) -> OpenedSession:
    salt = secrets.token_bytes(SALT_BYTES)
    successor = app.refresh_tokens.create_successor(presented, salt)
    opened = await _create_tokens(app, tx, signer, session.customer_id, session.id, successor)
    await tx.run(
        queries.sessions.ROTATE_SESSION,
        id=session.id,
        refresh_token=hash_token(successor),
        rotation_salt=salt,
        access_token_hash=hash_token(opened.access_token),
        expires_at=opened.refresh_expires_at,
        ip_address=client.address,
        user_agent=client.user_agent,
    )
    return opened


def _is_parallel_refresh(session: LockedSessionRow, presented: PresentedToken, grace_seconds: float) -> bool:
    """Whether the token is the previous one, and was replaced within the grace period."""
    return (
        session.previous_refresh_token == presented.digest
        and session.rotated_at is not None
        and now() - session.rotated_at <= timedelta(seconds=grace_seconds)
    )


async def end_session(tx: Transaction, customer_id: UUID, session_id: UUID, reason: str) -> bool:
    """Ends one session of the account; False when the account has no such session, or it has ended."""
    ended = await tx.all(queries.sessions.END_SESSION, id=session_id, customer_id=customer_id, reason=reason)
    _publish_revocations(tx, ended)
    return bool(ended)


async def end_all_sessions(tx: Transaction, customer_id: UUID, reason: str, keep: UUID | None = None) -> None:
    """Ends the sessions of the account except `keep`. The transaction must have locked the account."""
    ended = await tx.all(queries.sessions.END_SESSIONS, customer_id=customer_id, reason=reason, keep=keep)
    _publish_revocations(tx, ended)


def _publish_revocations(tx: Transaction, session_ids: Iterable[UUID]) -> None:
    for session_id in session_ids:
        tx.publish(wire.session_revoked_to_proto(session_id, now() + REVOCATION_WINDOW), key=session_id)


async def log_out(app: CustomerApp, caller: Caller) -> None:
    """Ends the caller's session, if it has not ended."""
    async with app.db.transaction() as tx:
        await end_session(tx, caller.account, get_session_id(caller), "logout")


async def delete_session(app: CustomerApp, caller: Caller, session_id: UUID) -> None:
    """Ends a session of the caller's account. Raises NotFound when the account has no such session."""
    async with app.db.transaction() as tx:
        if not await end_session(tx, caller.account, session_id, "ended by customer"):
            raise NotFound


async def delete_sessions(app: CustomerApp, caller: Caller, *, keep_current: bool) -> None:
    """Ends all sessions of the caller's account, or all except the current one."""
    keep = get_session_id(caller) if keep_current else None
    async with app.db.transaction() as tx:
        await tx.one(queries.accounts.LOCK_ACCOUNT, id=caller.account)
        await end_all_sessions(tx, caller.account, "logout everywhere", keep)


async def list_sessions(app: CustomerApp, caller: Caller, page: Page) -> list[SessionRow]:
    """A page of the account's sessions that have not ended, newest first, with one row more than the page shows."""
    after_time, after_id = page.after or (None, None)
    return await app.db.all(
        queries.sessions.LIST_SESSIONS,
        customer_id=caller.account,
        after_time=after_time,
        after_id=after_id,
        limit=page.limit,
    )


async def list_revoked_sessions(app: CustomerApp, caller: Caller) -> list[UUID]:
    """The ended sessions whose access tokens may still be valid, at most 50,000."""
    return await app.db.all(
        queries.sessions.LIST_REVOKED_SESSIONS, window=REVOCATION_WINDOW, limit=_MAX_REVOKED_SESSIONS
    )


def get_session_id(caller: Caller) -> UUID:
    """The caller's session. Raises Unauthenticated without one."""
    if caller.session_id is None:
        raise Unauthenticated
    return caller.session_id


async def purge_sessions(app: CustomerApp) -> None:
    """Deletes addresses and user agents after 90 days, sessions 90 days after their end, and expired throttles."""
    for purge in (queries.sessions.PURGE_CLIENT_DATA, queries.sessions.PURGE_SESSIONS):
        async with app.db.maintenance() as tx:
            await tx.run(purge)
    await app.throttle.purge()
