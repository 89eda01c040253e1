"""Products, their options and prices, categories, and offers of stores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import cast
from uuid import UUID

from jainshikanji.inventory.v1 import product_service_pb2 as pb
from jainshikanji.inventory.v1.category_pb2 import Category
from jainshikanji.inventory.v1.product_pb2 import Customization as CustomizationMessage
from jainshikanji.inventory.v1.product_pb2 import (
    CustomizationOption,
    CustomizationType,
    NutritionFacts,
    Product,
    ProductSort,
    ProductStoreOffer,
    ScheduledAvailability,
    SpiceLevel,
    UnitOfMeasure,
)

from chassis.enums import EnumMapping
from chassis.errors import InvalidArgument
from chassis.money import from_minor_units, money_from_proto, money_to_proto
from chassis.rpc.etags import version_from_etag, version_to_etag
from chassis.timestamps import parse_optional_date, timestamp_to_proto
from services.inventory import commands
from services.inventory.commands import (
    CartLine,
    CreateCategory,
    CustomizationInput,
    ListProducts,
    OptionInput,
    ProductChanges,
    ProductFilter,
    SearchProducts,
    SetProductOptions,
    SetStoreOffer,
    UpdateCategory,
    UpdateProduct,
)
from services.inventory.model.menu import ZERO, Customization, is_on_sale, normalise_tag, normalise_tags
from services.inventory.model.views import PricedLine, parse_customizations
from services.inventory.rows import CategoryRow, ProductRow, StoreOfferRow
from services.inventory.wire.values import (
    date_to_proto,
    name_from_proto,
    optional_from_proto,
    optional_money_from_proto,
    optional_uuid_from_proto,
)

ProductInput = pb.CreateProductRequest | pb.UpdateProductRequest

SPICE_LEVELS = EnumMapping(SpiceLevel, style=str.capitalize)
UNITS = EnumMapping(UnitOfMeasure)
CUSTOMIZATION_TYPES = EnumMapping(CustomizationType)
SORTS = EnumMapping(ProductSort)

DEFAULT_SORT: commands.ProductSort = "newest"
_GRAM_FIELDS = ("protein", "carbs", "fat", "fiber")
_MILLIGRAMS = Decimal(1000)
_TEXT_FIELDS: Sequence[ProductFilter] = ("slug", "category", "subcategory")
_FLAG_FIELDS: Sequence[ProductFilter] = (
    "is_veg",
    "is_vegan",
    "is_jain",
    "is_gluten_free",
    "is_nut_free",
    "is_featured",
    "is_available",
)
_PRICE_FIELDS: Sequence[ProductFilter] = ("min_price", "max_price")
# Fields of a product with the name of their column.
_TEXTS = (
    "name",
    "slug",
    "description",
    "short_description",
    "sku",
    "category",
    "subcategory",
    "weight",
    "storage_instructions",
    "video_url",
    "meta_title",
    "meta_description",
)
_PLAIN_VALUES = (
    "is_veg",
    "is_vegan",
    "is_jain",
    "is_gluten_free",
    "is_nut_free",
    "prep_time_minutes",
    "servings",
    "shelf_life_days",
    "is_available",
    "is_featured",
    "tax_rate_basis_points",
)
_PRICES = ("price", "original_price", "cost_price")


# --- reading the menu ---


def list_products_from_proto(request: pb.ListProductsRequest) -> ListProducts:
    filters: dict[ProductFilter, object] = {name: value for name in _TEXT_FIELDS if (value := getattr(request, name))}
    for name in _FLAG_FIELDS:
        if (value := optional_from_proto(request, name)) is not None:
            filters[name] = value
    if request.tag:
        filters["tag"] = [normalise_tag(request.tag)]
    if request.query.strip():
        filters["query"] = request.query.strip()
    if request.spice_level:
        filters["spice_level"] = SPICE_LEVELS.from_proto(request.spice_level)
    for name in _PRICE_FIELDS:
        if (value := optional_from_proto(request, f"{name}_minor_units")) is not None:
            filters[name] = from_minor_units(value)
    sort = cast(commands.ProductSort, SORTS.from_proto(request.sort)) if request.sort else DEFAULT_SORT
    return ListProducts(filters, sort, optional_uuid_from_proto(request.store_id))


def search_products_from_proto(request: pb.SearchProductsRequest) -> SearchProducts:
    return SearchProducts(request.query.strip(), optional_uuid_from_proto(request.store_id))


def product_to_proto(row: ProductRow, today: date, *, in_store: bool) -> Product:
    """The product as the public sees it, without its options."""
    store_price = row.store_price if in_store else None
    message = Product(
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
        spice_level=SPICE_LEVELS.to_proto(row.spice_level) if row.spice_level else SpiceLevel.UNSPECIFIED,
        prep_time_minutes=row.prep_time_minutes or 0,
        servings=row.servings or 0,
        weight=row.weight or "",
        unit=UNITS.to_proto(row.unit) if row.unit else UnitOfMeasure.UNSPECIFIED,
        shelf_life_days=row.shelf_life_days or 0,
        storage_instructions=row.storage_instructions or "",
        nutrition=_nutrition_to_proto(row),
        images=row.images or (),
        video_url=row.video_url or "",
        is_available=bool(row.is_available)
        and not (in_store and row.store_available is False)
        and is_on_sale(row.scheduled_availability, today),
        is_featured=bool(row.is_featured),
        rating_hundredths=int((row.rating or 0) * 100),
        review_count=row.review_count or 0,
        meta_title=row.meta_title or "",
        meta_description=row.meta_description or "",
        tax_rate_basis_points=row.tax_rate_basis_points,
        etag=version_to_etag(row.version),
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


def product_with_options_to_proto(row: ProductRow, today: date, *, in_store: bool) -> Product:
    """The product as the public sees it, with its options."""
    message = product_to_proto(row, today, in_store=in_store)
    message.customizations.extend(customizations_to_proto(parse_customizations(row.customizations)))
    return message


def product_with_cost_to_proto(row: ProductRow, today: date, *, in_store: bool = False) -> Product:
    """The product with its options and its cost price, for managers and administrators."""
    message = product_with_options_to_proto(row, today, in_store=in_store)
    if row.cost_price is not None:
        message.cost_price.CopyFrom(money_to_proto(row.cost_price))
    return message


def serialize_product(row: ProductRow, today: date, *, in_store: bool) -> bytes:
    """The public product with its options as a serialized message, for the cache."""
    return product_with_options_to_proto(row, today, in_store=in_store).SerializeToString()


def _nutrition_to_proto(row: ProductRow) -> NutritionFacts | None:
    facts: dict[str, int] = {
        f"{name}_mg": int(grams * _MILLIGRAMS)
        for name in _GRAM_FIELDS
        if (grams := getattr(row, f"{name}_g")) is not None
    }
    facts.update({name: value for name in ("calories", "sodium_mg") if (value := getattr(row, name)) is not None})
    return NutritionFacts(**facts) if facts else None


# --- changing products ---


def create_product_from_proto(request: pb.CreateProductRequest) -> ProductChanges:
    return _changes_from_proto(request)


def update_product_from_proto(request: pb.UpdateProductRequest) -> UpdateProduct:
    changes = _changes_from_proto(request)
    for name in request.clear:
        changes |= _CLEARED[name]
    return UpdateProduct(UUID(request.id), version_from_etag(request.etag), changes)


def _changes_from_proto(request: ProductInput) -> dict[str, object]:
    """The columns that the request sets."""
    columns: dict[str, object] = {
        name: getattr(request, name).strip() or None for name in _TEXTS if _has_field(request, name)
    }
    columns.update({name: getattr(request, name) for name in _PLAIN_VALUES if _has_field(request, name)})
    columns.update({name: money_from_proto(getattr(request, name)) for name in _PRICES if _has_field(request, name)})
    columns.update(
        {name: normalise_tags(getattr(request, name)) for name in ("tags", "ingredients") if _has_field(request, name)}
    )
    if request.images:
        columns["images"] = list(request.images)
    if request.spice_level:
        columns["spice_level"] = SPICE_LEVELS.from_proto(request.spice_level)
    if request.unit:
        columns["unit"] = UNITS.from_proto(request.unit)
    if request.HasField("nutrition"):
        columns.update(nutrition_from_proto(request.nutrition))
    if request.HasField("scheduled_availability"):
        columns["scheduled_availability"] = schedule_from_proto(request.scheduled_availability)
    return columns


def _has_field(request: ProductInput, field: str) -> bool:
    """Whether the request sets the field: by presence where the contract has it, else by a value."""
    if request.DESCRIPTOR.fields_by_name[field].has_presence:
        return request.HasField(field)  # type: ignore[arg-type]
    return bool(getattr(request, field))


def nutrition_from_proto(facts: NutritionFacts) -> dict[str, object]:
    """All nutrition columns; absent facts become NULL."""
    columns: dict[str, object] = {name: optional_from_proto(facts, name) for name in ("calories", "sodium_mg")}
    for name in _GRAM_FIELDS:
        milligrams = optional_from_proto(facts, f"{name}_mg")
        columns[f"{name}_g"] = (
            None if milligrams is None else (Decimal(milligrams) / _MILLIGRAMS).quantize(Decimal("0.01"))
        )
    return columns


def schedule_from_proto(schedule: ScheduledAvailability) -> dict[str, str] | None:
    """The value of the column; None for a schedule without dates. Raises InvalidArgument for invalid dates."""
    start = parse_optional_date("scheduledAvailability.startDate", schedule.start_date)
    end = parse_optional_date("scheduledAvailability.endDate", schedule.end_date)
    if start and end and end < start:
        raise InvalidArgument("scheduledAvailability.endDate", "must not be before the start date")
    dates = {"startDate": date_to_proto(start), "endDate": date_to_proto(end)}
    return {name: value for name, value in dates.items() if value} or None


# The columns that a name in `clear` resets.
_CLEARED: Mapping[str, dict[str, object]] = {
    "tags": {"tags": []},
    "ingredients": {"ingredients": []},
    "images": {"images": []},
    "originalPrice": {"original_price": None},
    "costPrice": {"cost_price": None},
    "unit": {"unit": None},
    "shelfLifeDays": {"shelf_life_days": None},
    "nutrition": nutrition_from_proto(NutritionFacts()),
    "scheduledAvailability": {"scheduled_availability": None},
}


# --- options and offers ---


def set_product_options_from_proto(request: pb.SetProductOptionsRequest) -> SetProductOptions:
    return SetProductOptions(
        product_id=UUID(request.id),
        known_version=version_from_etag(request.etag),
        customizations=[
            CustomizationInput(
                id=optional_uuid_from_proto(item.id),
                name=item.name.strip(),
                type=CUSTOMIZATION_TYPES.from_proto(item.type),
                is_required=item.is_required,
                options=[
                    OptionInput(
                        id=optional_uuid_from_proto(option.id),
                        name=option.name.strip(),
                        price_modifier=optional_money_from_proto(option, "price_modifier") or ZERO,
                        is_default=option.is_default,
                    )
                    for option in item.options
                ],
            )
            for item in request.customizations
        ],
    )


def customizations_to_proto(items: Iterable[Customization]) -> list[CustomizationMessage]:
    return [
        CustomizationMessage(
            id=str(item.id),
            name=item.name,
            type=CUSTOMIZATION_TYPES.to_proto(item.type),
            is_required=item.is_required,
            display_order=place,
            options=[
                CustomizationOption(
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


def set_store_offer_from_proto(request: pb.SetProductStoreOfferRequest) -> SetStoreOffer:
    return SetStoreOffer(
        product_id=UUID(request.id),
        store_id=UUID(request.store_id),
        price=optional_money_from_proto(request, "price"),
        clear_price=request.clear_price,
        is_available=optional_from_proto(request, "is_available"),
    )


def store_offer_to_proto(row: StoreOfferRow) -> ProductStoreOffer:
    message = ProductStoreOffer(
        product_id=str(row.product_id),
        store_id=str(row.store_id),
        is_available=row.is_available,
        updated_at=timestamp_to_proto(row.updated_at),
    )
    if row.price is not None:
        message.price.CopyFrom(money_to_proto(row.price))
    return message


# --- categories ---


def create_category_from_proto(request: pb.CreateCategoryRequest) -> CreateCategory:
    return CreateCategory(
        slug=request.slug,
        name=request.name.strip(),
        description=request.description,
        parent_slug=request.parent_slug,
        display_order=request.display_order,
    )


def update_category_from_proto(request: pb.UpdateCategoryRequest) -> UpdateCategory:
    return UpdateCategory(
        category_id=UUID(request.id),
        name=name_from_proto(request.name) if request.HasField("name") else None,
        description=optional_from_proto(request, "description"),
        display_order=optional_from_proto(request, "display_order"),
        is_active=optional_from_proto(request, "is_active"),
    )


def category_to_proto(row: CategoryRow) -> Category:
    return Category(
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


# --- prices ---


def cart_lines_from_proto(request: pb.PriceLinesRequest) -> list[CartLine]:
    return [
        CartLine(UUID(line.product_id), line.quantity, [UUID(option_id) for option_id in line.option_ids])
        for line in request.lines
    ]


def priced_line_to_proto(line: PricedLine) -> pb.PricedLine:
    product = line.product
    return pb.PricedLine(
        product_id=str(product.id),
        name=product.name,
        sku=product.sku or "",
        category=product.category,
        unit_price=money_to_proto(line.unit_price),
        quantity=line.quantity,
        subtotal=money_to_proto(line.unit_price * line.quantity),
        options=[
            pb.ChosenOption(
                customization=choice.customization,
                option_id=str(choice.option.id),
                name=choice.option.name,
                price_modifier=money_to_proto(choice.option.price_modifier),
            )
            for choice in line.choices
        ],
        tax_rate_basis_points=product.tax_rate_basis_points,
        preparation_minutes=product.prep_time_minutes or 0,
        in_stock=line.in_stock,
    )


def sort_value_to_token(row: ProductRow, sort: commands.ProductSort, *, in_store: bool) -> str:
    """The value by which the row is sorted, for a page token."""
    match sort:
        case "name":
            return str(row.sort_name)
        case "price" | "price_descending":
            return str(row.store_price if in_store and row.store_price is not None else row.price)
        case "rating":
            return str(row.rating)
        case _:
            return row.created_at.isoformat()
