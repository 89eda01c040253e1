"""The menu: reading, keeping, searching and pricing it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import grpc
import pytest
from jainshikanji.inventory.v1.product_pb2 import (
    CustomizationType,
    NutritionFacts,
    Product,
    ProductSort,
    ScheduledAvailability,
    SpiceLevel,
    UnitOfMeasure,
)
from jainshikanji.inventory.v1.product_service_pb2 import (
    CreateCategoryRequest,
    CreateProductRequest,
    CustomizationInput,
    CustomizationOptionInput,
    DeleteProductRequest,
    GetProductRequest,
    LineRequest,
    ListCategoriesRequest,
    ListProductOptionsRequest,
    ListProductsRequest,
    PriceLinesRequest,
    SearchProductsRequest,
    SetProductOptionsRequest,
    SetProductStoreOfferRequest,
    UpdateCategoryRequest,
    UpdateProductRequest,
)
from jainshikanji.inventory.v1.product_service_pb2_grpc import ProductServiceStub
from jainshikanji.review.v1.events_pb2 import ReviewPosted, ReviewUpdated

from chassis import ids
from chassis.clock import now
from services.inventory.model import menu
from tests.harness import anonymous, catch_error, customer, staff
from tests.integration.inventory.shop import Shop, rupees


async def read(shop: Shop, product_id: str, **request: str) -> Product:
    product: Product = await shop.for_guests.GetProduct(GetProductRequest(id=product_id, **request))
    return product


async def names(shop: Shop, **filters: Any) -> list[str]:
    response = await shop.for_guests.ListProducts(ListProductsRequest(**filters))
    return [product.name for product in response.products]


# --- One product ------------------------------------------------------------------------------------------------------


async def test_a_product_is_read_as_it_was_created(shop: Shop) -> None:
    category = await shop.create_category()
    child = await shop.create_category("Winter", parent=category)
    written = await shop.create_product(
        name="शिकंजी 🍋 Masala",
        slug=f"masala-{ids.new_id().hex}",
        sku=f"SHK-{ids.new_id().hex[:12]}",
        price=rupees(60),
        original_price=rupees(80),
        cost_price=rupees(20),
        category=category,
        subcategory=child,
        tags=["Summer", "no onion no garlic", "summer"],
        ingredients=["Lemon", "Black salt"],
        spice_level=SpiceLevel.SWEET,
        unit=UnitOfMeasure.GLASSES,
        nutrition=NutritionFacts(calories=90, protein_mg=2500),
        images=["https://cdn.example/a.jpg"],
        tax_rate_basis_points=1200,
        is_vegan=True,
    )
    shown = await read(shop, written.id)
    assert shown.name == "शिकंजी 🍋 Masala"
    assert (shown.price.minor_units, shown.original_price.minor_units) == (6000, 8000)
    assert (shown.category, shown.subcategory) == (category, child)
    assert list(shown.tags) == ["summer", "no onion no garlic"]
    assert shown.is_jain
    assert shown.is_vegan
    assert shown.is_veg
    assert shown.is_available
    assert (shown.spice_level, shown.unit) == (SpiceLevel.SWEET, UnitOfMeasure.GLASSES)
    assert (shown.nutrition.calories, shown.nutrition.protein_mg) == (90, 2500)
    assert not shown.nutrition.HasField("fat_mg")
    assert list(shown.images) == ["https://cdn.example/a.jpg"]
    assert (shown.tax_rate_basis_points, shown.etag) == (1200, "1")
    assert await shop.list_event_names(written.id) == ["ProductCreated"]


async def test_only_managers_and_admins_see_the_cost_price(shop: Shop) -> None:
    product = await shop.create_product(cost_price=rupees(20))
    chef = staff(ids.new_id(), shop.store_id, "chef")
    for caller in (shop.admin, shop.manager, anonymous(), customer(ids.new_id()), chef, shop.manager):
        shown = await shop.products(caller).GetProduct(GetProductRequest(id=product.id))
        assert shown.HasField("cost_price") == (caller in (shop.admin, shop.manager))


async def test_responses_state_whether_they_may_be_cached(shop: Shop) -> None:
    product = await shop.create_product()

    async def headers(caller: Any) -> dict[str, str]:
        call = shop.products(caller).GetProduct(GetProductRequest(id=product.id))
        metadata = dict(await call.initial_metadata())
        await call
        return metadata

    guest, manager = await headers(anonymous()), await headers(shop.manager)
    assert guest["cache-control"].startswith("public, max-age=")
    assert guest["etag"] == (await headers(anonymous()))["etag"]
    assert manager["cache-control"] == "private, no-store"
    assert "etag" not in manager


async def test_a_product_without_a_slug_gets_one_from_its_name(shop: Shop) -> None:
    mark = ids.new_id().hex[-10:]
    first = await shop.create_product(name=f"Mango Lassi ({mark})")
    second = await shop.create_product(name=f"Mango Lassi ({mark})")
    assert first.slug == f"mango-lassi-{mark}"
    assert second.slug.startswith(f"{first.slug}-")
    assert (await shop.create_product(name="शिकंजी")).slug.startswith("product")


async def test_a_slug_or_sku_of_another_product_is_rejected(shop: Shop) -> None:
    first = await shop.create_product(sku=ids.new_id().hex)
    category = await shop.create_category()
    base: dict[str, Any] = {"name": "x", "price": rupees(1), "category": category}
    same_slug = await catch_error(shop.products().CreateProduct(CreateProductRequest(slug=first.slug, **base)))
    assert (same_slug.code, same_slug.reason) == (grpc.StatusCode.ALREADY_EXISTS, "SLUG_TAKEN")
    same_sku = await catch_error(shop.products().CreateProduct(CreateProductRequest(sku=first.sku, **base)))
    assert same_sku.reason == "SKU_TAKEN"
    second = await shop.create_product()
    update = UpdateProductRequest(id=second.id, slug=first.slug)
    assert (await catch_error(shop.products().UpdateProduct(update))).reason == "SLUG_TAKEN"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"tags": ["Onion"]}, "isJain"),
        ({"ingredients": ["milk", "crushed garlic"]}, "isJain"),
        ({"ingredients": ["आलू"]}, "isJain"),
        ({"is_veg": False}, "isJain"),
        ({"is_veg": False, "is_jain": False, "is_vegan": True}, "isVegan"),
        ({"category": "no-such-category"}, "category"),
        ({"subcategory": "no-such-category"}, "subcategory"),
        ({"name": "  "}, "name"),
        ({"price": rupees(-1)}, "price"),
        ({"tax_rate_basis_points": 1234}, "taxRateBasisPoints"),
        ({"images": ["javascript:alert(1)"]}, "images[0]"),
        (
            {"scheduled_availability": ScheduledAvailability(start_date="2025-02-30")},
            "scheduledAvailability.startDate",
        ),
        (
            {"scheduled_availability": ScheduledAvailability(start_date="2025-03-02", end_date="2025-03-01")},
            "scheduledAvailability.endDate",
        ),
    ],
)
async def test_an_invalid_product_is_rejected_with_its_field(shop: Shop, fields: dict[str, Any], field: str) -> None:
    request = {"name": "Aloo Tikki", "price": rupees(60), "category": await shop.create_category(), **fields}
    error = await catch_error(shop.products().CreateProduct(CreateProductRequest(**request)))
    assert error.code == grpc.StatusCode.INVALID_ARGUMENT
    assert list(error.violations) == [field]


async def test_a_product_that_is_not_jain_may_contain_onions(shop: Shop) -> None:
    product = await shop.create_product(is_jain=False, tags=["onion"])
    claim = UpdateProductRequest(id=product.id, is_jain=True)
    assert "isJain" in (await catch_error(shop.products().UpdateProduct(claim))).violations
    cleared = await shop.products().UpdateProduct(UpdateProductRequest(id=product.id, is_jain=True, clear=["tags"]))
    assert cleared.is_jain
    assert not cleared.tags


async def test_an_update_changes_only_its_fields(shop: Shop) -> None:
    before = await shop.create_product(description="Old", tags=["a"], original_price=rupees(90), sku=ids.new_id().hex)
    request = UpdateProductRequest(id=before.id, price=rupees(70), clear=["originalPrice"], etag=before.etag)
    after = await shop.products().UpdateProduct(request)
    assert (after.price.minor_units, after.etag) == (7000, "2")
    assert not after.HasField("original_price")
    assert (after.name, after.description, list(after.tags), after.sku) == (before.name, "Old", ["a"], before.sku)
    stale = await catch_error(shop.products().UpdateProduct(request))
    assert (stale.code, stale.reason) == (grpc.StatusCode.ABORTED, "STALE_ETAG")
    assert await shop.list_event_names(before.id) == ["ProductCreated", "ProductUpdated"]


async def test_a_deleted_product_is_not_found_and_its_slug_is_free(shop: Shop) -> None:
    product = await shop.create_product(stock=5)
    assert (await read(shop, product.id)).id == product.id
    await shop.products().DeleteProduct(DeleteProductRequest(id=product.id))
    for call in (
        shop.for_guests.GetProduct(GetProductRequest(id=product.id)),
        shop.products().DeleteProduct(DeleteProductRequest(id=product.id)),
        shop.products().UpdateProduct(UpdateProductRequest(id=product.id, name="x")),
        shop.for_guests.ListProductOptions(ListProductOptionsRequest(id=product.id)),
        shop.get_item(product.id),
    ):
        assert (await catch_error(call)).code == grpc.StatusCode.NOT_FOUND
    assert await names(shop, slug=product.slug) == []
    again = await shop.create_product(slug=product.slug)
    assert again.id != product.id
    assert await shop.list_event_names(product.id) == ["ProductCreated", "StockRestocked", "ProductDeleted"]


async def test_customers_and_managers_cannot_change_the_catalogue(shop: Shop) -> None:
    product = await shop.create_product()
    for caller in (customer(ids.new_id()), shop.manager):
        update = shop.products(caller).UpdateProduct(UpdateProductRequest(id=product.id, price=rupees(1)))
        assert (await catch_error(update)).code == grpc.StatusCode.PERMISSION_DENIED
    update = shop.for_guests.UpdateProduct(UpdateProductRequest(id=product.id, price=rupees(1)))
    assert (await catch_error(update)).code == grpc.StatusCode.UNAUTHENTICATED


# --- Caches -----------------------------------------------------------------------------------------------------------


async def test_every_change_drops_the_cached_product(shop: Shop) -> None:
    product = await shop.create_product(stock=1)
    store = str(shop.store_id)
    assert (await read(shop, product.id)).price.minor_units == 6000
    assert (await read(shop, product.id, store_id=store)).in_stock
    await shop.products().UpdateProduct(UpdateProductRequest(id=product.id, price=rupees(75)))
    assert (await read(shop, product.id)).price.minor_units == 7500
    offer = SetProductStoreOfferRequest(id=product.id, store_id=store, price=rupees(99))
    await shop.products().SetProductStoreOffer(offer)
    assert (await read(shop, product.id, store_id=store)).price.minor_units == 9900
    assert (await read(shop, product.id)).price.minor_units == 7500
    await shop.reserve(ids.new_id(), [(product.id, 1)])
    assert not (await read(shop, product.id, store_id=store)).in_stock


async def test_other_replicas_drop_a_changed_product(shop: Shop) -> None:
    product = await shop.create_product()
    other = await shop.platform.launch("inventory")
    try:
        there = shop.platform.stub_at(other.mesh_port, "inventory", ProductServiceStub, anonymous())
        request = GetProductRequest(id=product.id)
        assert (await there.GetProduct(request)).name == product.name
        await shop.products().UpdateProduct(UpdateProductRequest(id=product.id, name="New name"))
        async with asyncio.timeout(2):
            while (await there.GetProduct(request)).name != "New name":
                await asyncio.sleep(0.02)
    finally:
        await other.stop()


async def test_unknown_stores_do_not_fill_the_cache(shop: Shop) -> None:
    product = await shop.create_product()
    app: Any = shop.process.app
    for _ in range(3):
        store_id = ids.new_id()
        shown = await read(shop, product.id, store_id=str(store_id))
        assert not shown.in_stock
        today = menu.local_date(now())
        assert app.products.get(UUID(product.id), store_id, today) is None


async def test_ratings_are_copied_and_stale_ones_ignored(shop: Shop) -> None:
    product = await shop.create_product()
    assert (await read(shop, product.id)).review_count == 0
    newer = ReviewUpdated(
        product_id=product.id, product_rating_average="4.33", product_review_count=3, product_rating_version=4
    )
    older = ReviewPosted(
        product_id=product.id, product_rating_average="5.00", product_review_count=1, product_rating_version=1
    )
    await shop.consume(newer)
    await shop.consume(older)
    shown = await read(shop, product.id)
    assert (shown.rating_hundredths, shown.review_count, shown.etag) == (433, 3, "1")


# --- Lists ------------------------------------------------------------------------------------------------------------


async def test_products_are_filtered_by_every_filter(shop: Shop) -> None:
    category = await shop.create_category()
    child = await shop.create_category("Cold", parent=category)
    await shop.create_product(name="A", category=category, price=rupees(10), is_vegan=True, is_featured=True)
    await shop.create_product(
        name="B", category=category, subcategory=child, price=rupees(20), tags=["Monsoon"], is_gluten_free=True
    )
    await shop.create_product(
        name="C",
        category=category,
        price=rupees(30),
        is_jain=False,
        spice_level=SpiceLevel.HOT,
        is_available=False,
        is_nut_free=True,
    )
    day = menu.local_date(now())
    over = ScheduledAvailability(end_date=(day - timedelta(days=1)).isoformat())
    running = ScheduledAvailability(start_date=day.isoformat(), end_date=day.isoformat())
    await shop.create_product(name="D", category=category, price=rupees(40), is_veg=False, is_jain=False)
    await shop.create_product(name="E", category=category, price=rupees(50), scheduled_availability=over)
    await shop.create_product(name="F", category=category, price=rupees(60), scheduled_availability=running)

    async def found(**filters: Any) -> str:
        return "".join(await names(shop, category=category, sort=ProductSort.NAME, **filters))

    assert await found() == "ABCDEF"
    assert await found(subcategory=child) == "B"
    assert await found(tag="MONSOON") == "B"
    assert await found(is_vegan=True) == "A"
    assert await found(is_jain=False) == "CD"
    assert await found(is_veg=False) == "D"
    assert await found(is_gluten_free=True) == "B"
    assert await found(is_nut_free=True) == "C"
    assert await found(is_featured=True) == "A"
    assert await found(spice_level=SpiceLevel.HOT) == "C"
    assert await found(is_available=True) == "ABDF"
    assert await found(is_available=False) == "CE"
    assert await found(min_price_minor_units=2000, max_price_minor_units=3000) == "BC"
    assert await found(is_jain=True, is_available=True, min_price_minor_units=2000) == "BF"


@pytest.mark.parametrize("sort", [value for value in ProductSort.Value.values() if value])
@pytest.mark.parametrize("in_store", [False, True])
async def test_pages_of_every_sort_show_each_product_once(shop: Shop, sort: Any, in_store: bool) -> None:
    category = await shop.create_category()
    for number in range(11):
        product = await shop.create_product(
            name=f"{'aB'[number % 2]}{number % 3}", category=category, price=rupees(number % 4)
        )
        if in_store and number % 5 == 0:
            offer = SetProductStoreOfferRequest(
                id=product.id, store_id=str(shop.store_id), price=rupees(9 - number // 5)
            )
            await shop.products().SetProductStoreOffer(offer)
    request = ListProductsRequest(
        category=category, sort=sort, page_size=3, store_id=str(shop.store_id) if in_store else ""
    )
    seen: list[Product] = []
    for _ in range(4):
        response = await shop.for_guests.ListProducts(request)
        seen.extend(response.products)
        request.page_token = response.next_page_token
    assert not request.page_token
    assert len({product.id for product in seen}) == len(seen) == 11
    prices = [product.price.minor_units for product in seen]
    if sort == ProductSort.NAME:
        assert [product.name.lower() for product in seen] == sorted(product.name.lower() for product in seen)
    elif sort in (ProductSort.PRICE, ProductSort.PRICE_DESCENDING):
        assert prices == sorted(prices, reverse=sort == ProductSort.PRICE_DESCENDING)
        assert in_store == (max(prices) == 900)
    elif sort == ProductSort.NEWEST:
        times = [product.created_at.ToNanoseconds() for product in seen]
        assert times == sorted(times, reverse=True)


async def test_a_page_token_of_another_list_is_rejected(shop: Shop) -> None:
    category = await shop.create_category()
    for _ in range(3):
        await shop.create_product(category=category)
    first = await shop.for_guests.ListProducts(ListProductsRequest(category=category, page_size=1))
    for request in (
        ListProductsRequest(page_size=1, page_token=first.next_page_token),
        ListProductsRequest(category=category, page_size=1, page_token="forged.token"),
    ):
        assert "pageToken" in (await catch_error(shop.for_guests.ListProducts(request))).violations


async def test_a_product_is_found_by_its_slug(shop: Shop) -> None:
    product = await shop.create_product()
    assert await names(shop, slug=product.slug) == [product.name]
    assert await names(shop, slug="no-such-slug") == []


# --- Search -----------------------------------------------------------------------------------------------------------


async def test_search_tolerates_typing_errors_and_sorts_by_relevance(shop: Shop) -> None:
    mark = ids.new_id().hex[-6:]
    category = await shop.create_category()

    async def add(name: str, **fields: Any) -> str:
        return (await shop.create_product(name=f"{name} {mark}", category=category, **fields)).id

    shikanji = await add("Classic Shikanji", description="Lemon and black salt")
    lassi = await add("Mango Lassi", tags=["curd"])
    falooda = await add("Rose Falooda", description="With a hint of mango")
    thandai = await add("ठंडाई Royale")

    async def search(query: str) -> list[str]:
        response = await shop.for_guests.SearchProducts(SearchProductsRequest(query=query, page_size=100))
        return [product.id for product in response.products]

    assert shikanji in await search("shikanjee")
    assert shikanji in await search("shikanj")
    assert shikanji in await search("lemons")
    assert lassi in await search("Mango Lasi")
    found = await search("mango")
    assert found.index(lassi) < found.index(falooda)
    assert thandai in await search("ठंडाई")
    assert shikanji not in found
    assert await search("'; DROP TABLE products; --") is not None
    assert await search("mango & (| !") is not None
    listed = await names(shop, category=category, query="lasi")
    assert listed == [f"Mango Lassi {mark}"]


async def test_pages_of_a_search_show_each_product_once(shop: Shop) -> None:
    word = f"zyx{ids.new_id().hex[-8:]}"
    created = [(await shop.create_product(name=f"{word} {number}")).id for number in range(7)]
    request = SearchProductsRequest(query=word, page_size=3)
    seen = []
    while True:
        response = await shop.for_guests.SearchProducts(request)
        seen.extend(product.id for product in response.products)
        if not response.next_page_token:
            break
        request.page_token = response.next_page_token
    assert sorted(seen) == sorted(created)


# --- Categories -------------------------------------------------------------------------------------------------------


async def test_categories_are_listed_and_can_be_hidden(shop: Shop) -> None:
    slug = await shop.create_category("Sherbet")
    child = await shop.create_category("Rose", parent=slug)

    async def listed(stub: Any = shop.for_guests, **request: Any) -> dict[str, Any]:
        response = await stub.ListCategories(ListCategoriesRequest(**request))
        return {category.slug: category for category in response.categories}

    shown = await listed()
    assert shown[child].parent_slug == slug
    changed = await shop.products().UpdateCategory(
        UpdateCategoryRequest(id=shown[child].id, name="Gulab", is_active=False)
    )
    assert (changed.name, changed.slug) == ("Gulab", child)
    assert child not in await listed()
    assert child in await listed(shop.products(), include_inactive=True)
    hidden = shop.for_guests.ListCategories(ListCategoriesRequest(include_inactive=True))
    assert (await catch_error(hidden)).reason == "PERMISSION_DENIED"
    taken = shop.products().CreateCategory(CreateCategoryRequest(slug=slug, name="x"))
    assert (await catch_error(taken)).reason == "CATEGORY_TAKEN"
    orphan = shop.products().CreateCategory(CreateCategoryRequest(name="x y", parent_slug="nowhere"))
    assert "parentSlug" in (await catch_error(orphan)).violations
    blank = shop.products().CreateCategory(CreateCategoryRequest(name=" "))
    assert list((await catch_error(blank)).violations) == ["slug"]
    blank_with_slug = shop.products().CreateCategory(CreateCategoryRequest(name=" ", slug="blank"))
    assert list((await catch_error(blank_with_slug)).violations) == ["name"]
    missing = shop.products().UpdateCategory(UpdateCategoryRequest(id=str(ids.new_id()), name="x"))
    assert (await catch_error(missing)).code == grpc.StatusCode.NOT_FOUND


# --- Options and prices -----------------------------------------------------------------------------------------------


def size(*, required: bool = True, default: bool = False) -> CustomizationInput:
    return CustomizationInput(
        name="Size",
        type=CustomizationType.RADIO,
        is_required=required,
        options=[
            CustomizationOptionInput(name="Regular", is_default=default),
            CustomizationOptionInput(name="Large", price_modifier=rupees(20)),
        ],
    )


def extras() -> CustomizationInput:
    return CustomizationInput(
        name="Extras",
        type=CustomizationType.CHECKBOX,
        options=[
            CustomizationOptionInput(name="Mint", price_modifier=rupees(5)),
            CustomizationOptionInput(name="No ice", price_modifier=rupees(-3)),
        ],
    )


async def test_options_keep_their_ids_and_absent_ones_are_deleted(shop: Shop) -> None:
    product = await shop.create_product()
    request = SetProductOptionsRequest(id=product.id, customizations=[size(), extras()])
    first = await shop.products().SetProductOptions(request)
    shown = (await read(shop, product.id)).customizations
    assert list(shown) == list(first.customizations)
    assert [item.name for item in shown] == ["Size", "Extras"]

    moved = CustomizationInput(id=shown[1].id, name="More", type=CustomizationType.CHECKBOX)
    moved.options.add(id=shown[0].options[1].id, name="Large", price_modifier=rupees(25))
    moved.options.add(name="Ginger powder")
    second = await shop.products().SetProductOptions(
        SetProductOptionsRequest(id=product.id, customizations=[moved], etag="2")
    )
    listed = await shop.for_guests.ListProductOptions(ListProductOptionsRequest(id=product.id))
    assert list(listed.customizations) == list(second.customizations)
    (only,) = listed.customizations
    assert (only.id, only.name, only.options[0].id) == (shown[1].id, "More", shown[0].options[1].id)
    stale = SetProductOptionsRequest(id=product.id, etag="1")
    assert (await catch_error(shop.products().SetProductOptions(stale))).reason == "STALE_ETAG"
    await shop.products().SetProductOptions(SetProductOptionsRequest(id=product.id))
    assert not (await read(shop, product.id)).customizations


async def test_invalid_options_are_rejected(shop: Shop) -> None:
    product, other = await shop.create_product(), await shop.create_product()
    theirs = await shop.products().SetProductOptions(SetProductOptionsRequest(id=other.id, customizations=[size()]))
    foreign = size()
    foreign.id = theirs.customizations[0].id
    two_defaults = size(default=True)
    two_defaults.options[1].is_default = True
    too_cheap = extras()
    too_cheap.options[1].price_modifier.minor_units = -6001
    for item in (foreign, two_defaults, too_cheap):
        request = SetProductOptionsRequest(id=product.id, customizations=[item])
        assert (await catch_error(shop.products().SetProductOptions(request))).code == grpc.StatusCode.INVALID_ARGUMENT
    foreign.options[0].id = theirs.customizations[0].options[0].id
    request = SetProductOptionsRequest(id=product.id, customizations=[foreign])
    violations = (await catch_error(shop.products().SetProductOptions(request))).violations
    assert list(violations) == ["customizations[0].options[0].id"]
    cheaper = UpdateProductRequest(id=other.id, price=rupees(0))
    assert (await shop.products().UpdateProduct(cheaper)).price.minor_units == 0


async def test_lines_are_priced_in_their_order_with_their_options(shop: Shop) -> None:
    tea = await shop.create_product(stock=3, price=rupees(60), tax_rate_basis_points=1200, prep_time_minutes=7)
    lassi = await shop.create_product(stock=0, price=rupees(80))
    options = await shop.products().SetProductOptions(
        SetProductOptionsRequest(id=tea.id, customizations=[size(default=True), extras()])
    )
    (regular, large), (mint, no_ice) = [
        [option.id for option in customization.options] for customization in options.customizations
    ]
    response = await shop.for_prices.PriceLines(
        PriceLinesRequest(
            store_id=str(shop.store_id),
            lines=[
                LineRequest(product_id=tea.id, quantity=2, option_ids=[no_ice, large, mint]),
                LineRequest(product_id=lassi.id, quantity=1),
                LineRequest(product_id=tea.id, quantity=1),
            ],
        )
    )
    honeyed, plain, default = response.lines
    assert (honeyed.unit_price.minor_units, honeyed.subtotal.minor_units) == (8200, 16400)
    assert [(option.customization, option.name) for option in honeyed.options] == [
        ("Size", "Large"),
        ("Extras", "Mint"),
        ("Extras", "No ice"),
    ]
    assert (honeyed.tax_rate_basis_points, honeyed.preparation_minutes, honeyed.category) == (1200, 7, tea.category)
    assert (plain.unit_price.minor_units, plain.in_stock) == (8000, False)
    assert [option.option_id for option in default.options] == [regular]
    assert default.unit_price.minor_units == 6000
    assert honeyed.in_stock
    assert default.in_stock


@pytest.mark.parametrize("wrong", ["unknown", "two sizes", "none of a required one"])
async def test_an_invalid_choice_of_options_names_its_line(shop: Shop, wrong: str) -> None:
    tea = await shop.create_product()
    options = await shop.products().SetProductOptions(SetProductOptionsRequest(id=tea.id, customizations=[size()]))
    regular, large = [option.id for option in options.customizations[0].options]
    chosen = {"unknown": [regular, str(ids.new_id())], "two sizes": [regular, large], "none of a required one": []}
    request = PriceLinesRequest(
        store_id=str(shop.store_id), lines=[LineRequest(product_id=tea.id, quantity=1, option_ids=chosen[wrong])]
    )
    assert list((await catch_error(shop.for_prices.PriceLines(request))).violations) == ["lines[0].optionIds"]


async def test_a_product_that_cannot_be_ordered_is_rejected_with_its_id(shop: Shop) -> None:
    over = ScheduledAvailability(end_date="2025-01-01")
    off, deleted, past = (
        await shop.create_product(is_available=False),
        await shop.create_product(),
        await shop.create_product(scheduled_availability=over),
    )
    await shop.products().DeleteProduct(DeleteProductRequest(id=deleted.id))
    here = await shop.create_product()
    manager_switches = SetProductStoreOfferRequest(id=here.id, store_id=str(shop.store_id), is_available=False)
    await shop.products(shop.manager).SetProductStoreOffer(manager_switches)
    for product in (off, deleted, past, here):
        request = PriceLinesRequest(store_id=str(shop.store_id), lines=[LineRequest(product_id=product.id, quantity=1)])
        error = await catch_error(shop.for_prices.PriceLines(request))
        assert (error.code, error.reason) == (grpc.StatusCode.ABORTED, "PRODUCT_UNAVAILABLE")
        assert error.metadata == {"product_id": product.id}
    elsewhere = PriceLinesRequest(store_id=str(ids.new_id()), lines=[LineRequest(product_id=here.id, quantity=1)])
    assert (await shop.for_prices.PriceLines(elsewhere)).lines
    unknown = PriceLinesRequest(
        store_id=str(shop.store_id), lines=[LineRequest(product_id=str(ids.new_id()), quantity=1)]
    )
    assert list((await catch_error(shop.for_prices.PriceLines(unknown))).violations) == ["lines[0].productId"]


async def test_a_store_has_its_own_price_which_only_an_admin_sets(shop: Shop) -> None:
    product = await shop.create_product(price=rupees(60))
    store = str(shop.store_id)
    offer = SetProductStoreOfferRequest(id=product.id, store_id=store, price=rupees(65))
    denied = await catch_error(shop.products(shop.manager).SetProductStoreOffer(offer))
    assert denied.code == grpc.StatusCode.PERMISSION_DENIED
    foreign = SetProductStoreOfferRequest(id=product.id, store_id=str(ids.new_id()), is_available=False)
    assert (
        await catch_error(shop.products(shop.manager).SetProductStoreOffer(foreign))
    ).code == grpc.StatusCode.NOT_FOUND
    await shop.products().SetProductStoreOffer(offer)
    lines = [LineRequest(product_id=product.id, quantity=1)]
    priced = await shop.for_prices.PriceLines(PriceLinesRequest(store_id=store, lines=lines))
    assert priced.lines[0].unit_price.minor_units == 6500
    back = SetProductStoreOfferRequest(id=product.id, store_id=store, clear_price=True)
    assert not (await shop.products().SetProductStoreOffer(back)).HasField("price")
    priced = await shop.for_prices.PriceLines(PriceLinesRequest(store_id=store, lines=lines))
    assert priced.lines[0].unit_price.minor_units == 6000
