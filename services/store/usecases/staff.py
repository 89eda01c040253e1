"""Who works where. Records and grants are this service's; accounts and their invitations are customer's.

A member is written first, with a pending invitation, then handed to customer outside any transaction, then marked sent
together with the event that gives the grant. Whatever fails in between leaves a pending record, which
`hand_over_invitations` takes up again; inviting twice is harmless.
"""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from psycopg.errors import ForeignKeyViolation

from chassis.clock import now
from chassis.database import Row, Transaction
from chassis.errors import InvalidArgument, NotFound, RemoteError, StaleEtag, Unavailable
from chassis.pii import normalise_email, normalise_phone
from chassis.rpc.pagination import Page
from services.store import clients, wire
from services.store import queries as q
from services.store.app import StoreApp
from services.store.model.hours import find_zone
from services.store.model.refusals import AlreadyStaff, InvitationRefused
from services.store.usecases.stores import get_store

EMAIL = "staff.email"
PHONE = "staff.phone"
SENT = "sent"
REFUSED = "refused"
GRACE = dt.timedelta(seconds=30)
BATCH = 100
ERASED_NAME = "erased"


async def list_staff(
    app: StoreApp, store_id: UUID, page: Page, *, job: str | None, include_inactive: bool
) -> list[Row]:
    """Up to one more than the page shows, by name. Raises NotFound for a store that is not there."""
    parameters: dict[str, Any] = {"store_id": store_id, "limit": page.limit}
    if job is not None:
        parameters["role"] = job
    if page.after is not None:
        parameters |= {"after_name": page.after[0], "after_id": UUID(page.after[1])}
    query = q.staff_page(job=job is not None, inactive=include_inactive, following=page.after is not None)
    rows = await app.db.all(query, **parameters)
    if not rows:
        await get_store(app, store_id)
    return rows


async def get_member(app: StoreApp, store_id: UUID, staff_id: UUID) -> Row:
    """One member of the store. Raises NotFound."""
    row = await app.db.one(q.MEMBER, store_id=store_id, staff_id=staff_id)
    if row is None:
        raise NotFound
    return row


async def add_member(
    app: StoreApp, store_id: UUID, *, name: str, email: str, phone: str, job: str, hire_date: dt.date | None
) -> Row:
    """Adds or takes on again, and invites. Raises NotFound, AlreadyStaff, and customer's refusal of the person.

    While customer does not answer the member is returned pending.
    """
    address = normalise_email(email)
    try:
        async with app.db.transaction() as tx:
            row = await tx.one(
                q.HIRE,
                store_id=store_id,
                name=name,
                email=app.cipher.encrypt(address, EMAIL),
                **app.cipher.index(address, EMAIL),
                phone=_sealed_phone(app, phone),
                role=job,
                hire_date=hire_date,
            )
    except ForeignKeyViolation:
        raise NotFound from None
    if row is None:
        raise AlreadyStaff
    try:
        return await app.run_shielded(hand_over_invitation(app, row.id)) or row
    except Unavailable as error:
        app.log.warning("an invitation waits", staff_id=str(row.id), error=str(error))
        return row


async def hand_over_invitation(app: StoreApp, staff_id: UUID) -> Row | None:
    """Has a pending member invited and gives the grant; None when the invitation is not pending (any more).

    Raises RemoteError, after marking the member refused, and Unavailable, which leaves the invitation pending.
    """
    member = await app.db.one(q.PENDING_MEMBER, staff_id=staff_id)
    if member is None:
        return None
    try:
        account_id = await clients.invite(
            app,
            name=member.name,
            email=app.cipher.decrypt(member.email, EMAIL),
            phone=open_phone(app, member),
            store_id=member.store_id,
            job=member.role,
        )
    except RemoteError:
        await app.db.run(q.INVITATION_REFUSED, staff_id=staff_id, email_index=member.email_index)
        raise
    async with app.db.transaction() as tx:
        row = await tx.one(q.INVITATION_SENT, staff_id=staff_id, account_id=account_id, email_index=member.email_index)
        if row is not None and row.is_active:
            _publish(tx, wire.staff_granted(row), row)
    return row


async def hand_over_invitations(app: StoreApp) -> None:
    """Takes up invitations that a failure left pending, until customer does not answer."""
    for row in await app.db.all(q.PENDING_MEMBERS, grace=GRACE, limit=BATCH):
        try:
            await hand_over_invitation(app, row.id)
        except RemoteError as refusal:
            app.log.warning("an invitation was refused", staff_id=str(row.id), reason=refusal.reason)
        except Unavailable:
            return


async def update_member(
    app: StoreApp, store_id: UUID, staff_id: UUID, changes: dict[str, Any], known_version: int | None
) -> Row:
    """Sets name, phone, role, is_active, hire_date, termination_date as far as given; the grant follows.

    Raises NotFound, StaleEtag, InvitationRefused, InvalidArgument.
    """
    if "phone" in changes:
        changes["phone"] = _sealed_phone(app, changes["phone"])
    time_zone = (await get_store(app, store_id)).time_zone
    async with app.db.transaction() as tx:
        before = await tx.one(q.LOCK_MEMBER, store_id=store_id, staff_id=staff_id)
        if before is None:
            raise NotFound
        if known_version is not None and known_version != before.version:
            raise StaleEtag(wire.etag(before.version))
        return await _change(tx, before, _consistent(before, changes, _today(time_zone)))


async def remove_member(app: StoreApp, store_id: UUID, staff_id: UUID) -> None:
    """Ends the employment today; an ended one stays as it is. Raises NotFound."""
    today = _today((await get_store(app, store_id)).time_zone)
    async with app.db.transaction() as tx:
        before = await tx.one(q.LOCK_MEMBER, store_id=store_id, staff_id=staff_id)
        if before is None:
            raise NotFound
        last_day = min(before.termination_date or today, today)
        if before.is_active or before.termination_date != last_day:
            await _change(tx, before, {"is_active": False, "termination_date": last_day})


async def end_employments(app: StoreApp) -> None:
    """Ends the grants of members whose last day, in their store's zone, is over."""
    for leaving in await app.db.all(q.LEAVING, limit=BATCH):
        today = _today(leaving.time_zone)
        if leaving.termination_date >= today:
            continue
        async with app.db.transaction() as tx:
            member = await tx.one(q.LOCK_MEMBER, store_id=leaving.store_id, staff_id=leaving.id)
            if member is not None and member.is_active and _is_over(member.termination_date, today):
                await _change(tx, member, {"is_active": False})


async def erase_account(app: StoreApp, tx: Transaction, account_id: UUID) -> None:
    """Removes the personal data of an erased account's employments and ends them."""
    for member in await tx.all(q.MEMBERS_OF_ACCOUNT, account=account_id):
        nobody = f"{member.id}@erased.invalid"
        changes = {
            "name": ERASED_NAME,
            "email": app.cipher.encrypt(nobody, EMAIL),
            **app.cipher.index(nobody, EMAIL),
            "phone": None,
            "is_active": False,
            "termination_date": member.termination_date or now().date(),
        }
        await _change(tx, member, changes)


async def _change(tx: Transaction, before: Row, changes: dict[str, Any]) -> Row:
    """Writes the changes to a locked member and announces what they do to its grant."""
    after = await tx.one(q.update_member(tuple(sorted(changes))), staff_id=before.id, **changes)
    assert after is not None
    held, holds = _has_grant(before), _has_grant(after)
    if holds and (not held or before.role != after.role):
        _publish(tx, wire.staff_granted(after), after)
    elif held and not holds:
        _publish(tx, wire.staff_revoked(after), after)
    return after


def _has_grant(member: Row) -> bool:
    return bool(member.is_active) and member.invitation == SENT


def _consistent(before: Row, changes: dict[str, Any], today: dt.date) -> dict[str, Any]:
    """The changes with what follows from them: nobody is active after their last day."""
    activates = changes.get("is_active") is True and not before.is_active
    if activates and before.invitation == REFUSED:
        raise InvitationRefused
    last_day = changes.get("termination_date", before.termination_date)
    if _is_over(last_day, today):
        if activates and "termination_date" not in changes:
            return {**changes, "termination_date": None}
        if changes.get("is_active") is True:
            raise InvalidArgument("terminationDate", "a member whose last day is over cannot be active")
        return {**changes, "is_active": False}
    return changes


def _is_over(last_day: dt.date | None, today: dt.date) -> bool:
    return last_day is not None and last_day < today


def _publish(tx: Transaction, event: Any, member: Row) -> None:
    tx.publish(event, key=member.id, version=member.version)


def _today(time_zone: str) -> dt.date:
    return now().astimezone(find_zone(time_zone)).date()


def open_email(app: StoreApp, member: Row) -> str:
    """The member's email as it was given, normalised."""
    return app.cipher.decrypt(member.email, EMAIL)


def open_phone(app: StoreApp, member: Row) -> str:
    """The member's phone in E.164; empty without one."""
    return app.cipher.decrypt(member.phone, PHONE) if member.phone else ""


def _sealed_phone(app: StoreApp, phone: str) -> bytes | None:
    if not phone:
        return None
    try:
        return app.cipher.encrypt(normalise_phone(phone), PHONE)
    except ValueError:
        raise InvalidArgument("phone", "is no phone number") from None
