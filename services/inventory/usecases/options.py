"""Customizations of products and their options."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from uuid import UUID

from chassis import Caller
from chassis.database import Transaction
from chassis.database.rows import parameters
from chassis.errors import InvalidArgument, NotFound
from chassis.ids import new_id
from services.inventory import queries, wire
from services.inventory.app import InventoryApp
from services.inventory.commands import CustomizationInput, SetProductOptions
from services.inventory.model.menu import Customization, Option, check_customizations
from services.inventory.model.views import parse_customizations
from services.inventory.rows import NewCustomization, NewOption
from services.inventory.usecases.products import lock_product


async def list_options(app: InventoryApp, caller: Caller, product_id: UUID) -> list[Customization]:
    """The customizations of a product. Raises NotFound."""
    row = await app.db.one(queries.options.GET_CUSTOMIZATIONS, product_id=product_id)
    if row is None:
        raise NotFound
    return parse_customizations(row.customizations)


async def set_options(app: InventoryApp, caller: Caller, command: SetProductOptions) -> list[Customization]:
    """Replaces all customizations of a product. Raises NotFound, StaleEtag, InvalidArgument."""
    product_id = command.product_id
    async with app.db.transaction() as tx:
        product = await lock_product(tx, product_id, command.known_version)
        present = parse_customizations(product.customizations)
        wanted = _assign_ids(command.customizations, present)
        if problem := check_customizations(product.price, wanted):
            raise InvalidArgument("customizations", problem)
        await _write_customizations(tx, product_id, present, wanted)
        changed = await tx.one(queries.products.INCREMENT_VERSION, product_id=product_id)
        assert changed is not None
        event = wire.events.product_updated_to_proto(product_id, changed)
        tx.publish(event, key=product_id, version=changed.version)
        tx.after_commit(partial(app.drop_product, product_id))
    return wanted


def _assign_ids(inputs: Iterable[CustomizationInput], present: Iterable[Customization]) -> list[Customization]:
    """The wanted customizations. Given ids must belong to the product and occur once; absent ids are new."""
    unused = {item.id for item in present}
    unused_options = {option.id for item in present for option in item.options}
    wanted = []
    for place, item in enumerate(inputs):
        options = tuple(
            Option(
                _assign_id(option.id, unused_options, f"customizations[{place}].options[{position}]"),
                option.name,
                option.price_modifier,
                option.is_default,
            )
            for position, option in enumerate(item.options)
        )
        item_id = _assign_id(item.id, unused, f"customizations[{place}]")
        wanted.append(Customization(item_id, item.name, item.type, item.is_required, options))
    return wanted


def _assign_id(given: UUID | None, unused: set[UUID], field: str) -> UUID:
    if given is None:
        return new_id()
    if given not in unused:
        raise InvalidArgument(f"{field}.id", "does not belong to this product, or occurs twice")
    unused.discard(given)
    return given


async def _write_customizations(
    tx: Transaction, product_id: UUID, present: Iterable[Customization], wanted: Iterable[Customization]
) -> None:
    """Writes first and deletes last, since an option may move from a deleted customization to a kept one."""
    present_ids = {item.id for item in present}
    present_options = {option.id for item in present for option in item.options}
    kept: list[UUID] = []
    kept_options: list[UUID] = []
    for place, item in enumerate(wanted):
        kept.append(item.id)
        customization = NewCustomization(item.id, product_id, item.name, item.type, item.is_required, place)
        is_present = item.id in present_ids
        await tx.run(
            queries.options.UPDATE_CUSTOMIZATION if is_present else queries.options.INSERT_CUSTOMIZATION,
            **parameters(customization),
        )
        for position, option in enumerate(item.options):
            kept_options.append(option.id)
            new = NewOption(option.id, item.id, option.name, option.price_modifier, option.is_default, position)
            is_present = option.id in present_options
            await tx.run(
                queries.options.UPDATE_OPTION if is_present else queries.options.INSERT_OPTION, **parameters(new)
            )
    await tx.run(queries.options.DELETE_OPTIONS, product_id=product_id, kept=kept_options)
    await tx.run(queries.options.DELETE_CUSTOMIZATIONS, product_id=product_id, kept=kept)
