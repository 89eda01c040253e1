"""Sessions: one log-in and the family of tokens that descends from it."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from jainshikanji.customer.v1.events_pb2 import SessionRevoked

from chassis.clock import now
from chassis.database import Row, Transaction
from chassis.errors import NotFound
from chassis.ids import new_id
from chassis.pii import normalise_email
from chassis.rpc.pagination import Page
from chassis.security import throttle
from chassis.timestamps import timestamp_to_proto
from services.customer import wire
from services.customer.app import CustomerApp
from services.customer.client import Client
from services.customer.keys import Signer
from services.customer.model import InvalidCredentials, InvalidRefreshToken
from services.customer.queries import accounts, grants
from services.customer.queries import sessions as q
from services.customer.tokens import SALT_BYTES, Presented, Roles, access_token, csrf_token, digest

# How long after a session's end a token of it may still be alive: its life and the tolerance of clocks.
ALIVE = timedelta(minutes=16)
_MOST_REVOKED = 50_000


@dataclass(frozen=True, slots=True)
class Device:
    """What a client says of itself; trusted for nothing."""

    type: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A session's newest tokens."""

    customer_id: UUID
    session_id: UUID
    access: str
    refresh: str
    csrf: str
    refresh_expires_at: datetime


async def log_in(app: CustomerApp, email: str, password: str, device: Device, client: Client) -> Opened:
    """Starts a session. Raises InvalidCredentials, TooManyAttempts."""
    email = normalise_email(email)
    account = throttle.Limit("login", email, app.settings.login_attempts_per_account, throttle.QUARTER)
    network = throttle.Limit("login", client.network, app.settings.login_attempts_per_address, throttle.QUARTER)
    await app.throttle.count(account, network)
    found = await app.db.one(accounts.CREDENTIALS_BY_EMAIL, **app.cipher.index(email, wire.EMAIL))
    kept = found.password_hash if found is not None else None
    matches = await app.passwords.verify(kept, password)
    if found is None or kept is None or not matches or not found.is_active:
        raise InvalidCredentials
    if app.passwords.is_outdated(kept):
        kept = await _renew_hash(app, found.id, kept, password)
    signer = await app.keyring.signer()
    async with app.db.transaction() as tx:
        # The password may have been changed, or the account locked, while it was verified.
        if not await tx.run(accounts.LOG_IN, id=found.id, password_hash=kept):
            raise InvalidCredentials
        opened = await start(app, tx, signer, found.id, device, client)
    await app.throttle.forget(account)
    await app.throttle.forgive(network)
    return opened


async def _renew_hash(app: CustomerApp, customer_id: UUID, kept: str, password: str) -> str:
    renewed = await app.passwords.hash(password)
    await app.db.run(accounts.REPLACE_PASSWORD, id=customer_id, password_hash=renewed, old_hash=kept)
    return renewed


async def start(
    app: CustomerApp, tx: Transaction, signer: Signer, customer_id: UUID, device: Device, client: Client
) -> Opened:
    """A new session with an id of its own. The account's row must be held by the transaction."""
    session_id = new_id()
    refresh = app.refresh_tokens.first(session_id)
    opened = await _tokens(app, tx, signer, customer_id, session_id, refresh)
    await tx.run(
        q.INSERT_SESSION,
        id=session_id,
        customer_id=customer_id,
        refresh_token=digest(refresh),
        access_token_hash=digest(opened.access),
        device_type=device.type,
        device_id=device.id,
        ip_address=client.address,
        user_agent=client.user_agent,
        expires_at=opened.refresh_expires_at,
    )
    crowded = await tx.all(
        q.END_OLDEST_SESSIONS, customer_id=customer_id, keep=app.settings.sessions_per_account, reason="crowded"
    )
    _announce(tx, crowded)
    return opened


async def _tokens(
    app: CustomerApp, tx: Transaction, signer: Signer, customer_id: UUID, session_id: UUID, refresh: str
) -> Opened:
    """Signs an access token with the roles as they are now."""
    settings = app.settings
    roles = await roles_of(tx, customer_id)
    csrf = csrf_token(app.signing_key, session_id)
    access = access_token(
        signer,
        issuer=settings.token_issuer,
        audience=settings.token_audience,
        account_id=customer_id,
        session_id=session_id,
        roles=roles,
        csrf=csrf,
        at=now(),
        seconds=settings.access_token_seconds,
    )
    expires_at = now() + timedelta(seconds=settings.refresh_token_seconds)
    return Opened(customer_id, session_id, access, refresh, csrf, expires_at)


async def roles_of(tx: Transaction, customer_id: UUID) -> Roles:
    """What the account may act as: grants of stores whose invitation it accepted, and administration."""
    row = await tx.one(grants.ROLES, customer_id=customer_id)
    assert row is not None
    return Roles(row.is_admin, tuple(zip(row.stores, row.jobs, strict=True)))


async def refresh(app: CustomerApp, text: str, client: Client) -> Opened:
    """Trades a refresh token for its successor. Raises InvalidRefreshToken; a stolen token ends the session first."""
    presented = app.refresh_tokens.read(text)
    if presented is None:
        raise InvalidRefreshToken
    signer = await app.keyring.signer()
    async with app.db.transaction() as tx:
        session = await tx.one(q.SESSION_FOR_UPDATE, id=presented.session_id)
        if session is None or not session.is_alive:
            opened = None
        elif session.refresh_token == presented.digest:
            opened = await _rotate(app, tx, signer, session, presented, client)
        elif _is_twin(session, presented, app.settings.refresh_grace_seconds):
            # Two requests of one client at once: both get the same successor, so it does not matter which answer wins.
            successor = app.refresh_tokens.successor(presented, bytes(session.rotation_salt))
            opened = await _tokens(app, tx, signer, session.customer_id, session.id, successor)
        else:
            opened = None
            if presented.is_genuine:
                app.log.warning("a used refresh token came back; the session is ended", session_id=str(session.id))
                await end(tx, session.customer_id, session.id, "reuse")
    if opened is None:
        raise InvalidRefreshToken
    return opened


async def _rotate(
    app: CustomerApp, tx: Transaction, signer: Signer, session: Row, presented: Presented, client: Client
) -> Opened:
    salt = secrets.token_bytes(SALT_BYTES)
    successor = app.refresh_tokens.successor(presented, salt)
    opened = await _tokens(app, tx, signer, session.customer_id, session.id, successor)
    await tx.run(
        q.ROTATE_SESSION,
        id=session.id,
        refresh_token=digest(successor),
        rotation_salt=salt,
        access_token_hash=digest(opened.access),
        expires_at=opened.refresh_expires_at,
        ip_address=client.address,
        user_agent=client.user_agent,
    )
    return opened


def _is_twin(session: Row, presented: Presented, grace_seconds: float) -> bool:
    """Whether the token is the one before the good one, used a moment ago."""
    return (
        session.previous_refresh_token == presented.digest
        and session.rotated_at is not None
        and now() - session.rotated_at <= timedelta(seconds=grace_seconds)
    )


async def end(tx: Transaction, customer_id: UUID, session_id: UUID, reason: str) -> bool:
    """Ends one session of the account; False when it is not there or over."""
    ended = await tx.all(q.END_SESSION, id=session_id, customer_id=customer_id, reason=reason)
    _announce(tx, ended)
    return bool(ended)


async def end_all(tx: Transaction, customer_id: UUID, reason: str, keep: UUID | None = None) -> None:
    """Ends every session of the account but `keep`. The account's row must be held by the transaction."""
    _announce(tx, await tx.all(q.END_SESSIONS, customer_id=customer_id, reason=reason, keep=keep))


def _announce(tx: Transaction, ended: Iterable[Row]) -> None:
    for row in ended:
        event = SessionRevoked(session_id=str(row.id), expires_at=timestamp_to_proto(now() + ALIVE))
        tx.publish(event, key=row.id)


async def log_out(app: CustomerApp, customer_id: UUID, session_id: UUID) -> None:
    """Ends the session. One that is over stays so."""
    async with app.db.transaction() as tx:
        await end(tx, customer_id, session_id, "logout")


async def end_one(app: CustomerApp, customer_id: UUID, session_id: UUID) -> None:
    """Ends a session of the account. Raises NotFound for one that is not the account's, or over."""
    async with app.db.transaction() as tx:
        if not await end(tx, customer_id, session_id, "ended by customer"):
            raise NotFound


async def log_out_everywhere(app: CustomerApp, customer_id: UUID, keep: UUID | None) -> None:
    """Ends all sessions of the account but `keep`."""
    async with app.db.transaction() as tx:
        await tx.one(accounts.LOCK_CUSTOMER, id=customer_id)
        await end_all(tx, customer_id, "logout everywhere", keep)


async def list_sessions(app: CustomerApp, customer_id: UUID, page: Page) -> list[Row]:
    """Sessions that are not over, newest first."""
    after_time, after_id = page.after or (None, None)
    return await app.db.all(
        q.SESSIONS, customer_id=customer_id, after_time=after_time, after_id=after_id, limit=page.limit
    )


async def list_revoked(app: CustomerApp) -> list[str]:
    """Ids of sessions whose access tokens may outlive them."""
    rows = await app.db.all(q.REVOKED_SESSIONS, window=ALIVE, limit=_MOST_REVOKED)
    return [str(row.id) for row in rows]


async def forget_old(app: CustomerApp) -> None:
    """Drops addresses and browsers after 90 days, sessions 90 days after their end, and closed windows of throttles."""
    for what in (q.FORGET_CLIENTS, q.FORGET_SESSIONS):
        async with app.db.maintenance() as tx:
            await tx.run(what)
    await app.throttle.forget_closed()
