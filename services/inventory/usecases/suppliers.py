"""Suppliers, with encrypted contact data."""

from __future__ import annotations

from typing import Literal

from chassis import Caller
from chassis.database.rows import parameters
from chassis.errors import NotFound
from chassis.rpc.pagination import Page
from services.inventory import queries
from services.inventory.app import InventoryApp
from services.inventory.commands import CreateSupplier, UpdateSupplier
from services.inventory.rows import NewSupplier, SupplierRow


async def list_suppliers(app: InventoryApp, caller: Caller, page: Page, *, include_inactive: bool) -> list[SupplierRow]:
    """A page of the suppliers by name, with one row more than the page shows."""
    after_name, after_id = page.after or (None, None)
    return await app.db.all(
        queries.purchasing.LIST_SUPPLIERS,
        include_inactive=include_inactive,
        after_name=after_name,
        after_id=after_id,
        limit=page.limit,
    )


async def create_supplier(app: InventoryApp, caller: Caller, command: CreateSupplier) -> SupplierRow:
    """Adds a supplier."""
    new = NewSupplier(
        name=command.name,
        email=_encrypt(app, "email", command.email),
        phone=_encrypt(app, "phone", command.phone),
        address=_encrypt(app, "address", command.address),
        contact_person=command.contact_person or None,
        payment_terms=command.payment_terms or None,
        tax_id=command.tax_id or None,
        is_active=True,
    )
    async with app.db.transaction() as tx:
        row = await tx.one(queries.purchasing.INSERT_SUPPLIER, **parameters(new))
    assert row is not None
    return row


async def update_supplier(app: InventoryApp, caller: Caller, command: UpdateSupplier) -> SupplierRow:
    """Changes a supplier. Raises NotFound."""
    async with app.db.transaction() as tx:
        present = await tx.one(queries.purchasing.LOCK_SUPPLIER, supplier_id=command.supplier_id)
        if present is None:
            raise NotFound
        changed = NewSupplier(
            name=present.name if command.name is None else command.name,
            email=present.email if command.email is None else _encrypt(app, "email", command.email),
            phone=present.phone if command.phone is None else _encrypt(app, "phone", command.phone),
            address=present.address if command.address is None else _encrypt(app, "address", command.address),
            contact_person=_choose(command.contact_person, present.contact_person),
            payment_terms=_choose(command.payment_terms, present.payment_terms),
            tax_id=_choose(command.tax_id, present.tax_id),
            is_active=present.is_active if command.is_active is None else command.is_active,
        )
        row = await tx.one(queries.purchasing.UPDATE_SUPPLIER, supplier_id=command.supplier_id, **parameters(changed))
    assert row is not None
    return row


def _choose(new: str | None, present: str | None) -> str | None:
    """The new value, of which an empty one is None; the present value when there is no new one."""
    return present if new is None else new or None


def _encrypt(app: InventoryApp, column: Literal["email", "phone", "address"], text: str) -> bytes | None:
    return app.cipher.encrypt(text, f"suppliers.{column}") if text else None
