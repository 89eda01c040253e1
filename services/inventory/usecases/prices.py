"""Prices of carts. They are always read from the database, never from a cache."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from chassis import Caller
from chassis.clock import now
from chassis.errors import InvalidArgument
from services.inventory.app import InventoryApp
from services.inventory.commands import CartLine
from services.inventory.errors import ProductUnavailable
from services.inventory.model import menu
from services.inventory.model.stock import sum_lines
from services.inventory.model.views import PricedLine, parse_customizations


async def price_lines(app: InventoryApp, caller: Caller, store_id: UUID, lines: Sequence[CartLine]) -> list[PricedLine]:
    """Prices the lines in their order; concurrent carts share one statement.

    Raises ProductUnavailable for a product that cannot be ordered in the store now, InvalidArgument for an unknown
    product and for an invalid choice of options.
    """
    quantities = sum_lines((line.product_id, line.quantity) for line in lines)
    rows = await app.prices.all([(store_id, product_id) for product_id in quantities])
    products = {row.id: row for row in rows}
    today = menu.local_date(now())
    priced = []
    for place, line in enumerate(lines):
        product = products.get(line.product_id)
        if product is None:
            raise InvalidArgument(f"lines[{place}].productId", "is not a product")
        if not product.is_available or not menu.is_on_sale(product.scheduled_availability, today):
            raise ProductUnavailable(product.id)
        try:
            choices = menu.choose_options(parse_customizations(product.customizations), line.option_ids)
        except menu.InvalidChoice as error:
            raise InvalidArgument(f"lines[{place}].optionIds", str(error)) from error
        unit_price = menu.compute_unit_price(product.price, choices)
        in_stock = product.current_stock >= quantities[product.id]
        priced.append(PricedLine(product, line.quantity, unit_price, choices, in_stock))
    return priced
