"""Addresses of a customer."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from chassis import Caller
from chassis.database.rows import field_names, parameters
from chassis.errors import NotFound
from chassis.rpc.etags import check_version
from chassis.rpc.pagination import Page
from services.customer import queries
from services.customer.app import CustomerApp
from services.customer.commands import CreateAddress, UpdateAddress
from services.customer.errors import MAX_ADDRESSES, TooManyAddresses
from services.customer.model.personal_data import encrypt_place
from services.customer.rows import AddressRow, NewAddress


async def list_addresses(app: CustomerApp, caller: Caller, customer_id: UUID, page: Page) -> list[AddressRow]:
    """A page of the addresses, newest first, with one row more than the page shows."""
    after_time, after_id = page.after or (None, None)
    return await app.db.all(
        queries.addresses.LIST_ADDRESSES,
        customer_id=customer_id,
        after_time=after_time,
        after_id=after_id,
        limit=page.limit,
    )


async def create_address(app: CustomerApp, caller: Caller, command: CreateAddress) -> AddressRow:
    """Adds an address; the first one becomes the default. Raises NotFound, TooManyAddresses."""
    customer_id = command.customer_id
    async with app.db.transaction() as tx:
        if await tx.one(queries.accounts.LOCK_ACCOUNT, id=customer_id) is None:
            raise NotFound
        count = await tx.one(queries.addresses.COUNT_ADDRESSES, customer_id=customer_id) or 0
        if count >= MAX_ADDRESSES:
            raise TooManyAddresses
        if command.is_default:
            await tx.run(queries.addresses.CLEAR_DEFAULT, customer_id=customer_id)
        new = NewAddress(
            customer_id=customer_id,
            type=command.type,
            label=command.label or None,
            **parameters(encrypt_place(app.cipher, command.place)),
            is_default=command.is_default or count == 0,
        )
        row = await tx.one(queries.addresses.INSERT_ADDRESS, **parameters(new))
    assert row is not None
    return row


async def update_address(app: CustomerApp, caller: Caller, command: UpdateAddress) -> AddressRow:
    """Changes an address. Raises NotFound, StaleEtag."""
    async with app.db.transaction() as tx:
        await tx.one(queries.accounts.LOCK_ACCOUNT, id=command.customer_id)
        present = await tx.one(
            queries.addresses.LOCK_ADDRESS, address_id=command.address_id, customer_id=command.customer_id
        )
        if present is None:
            raise NotFound
        check_version(command.known_version, present.version)
        if command.is_default and not present.is_default:
            await tx.run(queries.addresses.CLEAR_DEFAULT, customer_id=command.customer_id)
        changed = _change_address(app, present, command)
        row = await tx.one(queries.addresses.UPDATE_ADDRESS, address_id=present.id, **parameters(changed))
    assert row is not None
    return row


def _change_address(app: CustomerApp, present: AddressRow, command: UpdateAddress) -> NewAddress:
    address = NewAddress(**{name: getattr(present, name) for name in field_names(NewAddress)})
    if command.type is not None:
        address = replace(address, type=command.type)
    if command.label is not None:
        address = replace(address, label=command.label or None)
    if command.place is not None:
        address = replace(address, **parameters(encrypt_place(app.cipher, command.place)))
    if command.is_default is not None:
        address = replace(address, is_default=command.is_default)
    return address


async def delete_address(app: CustomerApp, caller: Caller, customer_id: UUID, address_id: UUID) -> None:
    """Deletes an address. Raises NotFound."""
    if not await app.db.run(queries.addresses.DELETE_ADDRESS, address_id=address_id, customer_id=customer_id):
        raise NotFound
