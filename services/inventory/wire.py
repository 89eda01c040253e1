"""Between the contract's messages and the rows: words of enums, money, days, products with their options."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from jainshikanji.inventory.v1 import (
    category_pb2,
    events_pb2,
    product_pb2,
    product_service_pb2,
    purchasing_pb2,
    stock_pb2,
    stock_service_pb2,
)

from chassis.clock import now
from chassis.database import Row
from chassis.enums import EnumMapping
from chassis.errors import InvalidArgument
from chassis.money import money_from_proto, money_to_proto
from chassis.security.encryption import FieldCipher
from chassis.timestamps import parse_optional_date, timestamp_to_proto
from services.inventory.model.menu import Choice, Customization, Option, on_schedule
from services.inventory.model.stock import Crossing

SPICE_LEVEL = EnumMapping(product_pb2.SpiceLevel, style=str.capitalize)
UNIT = EnumMapping(product_pb2.UnitOfMeasure)
CUSTOMIZATION_TYPE = EnumMapping(product_pb2.CustomizationType)
SORT = EnumMapping(product_pb2.ProductSort)
MOVEMENT_KIND = EnumMapping(stock_pb2.StockMovementKind)
PURCHASE_ORDER_STATUS = EnumMapping(purchasing_pb2.PurchaseOrderStatus)

_GRAM_FIELDS = ("protein", "carbs", "fat", "fiber")
_MILLIGRAMS = Decimal(1000)


def iso(value: date | None) -> str:
    return value.isoformat() if value else ""


def optional_uuid(text: str) -> UUID | None:
    return UUID(text) if text else None


def optional_money(message: Any, field: str) -> Decimal | None:
    """The amount of a money field; None when it is absent."""
    return money_from_proto(getattr(message, field)) if message.HasField(field) else None


# --- Products ---------------------------------------------------------------------------------------------------------


def customizations(value: Sequence[dict[str, Any]] | None) -> list[Customization]:
    """What may be chosen, from the one JSON value that the row of a product carries."""
    return [
        Customization(
            id=UUID(item["id"]),
            name=item["name"],
            type=item["type"],
            is_required=bool(item["is_required"]),
            options=tuple(
                Option(
                    UUID(option["id"]),
                    option["name"],
                    Decimal(option["price_modifier"] or 0),
                    bool(option["is_default"]),
                )
                for option in item["options"] or ()
            ),
        )
        for item in value or ()
    ]


def customization_messages(items: Iterable[Customization]) -> list[product_pb2.Customization]:
    return [
        product_pb2.Customization(
            id=str(item.id),
            name=item.name,
            type=CUSTOMIZATION_TYPE.to_proto(item.type),
            is_required=item.is_required,
            display_order=place,
            options=[
                product_pb2.CustomizationOption(
                    id=str(option.id),
                    name=option.name,
                    price_modifier=money_to_proto(option.price_modifier),
                    is_default=option.is_default,
                    display_order=position,
                )
                for position, option in enumerate(item.options)
            ],
        )
        for place, item in enumerate(items)
    ]


def product(row: Row, today: date, *, in_store: bool) -> product_pb2.Product:
    """A product as everybody may see it; `row` has the columns of queries.products."""
    store_price = row.store_price if in_store else None
    message = product_pb2.Product(
        id=str(row.id),
        name=row.name,
        slug=row.slug,
        description=row.description or "",
        short_description=row.short_description or "",
        sku=row.sku or "",
        price=money_to_proto(row.price if store_price is None else store_price),
        category=row.category,
        subcategory=row.subcategory or "",
        tags=row.tags or (),
        ingredients=row.ingredients,
        is_veg=bool(row.is_veg),
        is_vegan=bool(row.is_vegan),
        is_jain=bool(row.is_jain),
        is_gluten_free=bool(row.is_gluten_free),
        is_nut_free=bool(row.is_nut_free),
        spice_level=SPICE_LEVEL.to_proto(row.spice_level) if row.spice_level else product_pb2.SpiceLevel.UNSPECIFIED,
        prep_time_minutes=row.prep_time_minutes or 0,
        servings=row.servings or 0,
        weight=row.weight or "",
        unit=UNIT.to_proto(row.unit) if row.unit else product_pb2.UnitOfMeasure.UNSPECIFIED,
        shelf_life_days=row.shelf_life_days or 0,
        storage_instructions=row.storage_instructions or "",
        nutrition=_nutrition(row),
        images=row.images or (),
        video_url=row.video_url or "",
        is_available=bool(row.is_available)
        and not (in_store and row.store_available is False)
        and on_schedule(row.scheduled_availability, today),
        is_featured=bool(row.is_featured),
        rating_hundredths=int((row.rating or 0) * 100),
        review_count=row.review_count or 0,
        meta_title=row.meta_title or "",
        meta_description=row.meta_description or "",
        tax_rate_basis_points=row.tax_rate_basis_points,
        etag=str(row.version),
        created_at=timestamp_to_proto(row.created_at),
        updated_at=timestamp_to_proto(row.updated_at),
    )
    if row.original_price is not None:
        message.original_price.CopyFrom(money_to_proto(row.original_price))
    if row.scheduled_availability:
        message.scheduled_availability.start_date = row.scheduled_availability.get("startDate", "")
        message.scheduled_availability.end_date = row.scheduled_availability.get("endDate", "")
    if in_store:
        message.in_stock = (row.current_stock or 0) > 0
    return message


def _nutrition(row: Row) -> product_pb2.NutritionFacts | None:
    facts: dict[str, int] = {
        f"{name}_mg": int(grams * _MILLIGRAMS)
        for name in _GRAM_FIELDS
        if (grams := getattr(row, f"{name}_g")) is not None
    }
    facts.update({name: value for name in ("calories", "sodium_mg") if (value := getattr(row, name)) is not None})
    return product_pb2.NutritionFacts(**facts) if facts else None


def nutrition_columns(facts: product_pb2.NutritionFacts) -> dict[str, int | Decimal | None]:
    """All of a product's nutrition columns from the message; what it leaves out becomes NULL."""
    columns: dict[str, int | Decimal | None] = {
        name: getattr(facts, name) if facts.HasField(name) else None for name in ("calories", "sodium_mg")
    }
    for name in _GRAM_FIELDS:
        field = f"{name}_mg"
        known = facts.HasField(field)  # type: ignore[arg-type]
        columns[f"{name}_g"] = (
            (Decimal(getattr(facts, field)) / _MILLIGRAMS).quantize(Decimal("0.01")) if known else None
        )
    return columns


def schedule_column(schedule: product_pb2.ScheduledAvailability) -> dict[str, str] | None:
    """The column's value; None for a schedule without days. Raises InvalidArgument for days that cannot be."""
    start = parse_optional_date("scheduledAvailability.startDate", schedule.start_date)
    end = parse_optional_date("scheduledAvailability.endDate", schedule.end_date)
    if start and end and end < start:
        raise InvalidArgument("scheduledAvailability.endDate", "is before the first day")
    days = {"startDate": iso(start), "endDate": iso(end)}
    return {name: value for name, value in days.items() if value} or None


def offer(row: Row) -> product_pb2.ProductStoreOffer:
    message = product_pb2.ProductStoreOffer(
        product_id=str(row.product_id),
        store_id=str(row.store_id),
        is_available=row.is_available,
        updated_at=timestamp_to_proto(row.updated_at),
    )
    if row.price is not None:
        message.price.CopyFrom(money_to_proto(row.price))
    return message


def category(row: Row) -> category_pb2.Category:
    return category_pb2.Category(
        id=str(row.id),
        slug=row.slug,
        name=row.name,
        description=row.description,
        parent_slug=row.parent_slug or "",
        display_order=row.display_order,
        is_active=row.is_active,
        created_at=timestamp_to_proto(row.created_at),
        updated_at=timestamp_to_proto(row.updated_at),
    )


def priced_line(
    row: Row, quantity: int, price: Decimal, choices: Sequence[Choice], *, in_stock: bool
) -> product_service_pb2.PricedLine:
    return product_service_pb2.PricedLine(
        product_id=str(row.id),
        name=row.name,
        sku=row.sku or "",
        category=row.category,
        unit_price=money_to_proto(price),
        quantity=quantity,
        subtotal=money_to_proto(price * quantity),
        options=[
            product_service_pb2.ChosenOption(
                customization=choice.customization,
                option_id=str(choice.option.id),
                name=choice.option.name,
                price_modifier=money_to_proto(choice.option.price_modifier),
            )
            for choice in choices
        ],
        tax_rate_basis_points=row.tax_rate_basis_points,
        preparation_minutes=row.prep_time_minutes or 0,
        in_stock=in_stock,
    )


# --- Stock ------------------------------------------------------------------------------------------------------------


def inventory_item(row: Row, batches: Iterable[Row] = ()) -> stock_pb2.InventoryItem:
    message = stock_pb2.InventoryItem(
        product_id=str(row.product_id),
        store_id=str(row.store_id),
        product_name=row.product_name,
        sku=row.sku or "",
        current_stock=row.current_stock,
        reserved_stock=row.reserved_stock,
        min_stock=row.min_stock,
        max_stock=row.max_stock,
        reorder_point=row.reorder_point,
        is_low=row.is_low,
        unit=UNIT.to_proto(row.unit),
        last_restocked_at=timestamp_to_proto(row.last_restocked_at),
        last_stock_count_at=timestamp_to_proto(row.last_stock_count_at),
        expiry_date=iso(row.expiry_date),
        batch_number=row.batch_number or "",
        updated_at=timestamp_to_proto(row.updated_at),
        batches=[
            stock_pb2.StockBatch(
                id=str(batch.id),
                batch_number=batch.batch_number,
                expiry_date=iso(batch.expiry_date),
                received_quantity=batch.received_quantity,
                remaining_quantity=batch.remaining_quantity,
                received_at=timestamp_to_proto(batch.received_at),
            )
            for batch in batches
        ],
    )
    if row.cost_per_unit is not None:
        message.cost_per_unit.CopyFrom(money_to_proto(row.cost_per_unit))
    return message


def movement(row: Row) -> stock_pb2.StockMovement:
    return stock_pb2.StockMovement(
        id=str(row.id),
        product_id=str(row.product_id),
        store_id=str(row.store_id),
        kind=MOVEMENT_KIND.to_proto(row.kind),
        quantity=row.quantity,
        balance_after=row.balance_after,
        actor_id=str(row.actor_id or ""),
        actor_service=row.actor_service or "",
        reason=row.reason or "",
        order_id=str(row.order_id or ""),
        purchase_order_id=str(row.purchase_order_id or ""),
        created_at=timestamp_to_proto(row.created_at),
    )


def reorder_proposal(row: Row, quantity: int) -> stock_service_pb2.ReorderProposal:
    message = stock_service_pb2.ReorderProposal(
        product_id=str(row.product_id),
        product_name=row.product_name,
        current_stock=row.current_stock,
        reorder_point=row.reorder_point,
        on_order=row.on_order,
        proposed_quantity=quantity,
        supplier_id=str(row.supplier_id or ""),
    )
    if row.unit_price is not None:
        message.last_unit_price.CopyFrom(money_to_proto(row.unit_price))
    return message


# --- Purchasing -------------------------------------------------------------------------------------------------------


def supplier(row: Row, cipher: FieldCipher) -> purchasing_pb2.Supplier:
    def opened(field: str) -> str:
        sealed = getattr(row, field)
        return cipher.decrypt(sealed, f"suppliers.{field}") if sealed is not None else ""

    return purchasing_pb2.Supplier(
        id=str(row.id),
        name=row.name,
        email=opened("email"),
        phone=opened("phone"),
        address=opened("address"),
        contact_person=row.contact_person or "",
        payment_terms=row.payment_terms or "",
        tax_id=row.tax_id or "",
        is_active=bool(row.is_active),
        created_at=timestamp_to_proto(row.created_at),
        updated_at=timestamp_to_proto(row.updated_at),
    )


def purchase_order(row: Row, items: Iterable[Row] = ()) -> purchasing_pb2.PurchaseOrder:
    return purchasing_pb2.PurchaseOrder(
        id=str(row.id),
        po_number=row.po_number,
        supplier_id=str(row.supplier_id),
        store_id=str(row.store_id),
        status=PURCHASE_ORDER_STATUS.to_proto(row.status),
        subtotal=money_to_proto(row.subtotal),
        tax=money_to_proto(row.tax),
        shipping=money_to_proto(row.shipping),
        total=money_to_proto(row.total),
        order_date=iso(row.order_date),
        expected_delivery_date=iso(row.expected_delivery_date),
        received_date=iso(row.received_date),
        notes=row.notes or "",
        created_at=timestamp_to_proto(row.created_at),
        updated_at=timestamp_to_proto(row.updated_at),
        created_by=str(row.created_by or ""),
        items=[
            purchasing_pb2.PurchaseOrderItem(
                id=str(item.id),
                product_id=str(item.product_id),
                product_name=item.product_name,
                quantity=item.quantity,
                received_quantity=item.received_quantity,
                unit_price=money_to_proto(item.unit_price),
                total_price=money_to_proto(item.total_price),
            )
            for item in items
        ],
    )


# --- Events -----------------------------------------------------------------------------------------------------------


def product_updated(product_id: UUID, row: Row) -> events_pb2.ProductUpdated:
    return events_pb2.ProductUpdated(
        product_id=str(product_id),
        version=row.version,
        name=row.name,
        category=row.category,
        price=money_to_proto(row.price),
        occurred_at=timestamp_to_proto(now()),
    )


def stock_lines(product_ids: Iterable[UUID], quantities: Iterable[int]) -> list[events_pb2.EventStockLine]:
    return [
        events_pb2.EventStockLine(product_id=str(product_id), quantity=quantity)
        for product_id, quantity in zip(product_ids, quantities, strict=True)
    ]


StockEvent = events_pb2.StockLow | events_pb2.ProductOutOfStock | events_pb2.StockRestocked


def stock_events(
    crossed: Crossing, *, product_id: UUID, store_id: UUID, product_name: str, stock: int, min_stock: int, reorder: int
) -> list[StockEvent]:
    """What a change of stock has to tell the world: nothing, unless it went across a threshold."""
    who: dict[str, Any] = {
        "product_id": str(product_id),
        "store_id": str(store_id),
        "product_name": product_name,
        "occurred_at": timestamp_to_proto(now()),
    }
    events: list[StockEvent] = []
    if crossed.ran_low:
        events.append(events_pb2.StockLow(current_stock=stock, min_stock=min_stock, reorder_point=reorder, **who))
    if crossed.ran_out:
        events.append(events_pb2.ProductOutOfStock(**who))
    if crossed.restocked:
        events.append(
            events_pb2.StockRestocked(
                current_stock=stock,
                back_in_stock=crossed.back_in_stock,
                above_min_stock=crossed.above_min_stock,
                **who,
            )
        )
    return events
