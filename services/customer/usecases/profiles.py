"""Profiles, and the contact data that other services read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import psycopg.errors

from chassis import Caller
from chassis.database.rows import field_names, parameters
from chassis.errors import NotFound
from chassis.rpc.etags import check_version
from services.customer import queries
from services.customer.app import CustomerApp
from services.customer.commands import UpdateProfile
from services.customer.errors import AccountInactive, PhoneAlreadyRegistered
from services.customer.model.personal_data import (
    BIRTH_DATE,
    PHONE,
    decrypt_optional,
    encrypt_optional,
    encrypt_phone,
)
from services.customer.rows import ContactRow, CustomerRow, OrderingCustomerRow, ProfileColumns
from services.customer.usecases.accounts import get_existing_customer


async def get_profile(app: CustomerApp, caller: Caller, customer_id: UUID) -> CustomerRow:
    """The profile. Raises NotFound."""
    row = await app.db.one(queries.accounts.GET_CUSTOMER, id=customer_id)
    if row is None:
        raise NotFound
    return row


async def update_profile(app: CustomerApp, caller: Caller, command: UpdateProfile) -> CustomerRow:
    """Changes the profile. Raises NotFound, StaleEtag, PhoneAlreadyRegistered."""
    try:
        async with app.db.transaction() as tx:
            row = await tx.one(queries.accounts.LOCK_CUSTOMER, id=command.customer_id)
            if row is None:
                raise NotFound
            check_version(command.known_version, row.version)
            columns = _change_profile(app, row, command)
            await tx.run(queries.accounts.UPDATE_PROFILE, id=row.id, **parameters(columns))
            return await get_existing_customer(tx, row.id)
    except psycopg.errors.UniqueViolation:
        # The indexes of the phone are the only unique columns that a profile changes.
        raise PhoneAlreadyRegistered from None


def _change_profile(app: CustomerApp, row: CustomerRow, command: UpdateProfile) -> ProfileColumns:
    columns = ProfileColumns(**{name: getattr(row, name) for name in field_names(ProfileColumns)})
    columns = replace(
        columns,
        first_name=_choose(command.first_name, row.first_name),
        last_name=_choose(command.last_name, row.last_name),
        display_name=_choose(command.display_name, row.display_name),
        gender=_choose(command.gender, row.gender),
        locale=command.locale or row.locale,
    )
    if command.date_of_birth is not None:
        encrypted = encrypt_optional(app.cipher, command.date_of_birth, BIRTH_DATE)
        columns = replace(columns, date_of_birth=encrypted)
    if command.phone is not None and command.phone != decrypt_optional(app.cipher, row.phone, PHONE):
        phone = encrypt_phone(app.cipher, command.phone)
        columns = replace(columns, phone_verified=False, **parameters(phone))
    return columns


def _choose(new: str | None, present: str | None) -> str | None:
    """The new value, of which an empty one is None; the present value when there is no new one."""
    return present if new is None else new or None


async def get_ordering_customer(
    app: CustomerApp, caller: Caller, customer_id: UUID, address_id: UUID | None
) -> OrderingCustomerRow:
    """The contact of an order and, for a delivery, the address. Raises NotFound, AccountInactive."""
    row = await app.ordering_customers.one(customer_id, address_id)
    if row is None or row.address_id != address_id:
        raise NotFound
    if not row.is_active:
        raise AccountInactive
    return row


async def list_contacts(app: CustomerApp, caller: Caller, customer_ids: Sequence[UUID]) -> list[ContactRow]:
    """The contact data of those customers that exist."""
    return await app.db.all(queries.accounts.LIST_CONTACTS, ids=list(customer_ids))
