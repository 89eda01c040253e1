"""Staff of stores. Records and grants belong to this service; accounts and their invitations to customer.

A member is written first with a pending invitation, then customer is called outside of any transaction, then the
invitation is marked as sent together with the event that gives the grant. A failure in between leaves a pending record,
which `send_pending_invitations` completes; inviting twice is harmless.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from psycopg.errors import ForeignKeyViolation

from chassis import Caller
from chassis.clock import now
from chassis.database import Transaction
from chassis.database.rows import column_values, parameters
from chassis.errors import InvalidArgument, NotFound, RemoteError, Unavailable
from chassis.pii import normalise_email, normalise_phone
from chassis.rpc.etags import check_version
from chassis.rpc.pagination import Page
from services.store import clients, queries, wire
from services.store.app import StoreApp
from services.store.commands import AddStaffMember, ListStaff, StaffColumn, UpdateStaffMember
from services.store.errors import AlreadyStaff, InvitationRefused
from services.store.model.hours import find_time_zone
from services.store.rows import NewStaffMember, StaffRow
from services.store.usecases.stores import get_store

EMAIL = "staff.email"
PHONE = "staff.phone"
SENT = "sent"
REJECTED = "refused"
GRACE = dt.timedelta(seconds=30)
BATCH = 100
ERASED_NAME = "erased"


async def list_staff(app: StoreApp, caller: Caller, command: ListStaff, page: Page) -> list[StaffRow]:
    """A page of staff by name, with one row more than the page shows. Raises NotFound for an unknown store."""
    values: dict[str, Any] = {"store_id": command.store_id, "limit": page.limit}
    if command.job is not None:
        values["role"] = command.job
    if page.after is not None:
        values |= {"after_name": page.after[0], "after_id": UUID(page.after[1])}
    query = queries.list_staff(
        has_job=command.job is not None,
        include_inactive=command.include_inactive,
        has_cursor=page.after is not None,
    )
    rows = await app.db.all(query, **values)
    if not rows:
        await get_store(app, caller, command.store_id)
    return rows


async def get_member(app: StoreApp, caller: Caller, store_id: UUID, staff_id: UUID) -> StaffRow:
    """One staff member of the store. Raises NotFound."""
    row = await app.db.one(queries.GET_MEMBER, store_id=store_id, staff_id=staff_id)
    if row is None:
        raise NotFound
    return row


async def add_member(app: StoreApp, caller: Caller, command: AddStaffMember) -> StaffRow:
    """Adds or rehires a person and sends the invitation. Raises NotFound, AlreadyStaff, and customer's rejection.

    While customer does not respond, the member is returned with a pending invitation.
    """
    address = normalise_email(command.email)
    new = NewStaffMember(
        store_id=command.store_id,
        name=command.name,
        email=app.cipher.encrypt(address, EMAIL),
        **app.cipher.index(address, EMAIL),
        phone=_encrypt_phone(app, command.phone),
        role=command.job,
        hire_date=command.hire_date,
    )
    try:
        async with app.db.transaction() as tx:
            row = await tx.one(queries.INSERT_MEMBER, **parameters(new))
    except ForeignKeyViolation:
        raise NotFound from None
    if row is None:
        raise AlreadyStaff
    try:
        return await app.run_shielded(send_invitation(app, row.id)) or row
    except Unavailable as error:
        app.log.warning("invitation is pending", staff_id=str(row.id), error=str(error))
        return row


async def send_invitation(app: StoreApp, staff_id: UUID) -> StaffRow | None:
    """Has customer invite a pending member and gives the grant; None when the invitation is not pending any more.

    Raises RemoteError, after marking the invitation as rejected, and Unavailable, which leaves it pending.
    """
    member = await app.db.one(queries.GET_PENDING_MEMBER, staff_id=staff_id)
    if member is None:
        return None
    try:
        account_id = await clients.invite_staff(
            app,
            name=member.name,
            email=decrypt_email(app, member),
            phone=decrypt_phone(app, member),
            store_id=member.store_id,
            job=member.role,
        )
    except RemoteError:
        await app.db.run(queries.MARK_INVITATION_REJECTED, staff_id=staff_id, email_index=member.email_index)
        raise
    async with app.db.transaction() as tx:
        row = await tx.one(
            queries.MARK_INVITATION_SENT, staff_id=staff_id, account_id=account_id, email_index=member.email_index
        )
        if row is not None and row.is_active:
            tx.publish(wire.staff_granted_to_proto(row), key=row.id, version=row.version)
    return row


async def send_pending_invitations(app: StoreApp) -> None:
    """Completes invitations that a failure left pending; stops when customer does not respond."""
    for staff_id in await app.db.all(queries.LIST_PENDING_MEMBERS, grace=GRACE, limit=BATCH):
        try:
            await send_invitation(app, staff_id)
        except RemoteError as error:
            app.log.warning("invitation rejected", staff_id=str(staff_id), reason=error.reason)
        except Unavailable:
            return


async def update_member(app: StoreApp, caller: Caller, command: UpdateStaffMember) -> StaffRow:
    """Changes a staff member; the grant follows. Raises NotFound, StaleEtag, InvitationRefused, InvalidArgument."""
    changes = dict(command.changes)
    if "phone" in changes:
        changes["phone"] = _encrypt_phone(app, changes["phone"])
    time_zone = (await get_store(app, caller, command.store_id)).time_zone
    async with app.db.transaction() as tx:
        before = await tx.one(queries.LOCK_MEMBER, store_id=command.store_id, staff_id=command.staff_id)
        if before is None:
            raise NotFound
        check_version(command.known_version, before.version)
        return await _change_member(tx, before, _complete_changes(before, changes, _today(time_zone)))


async def remove_member(app: StoreApp, caller: Caller, store_id: UUID, staff_id: UUID) -> None:
    """Ends the employment today; an ended employment is not changed. Raises NotFound."""
    today = _today((await get_store(app, caller, store_id)).time_zone)
    async with app.db.transaction() as tx:
        before = await tx.one(queries.LOCK_MEMBER, store_id=store_id, staff_id=staff_id)
        if before is None:
            raise NotFound
        last_day = min(before.termination_date or today, today)
        if before.is_active or before.termination_date != last_day:
            await _change_member(tx, before, {"is_active": False, "termination_date": last_day})


async def end_employments(app: StoreApp) -> None:
    """Revokes the grants of members whose last day in the store's time zone is over."""
    for leaving in await app.db.all(queries.LIST_LEAVING, limit=BATCH):
        today = _today(leaving.time_zone)
        if leaving.termination_date >= today:
            continue
        async with app.db.transaction() as tx:
            member = await tx.one(queries.LOCK_MEMBER, store_id=leaving.store_id, staff_id=leaving.id)
            if member is not None and member.is_active and _has_ended(member.termination_date, today):
                await _change_member(tx, member, {"is_active": False})


async def erase_account(app: StoreApp, tx: Transaction, account_id: UUID) -> None:
    """Removes the personal data from an erased account's employments and ends them."""
    for member in await tx.all(queries.LOCK_MEMBERS_OF_ACCOUNT, account=account_id):
        address = f"{member.id}@erased.invalid"
        index = app.cipher.index(address, EMAIL)
        changes: dict[StaffColumn, Any] = {
            "name": ERASED_NAME,
            "email": app.cipher.encrypt(address, EMAIL),
            "email_index": index["email_index"],
            "email_index_next": index["email_index_next"],
            "phone": None,
            "is_active": False,
            "termination_date": member.termination_date or now().date(),
        }
        await _change_member(tx, member, changes)


async def _change_member(tx: Transaction, before: StaffRow, changes: Mapping[StaffColumn, Any]) -> StaffRow:
    """Writes the changes to a locked member and publishes the change of its grant."""
    values = column_values(changes)
    after = await tx.one(queries.update_member(frozenset(changes)), staff_id=before.id, **values)
    assert after is not None
    had_grant, has_grant = _has_grant(before), _has_grant(after)
    if has_grant and (not had_grant or before.role != after.role):
        tx.publish(wire.staff_granted_to_proto(after), key=after.id, version=after.version)
    elif had_grant and not has_grant:
        tx.publish(wire.staff_revoked_to_proto(after), key=after.id, version=after.version)
    return after


def _has_grant(member: StaffRow) -> bool:
    return bool(member.is_active) and member.invitation == SENT


def _complete_changes(before: StaffRow, changes: dict[StaffColumn, Any], today: dt.date) -> dict[StaffColumn, Any]:
    """The changes and their consequences: a member is not active after the last day."""
    activates = changes.get("is_active") is True and not before.is_active
    if activates and before.invitation == REJECTED:
        raise InvitationRefused
    last_day = changes.get("termination_date", before.termination_date)
    if _has_ended(last_day, today):
        if activates and "termination_date" not in changes:
            return {**changes, "termination_date": None}
        if changes.get("is_active") is True:
            raise InvalidArgument("terminationDate", "a member whose last day is over cannot be active")
        return {**changes, "is_active": False}
    return changes


def _has_ended(last_day: dt.date | None, today: dt.date) -> bool:
    return last_day is not None and last_day < today


def _today(time_zone: str) -> dt.date:
    return now().astimezone(find_time_zone(time_zone)).date()


def decrypt_email(app: StoreApp, member: StaffRow) -> str:
    """The member's normalised email address."""
    return app.cipher.decrypt(member.email, EMAIL)


def decrypt_phone(app: StoreApp, member: StaffRow) -> str:
    """The member's phone number in E.164; empty without one."""
    return app.cipher.decrypt(member.phone, PHONE) if member.phone else ""


def _encrypt_phone(app: StoreApp, phone: str) -> bytes | None:
    if not phone:
        return None
    try:
        return app.cipher.encrypt(normalise_phone(phone), PHONE)
    except ValueError:
        raise InvalidArgument("phone", "must be a valid phone number") from None
