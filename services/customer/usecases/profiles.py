"""The profile that a customer shows, and what other services may know of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg.errors

from chassis.database import Row
from chassis.errors import NotFound, StaleEtag
from services.customer import wire
from services.customer.app import CustomerApp
from services.customer.model import AccountInactive, PhoneAlreadyRegistered
from services.customer.queries import accounts as q


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """What to write; None leaves as it is, an empty string clears."""

    etag: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    display_name: str | None = None
    phone: str | None = None
    date_of_birth: str | None = None
    gender: str | None = None
    locale: str | None = None


async def get(app: CustomerApp, customer_id: UUID) -> Row:
    """Raises NotFound."""
    row = await app.db.one(q.CUSTOMER, id=customer_id)
    if row is None:
        raise NotFound
    return row


async def update(app: CustomerApp, customer_id: UUID, change: ProfileChange) -> Row:
    """Writes the profile. Raises NotFound, StaleEtag, PhoneAlreadyRegistered."""
    try:
        async with app.db.transaction() as tx:
            row = await tx.one(q.CUSTOMER_FOR_UPDATE, id=customer_id)
            if row is None:
                raise NotFound
            if change.etag is not None and change.etag != str(row.version):
                raise StaleEtag(str(row.version))
            await tx.run(q.UPDATE_PROFILE, id=customer_id, **_columns(app, row, change))
            return await tx.one(q.CUSTOMER, id=customer_id)
    except psycopg.errors.UniqueViolation:
        # The only unique column that a profile writes is the phone's index.
        raise PhoneAlreadyRegistered from None


def _columns(app: CustomerApp, row: Row, change: ProfileChange) -> dict[str, Any]:
    def text(new: str | None, old: str | None) -> str | None:
        return old if new is None else new or None

    columns = {
        "first_name": text(change.first_name, row.first_name),
        "last_name": text(change.last_name, row.last_name),
        "display_name": text(change.display_name, row.display_name),
        "gender": text(change.gender, row.gender),
        "locale": change.locale or row.locale,
        "date_of_birth": row.date_of_birth,
        "phone": row.phone,
        "phone_index": row.phone_index,
        "phone_index_next": row.phone_index_next,
        "phone_verified": row.phone_verified,
    }
    if change.date_of_birth is not None:
        columns["date_of_birth"] = wire.sealed(app.cipher, change.date_of_birth, wire.BIRTH)
    if change.phone is not None and change.phone != wire.opened(app.cipher, row.phone, wire.PHONE):
        columns |= wire.phone_columns(app.cipher, change.phone)
        columns["phone_verified"] = False
    return columns


async def get_ordering(app: CustomerApp, customer_id: UUID, address_id: UUID | None) -> Row:
    """Who orders and, with an address, where to. Raises NotFound, AccountInactive."""
    row = await app.ordering_customers.one(customer_id, address_id)
    if row is None or row.address_id != address_id:
        raise NotFound
    if not row.is_active:
        raise AccountInactive
    return row


async def contacts(app: CustomerApp, customer_ids: list[UUID]) -> list[Row]:
    """How to reach those that exist."""
    return await app.db.all(q.CONTACTS, ids=customer_ids)
