"""What may be chosen about a product, and what each choice adds to its price."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from uuid import UUID

from jainshikanji.inventory.v1 import product_pb2, product_service_pb2

from chassis.database import Transaction
from chassis.errors import InvalidArgument, NotFound
from chassis.ids import new_id
from chassis.money import money_from_proto
from services.inventory import wire
from services.inventory.app import InventoryApp
from services.inventory.model import menu
from services.inventory.queries import products as q
from services.inventory.usecases import products


async def list_options(app: InventoryApp, product_id: UUID) -> list[product_pb2.Customization]:
    """What may be chosen about a product. Raises NotFound."""
    row = await app.db.one(q.CUSTOMIZATIONS, product_id=product_id)
    if row is None:
        raise NotFound
    return wire.customization_messages(wire.customizations(row.customizations))


async def set_options(
    app: InventoryApp, request: product_service_pb2.SetProductOptionsRequest
) -> list[product_pb2.Customization]:
    """Sets all options of a product. Raises NotFound, StaleEtag, InvalidArgument."""
    product_id = UUID(request.id)
    async with app.db.transaction() as tx:
        product = await products.lock(tx, product_id, request.etag)
        known = wire.customizations(product.customizations)
        wanted = _wanted(request, known)
        if problem := menu.check_customizations(product.price, wanted):
            raise InvalidArgument("customizations", problem)
        await _write_options(tx, product_id, known, wanted)
        touched = await tx.one(q.TOUCH_PRODUCT, product_id=product_id)
        assert touched is not None
        tx.publish(wire.product_updated(product_id, touched), key=product_id, version=touched.version)
        tx.after_commit(partial(app.forget_product, product_id))
    return wire.customization_messages(wanted)


def _wanted(
    request: product_service_pb2.SetProductOptionsRequest, known: Iterable[menu.Customization]
) -> list[menu.Customization]:
    """The options as they shall be; ids must be the product's own, and each may be named once."""
    own = {str(item.id) for item in known}
    own_options = {str(option.id) for item in known for option in item.options}
    wanted = []
    for place, item in enumerate(request.customizations):
        options = []
        for position, option in enumerate(item.options):
            field = f"customizations[{place}].options[{position}]"
            options.append(
                menu.Option(
                    _own_id(option.id, own_options, field),
                    option.name.strip(),
                    money_from_proto(option.price_modifier) if option.HasField("price_modifier") else menu.ZERO,
                    option.is_default,
                )
            )
        wanted.append(
            menu.Customization(
                _own_id(item.id, own, f"customizations[{place}]"),
                item.name.strip(),
                wire.CUSTOMIZATION_TYPE.from_proto(item.type),
                item.is_required,
                tuple(options),
            )
        )
    return wanted


def _own_id(text: str, own: set[str], field: str) -> UUID:
    """A new id, or one of those that are the product's; each is taken once."""
    if not text:
        return new_id()
    identity = UUID(text)
    if str(identity) not in own:
        raise InvalidArgument(f"{field}.id", "is not one of this product, or is named twice")
    own.discard(str(identity))
    return identity


async def _write_options(
    tx: Transaction, product_id: UUID, known: Iterable[menu.Customization], wanted: Iterable[menu.Customization]
) -> None:
    """Customizations first and deletions last: an option may move from one that goes to one that stays."""
    old = {item.id for item in known}
    old_options = {option.id for item in known for option in item.options}
    kept: list[UUID] = []
    kept_options: list[UUID] = []
    for place, item in enumerate(wanted):
        kept.append(item.id)
        fields = {"name": item.name, "type": item.type, "is_required": item.is_required, "display_order": place}
        if item.id in old:
            await tx.run(q.UPDATE_CUSTOMIZATION, customization_id=item.id, **fields)
        else:
            await tx.run(q.INSERT_CUSTOMIZATION, id=item.id, product_id=product_id, **fields)
        for position, option in enumerate(item.options):
            kept_options.append(option.id)
            facts = {
                "customization_id": item.id,
                "name": option.name,
                "price_modifier": option.price_modifier,
                "is_default": option.is_default,
                "display_order": position,
            }
            if option.id in old_options:
                await tx.run(q.UPDATE_OPTION, option_id=option.id, **facts)
            else:
                await tx.run(q.INSERT_OPTION, id=option.id, **facts)
    await tx.run(q.DELETE_OPTIONS, product_id=product_id, kept=kept_options)
    await tx.run(q.DELETE_CUSTOMIZATIONS, product_id=product_id, kept=kept)
