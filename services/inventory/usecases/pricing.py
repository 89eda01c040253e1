"""What a cart costs. Always from the database: no price that is charged comes from a cache."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from jainshikanji.inventory.v1.product_service_pb2 import LineRequest, PricedLine

from chassis.clock import now
from chassis.errors import InvalidArgument
from services.inventory import wire
from services.inventory.app import InventoryApp
from services.inventory.model import menu
from services.inventory.model.refusals import ProductUnavailable
from services.inventory.model.stock import sum_lines


async def price_lines(app: InventoryApp, store_id: UUID, lines: Sequence[LineRequest]) -> list[PricedLine]:
    """Prices the lines in their order, in one statement with the carts that ask at the same moment.

    Raises ProductUnavailable for one that cannot be ordered in the store now, InvalidArgument for an unknown product
    and for options that may not be chosen so.
    """
    wanted = sum_lines((UUID(line.product_id), line.quantity) for line in lines)
    rows = await app.prices.all([(store_id, product_id) for product_id in wanted])
    found = {row.id: row for row in rows}
    today = menu.today(now())
    priced = []
    for place, line in enumerate(lines):
        row = found.get(UUID(line.product_id))
        if row is None:
            raise InvalidArgument(f"lines[{place}].productId", "is not a product")
        if not row.is_available or not menu.on_schedule(row.scheduled_availability, today):
            raise ProductUnavailable(row.id)
        try:
            choices = menu.choose(wire.customizations(row.customizations), [UUID(text) for text in line.option_ids])
        except menu.ChoiceRefused as refused:
            raise InvalidArgument(f"lines[{place}].optionIds", str(refused)) from refused
        price = menu.unit_price(row.price, choices)
        in_stock = row.current_stock >= wanted[row.id]
        priced.append(wire.priced_line(row, line.quantity, price, choices, in_stock=in_stock))
    return priced
