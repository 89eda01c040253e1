"""The routes with SQLAlchemy's asynchronous ORM: one session per request, explicit loading of relationships."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import selectinload

from bench.baseline import payloads, rules
from bench.baseline.access import Caller
from bench.baseline.settings import settings
from bench.baseline.tables import (
    Address,
    Customer,
    Customization,
    IdempotencyKey,
    Option,
    Order,
    OrderItem,
    OutboxEvent,
    Payment,
    Product,
    Stock,
    StockMovement,
    Store,
    TimelineEntry,
    Zone,
    new_id,
)

PLACING = "POST /api/orders"
router = APIRouter()


@asynccontextmanager
async def connected(app: FastAPI) -> AsyncIterator[None]:
    url = settings().database_url.replace("postgresql://", "postgresql+psycopg://", 1)
    engine = create_async_engine(url, pool_size=settings().pool_size, max_overflow=0)
    app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    yield
    await engine.dispose()


async def _open_session(request: Request) -> AsyncIterator[AsyncSession]:
    async with request.app.state.sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(_open_session)]
_WITH_OPTIONS = selectinload(Product.customizations).selectinload(Customization.options)


# --- Reading ----------------------------------------------------------------------------------------------------------


@router.get("/api/products/{product_id}", response_model_exclude_none=True)
async def get_product(product_id: UUID, session: Session) -> payloads.ProductOut:
    product = await session.scalar(
        select(Product).options(_WITH_OPTIONS).where(Product.id == product_id, Product.deleted_at.is_(None))
    )
    if product is None:
        raise HTTPException(404, "not found")
    return _product_to_json(product)


@router.get("/api/orders/{order_id}", response_model_exclude_none=True)
async def get_order(order_id: UUID, session: Session, caller: Caller) -> payloads.OrderOut:
    return _order_to_json(await _read_own_order(session, order_id, caller))


async def _read_own_order(session: AsyncSession, order_id: UUID, caller: UUID) -> Order:
    order = await session.scalar(
        select(Order).options(selectinload(Order.items)).where(Order.id == order_id, Order.customer_id == caller)
    )
    if order is None:
        raise HTTPException(404, "not found")
    return order


# --- Placing ----------------------------------------------------------------------------------------------------------


@router.post("/api/orders", response_model_exclude_none=True)
async def create_order(
    body: payloads.NewOrder, session: Session, caller: Caller, idempotency_key: Annotated[str, Header(max_length=255)]
) -> payloads.OrderOut:
    """Places the order in one transaction."""
    body_hash = hashlib.sha256(body.model_dump_json().encode()).digest()
    async with session.begin():
        claimed = await session.scalar(
            insert(IdempotencyKey)
            .values(caller=str(caller), method=PLACING, key=idempotency_key, body_hash=body_hash)
            .on_conflict_do_nothing()
            .returning(IdempotencyKey.key)
        )
        if claimed is None:
            return await _replay(session, caller, idempotency_key, body_hash)
        order = await _place_order(session, caller, body)
        kept = await session.get_one(IdempotencyKey, (str(caller), PLACING, idempotency_key))
        kept.result_id = order.id
    return _order_to_json(order)


async def _replay(session: AsyncSession, caller: UUID, key: str, body_hash: bytes) -> payloads.OrderOut:
    kept = await session.get_one(IdempotencyKey, (str(caller), PLACING, key))
    if kept.body_hash != body_hash or kept.result_id is None:
        raise rules.Conflict("KEY_REUSED")
    return _order_to_json(await _read_own_order(session, kept.result_id, caller))


async def _place_order(session: AsyncSession, caller: UUID, body: payloads.NewOrder) -> Order:
    moment = rules.read_clock()
    customer = await session.get(Customer, caller)
    if customer is None or not customer.is_active:
        raise rules.Conflict("ACCOUNT_INACTIVE")
    address = await _read_address(session, customer, body.address_id)
    store, zone = await _read_store(session, body.store_id, address, moment)
    products = await _read_products(session, body, moment)
    order = _make_order(caller, customer, address, store, moment, body)
    _compute_prices(order, body, products, store, zone, address)
    if order.subtotal < store.min_order_value:
        raise rules.Conflict("BELOW_MIN_ORDER_VALUE")
    longest = [product.prep_time_minutes for product in products.values()]
    order.estimated_delivery_time = rules.estimate_delivery(moment, longest, zone.estimated_time_minutes if zone else 0)
    session.add(order)
    await _take_stock(session, order)
    session.add(_make_payment(order))
    session.add_all(_make_events(order))
    await session.flush()
    return order


async def _read_address(session: AsyncSession, customer: Customer, address_id: UUID | None) -> Address | None:
    if address_id is None:
        return None
    address = await session.get(Address, address_id)
    if address is None or address.customer_id != customer.id:
        raise HTTPException(404, "not found")
    return address


async def _read_store(
    session: AsyncSession, store_id: UUID, address: Address | None, moment: datetime
) -> tuple[Store, Zone | None]:
    """The store, which must be open, and for a delivery its zone with the postal code."""
    store = await session.scalar(
        select(Store).options(selectinload(Store.hours), selectinload(Store.zones)).where(Store.id == store_id)
    )
    if store is None or not store.is_active:
        raise HTTPException(404, "not found")
    if not store.is_accepting_orders:
        raise rules.Conflict("STORE_NOT_ACCEPTING_ORDERS")
    hours = [(hours.day_of_week, hours.open_time, hours.close_time) for hours in store.hours]
    if not rules.is_open(hours, store.time_zone, moment):
        raise rules.Conflict("STORE_CLOSED")
    if address is None:
        return store, None
    for zone in store.zones:
        if zone.is_active and address.postal_code in zone.postal_codes:
            return store, zone
    raise rules.Conflict("OUT_OF_DELIVERY_AREA")


async def _read_products(session: AsyncSession, body: payloads.NewOrder, moment: datetime) -> dict[UUID, Product]:
    found = await session.scalars(
        select(Product).options(_WITH_OPTIONS).where(Product.id.in_({line.product_id for line in body.lines}))
    )
    products = {product.id: product for product in found}
    for line in body.lines:
        product = products.get(line.product_id)
        if product is None:
            raise HTTPException(400, "productId is not a product")
        on_sale = product.is_available and product.deleted_at is None
        if not on_sale or not rules.is_on_schedule(product.scheduled_availability, moment):
            raise rules.Conflict("PRODUCT_UNAVAILABLE")
    return products


def _make_order(
    caller: UUID,
    customer: Customer,
    address: Address | None,
    store: Store,
    moment: datetime,
    body: payloads.NewOrder,
) -> Order:
    return Order(
        id=new_id(),
        version=2,
        order_number=rules.make_order_number(moment),
        customer_id=caller,
        customer_name=f"{customer.first_name} {customer.last_name}",
        customer_email=customer.email,
        customer_phone=customer.phone or "",
        store_id=store.id,
        store_name=store.name,
        status="confirmed",
        payment_status="pending",
        payment_method=body.payment_method.lower(),
        delivery_type=body.fulfilment_type.lower().replace("_", "-"),
        delivery_address=_address_to_json(address) if address else None,
        delivery_instructions=body.delivery_instructions or None,
        special_instructions=body.special_instructions or None,
        accepted_at=moment,
        created_at=moment,
        updated_at=moment,
        timeline=[
            TimelineEntry(version=1, status="pending", updated_by=caller, updated_by_name="customer"),
            TimelineEntry(version=2, status="confirmed", updated_by_name="system"),
        ],
    )


def _compute_prices(
    order: Order,
    body: payloads.NewOrder,
    products: dict[UUID, Product],
    store: Store,
    zone: Zone | None,
    address: Address | None,
) -> None:
    interstate = address is not None and address.state.casefold() != store.state.casefold()
    subtotal, taxes = 0, []
    for position, line in enumerate(body.lines, 1):
        product = products[line.product_id]
        chosen = _choose_options(product, line.option_ids)
        unit_price = rules.to_paise(product.price) + sum(rules.to_paise(option.price_modifier) for _, option in chosen)
        tax = rules.compute_tax(unit_price * line.quantity, product.tax_rate_basis_points, interstate=interstate)
        order.items.append(_make_item(position, line, product, chosen, unit_price, tax))
        subtotal += unit_price * line.quantity
        taxes.append(tax)
    free_above = rules.to_paise(store.free_delivery_above) if store.free_delivery_above is not None else None
    fee = rules.compute_fee(subtotal, rules.to_paise(zone.delivery_fee), free_above) if zone else 0
    delivery_tax = rules.compute_tax(fee, rules.DELIVERY_TAX if fee else 0, interstate=interstate)
    tax_total = sum(tax.amount for tax in taxes) + delivery_tax.amount
    order.subtotal, order.delivery_fee, order.tax = map(rules.to_rupees, (subtotal, fee, tax_total))
    order.discount = order.loyalty_discount = Decimal(0)
    order.total = rules.to_rupees(subtotal + fee + tax_total)
    order.delivery_tax_rate = delivery_tax.rate
    order.delivery_cgst, order.delivery_sgst, order.delivery_igst = map(
        rules.to_rupees, (delivery_tax.cgst, delivery_tax.sgst, delivery_tax.igst)
    )


def _choose_options(product: Product, option_ids: list[UUID]) -> list[tuple[Customization, Option]]:
    """The chosen options; the default of a required customization without a choice."""
    wanted, chosen = set(option_ids), []
    for customization in product.customizations:
        options = [option for option in customization.options if option.id in wanted]
        if len(options) > 1 and customization.type != "checkbox":
            raise HTTPException(400, "optionIds: only one may be chosen")
        if not options and customization.is_required:
            options = [option for option in customization.options if option.is_default][:1]
            if not options:
                raise HTTPException(400, "optionIds: one must be chosen")
        chosen += [(customization, option) for option in options]
        wanted -= {option.id for option in options}
    if wanted:
        raise HTTPException(400, "optionIds: not of this product")
    return chosen


def _make_item(
    position: int,
    line: payloads.CartLine,
    product: Product,
    chosen: list[tuple[Customization, Option]],
    unit_price: int,
    tax: rules.Tax,
) -> OrderItem:
    return OrderItem(
        position=position,
        product_id=product.id,
        product_name=product.name,
        product_sku=product.sku,
        category=product.category,
        unit_price=rules.to_rupees(unit_price),
        quantity=line.quantity,
        subtotal=rules.to_rupees(unit_price * line.quantity),
        discount=Decimal(0),
        tax_rate=tax.rate,
        cgst=rules.to_rupees(tax.cgst),
        sgst=rules.to_rupees(tax.sgst),
        igst=rules.to_rupees(tax.igst),
        customizations=[
            {
                "customization": customization.name,
                "option_id": str(option.id),
                "name": option.name,
                "price_modifier": rules.to_paise(option.price_modifier),
            }
            for customization, option in chosen
        ],
        special_instructions=line.special_instructions or None,
    )


async def _take_stock(session: AsyncSession, order: Order) -> None:
    """Reserves all lines or none. Rows are locked in one order, so that two orders cannot deadlock."""
    pieces: Counter[UUID] = Counter()
    for item in order.items:
        pieces[item.product_id] += item.quantity
    rows = await session.scalars(
        select(Stock)
        .where(Stock.store_id == order.store_id, Stock.product_id.in_(pieces))
        .order_by(Stock.product_id)
        .with_for_update()
    )
    stock = {row.product_id: row for row in rows}
    for product_id, quantity in pieces.items():
        if product_id not in stock or stock[product_id].current_stock < quantity:
            raise rules.Conflict("OUT_OF_STOCK")
        stock[product_id].current_stock -= quantity
        session.add(
            StockMovement(
                product_id=product_id,
                store_id=order.store_id,
                kind="reserve",
                quantity=-quantity,
                balance_after=stock[product_id].current_stock,
                order_id=order.id,
            )
        )


def _make_payment(order: Order) -> Payment:
    payment_id = new_id()
    return Payment(
        id=payment_id,
        payment_id=str(payment_id),
        order_id=order.id,
        customer_id=order.customer_id,
        payment_method=order.payment_method,
        amount=order.total,
        currency="INR",
        status="pending",
    )


def _make_events(order: Order) -> list[OutboxEvent]:
    facts = {
        "orderId": str(order.id),
        "orderNumber": order.order_number,
        "customerId": str(order.customer_id),
        "storeId": str(order.store_id),
        "total": str(order.total),
        "paymentMethod": order.payment_method,
    }
    items = [{"productId": str(item.product_id), "quantity": item.quantity} for item in order.items]
    return [
        OutboxEvent(type="OrderCreated", key=str(order.id), version=1, payload={**facts, "items": items}),
        OutboxEvent(type="OrderConfirmed", key=str(order.id), version=2, payload=facts),
    ]


# --- Rows to JSON -----------------------------------------------------------------------------------------------------


def _product_to_json(product: Product) -> payloads.ProductOut:
    money = payloads.Money.of
    return payloads.ProductOut(
        id=product.id,
        name=product.name,
        slug=product.slug,
        description=product.description or "",
        short_description=product.short_description or "",
        sku=product.sku or "",
        price=money(product.price),
        original_price=money(product.original_price) if product.original_price is not None else None,
        category=product.category,
        subcategory=product.subcategory or "",
        tags=product.tags or [],
        ingredients=product.ingredients,
        is_veg=product.is_veg,
        is_vegan=product.is_vegan,
        is_jain=product.is_jain,
        is_gluten_free=product.is_gluten_free,
        is_nut_free=product.is_nut_free,
        spice_level=(product.spice_level or "unspecified").upper(),
        prep_time_minutes=product.prep_time_minutes,
        servings=product.servings,
        weight=product.weight or "",
        unit=(product.unit or "unspecified").upper(),
        shelf_life_days=product.shelf_life_days or 0,
        storage_instructions=product.storage_instructions or "",
        nutrition=_nutrition_to_json(product),
        images=product.images,
        video_url=product.video_url or "",
        is_available=product.is_available and rules.is_on_schedule(product.scheduled_availability, rules.read_clock()),
        is_featured=product.is_featured,
        rating_hundredths=int(product.rating * 100),
        review_count=product.review_count,
        meta_title=product.meta_title or "",
        meta_description=product.meta_description or "",
        tax_rate_basis_points=product.tax_rate_basis_points,
        etag=str(product.version),
        created_at=product.created_at,
        updated_at=product.updated_at,
        customizations=[
            payloads.CustomizationOut(
                id=customization.id,
                name=customization.name,
                type=customization.type.upper(),
                is_required=customization.is_required,
                display_order=customization.display_order,
                options=[
                    payloads.OptionOut(
                        id=option.id,
                        name=option.name,
                        price_modifier=money(option.price_modifier),
                        is_default=option.is_default,
                        display_order=option.display_order,
                    )
                    for option in customization.options
                ],
            )
            for customization in product.customizations
        ],
    )


def _nutrition_to_json(product: Product) -> payloads.NutritionOut | None:
    grams = (product.protein_g, product.carbs_g, product.fat_g, product.fiber_g)
    if product.calories is None and product.sodium_mg is None and all(value is None for value in grams):
        return None
    protein, carbs, fat, fiber = (int(value * 1000) if value is not None else None for value in grams)
    return payloads.NutritionOut(
        calories=product.calories,
        protein_mg=protein,
        carbs_mg=carbs,
        fat_mg=fat,
        fiber_mg=fiber,
        sodium_mg=product.sodium_mg,
    )


def _order_to_json(order: Order) -> payloads.OrderOut:
    return payloads.OrderOut(
        id=order.id,
        version=order.version,
        order_number=order.order_number,
        customer_id=order.customer_id,
        customer_name=order.customer_name,
        customer_email=order.customer_email,
        customer_phone=order.customer_phone,
        store_id=order.store_id,
        store_name=order.store_name,
        status=order.status.upper(),
        payment_status=order.payment_status.upper(),
        payment_method=order.payment_method.upper(),
        fulfilment_type=order.delivery_type.upper().replace("-", "_"),
        items=[_item_to_json(item) for item in order.items],
        amounts=_amounts_to_json(order),
        delivery_address=payloads.AddressOut.model_validate(order.delivery_address) if order.delivery_address else None,
        delivery_instructions=order.delivery_instructions or "",
        special_instructions=order.special_instructions or "",
        estimated_delivery_at=order.estimated_delivery_time,
        accepted_at=order.accepted_at,
        preparing_at=order.preparing_at,
        ready_at=order.ready_at,
        dispatched_at=order.dispatched_at,
        delivered_at=order.delivered_at,
        cancelled_at=order.cancelled_at,
        assigned_staff_id=str(order.assigned_staff_id or ""),
        delivery_person_id=str(order.delivery_person_id or ""),
        created_at=order.created_at,
        updated_at=order.updated_at,
    )


def _item_to_json(item: OrderItem) -> payloads.OrderItemOut:
    money = payloads.Money.of
    return payloads.OrderItemOut(
        id=item.id,
        product_id=item.product_id,
        product_name=item.product_name,
        product_sku=item.product_sku or "",
        category=item.category or "",
        unit_price=money(item.unit_price),
        quantity=item.quantity,
        subtotal=money(item.subtotal),
        discount=money(item.discount),
        tax=_tax_to_json(item.tax_rate, item.subtotal - item.discount, item.cgst, item.sgst, item.igst),
        chosen_options=[
            payloads.ChosenOption(
                customization=option["customization"],
                option_id=option["option_id"],
                name=option["name"],
                price_modifier=money(option["price_modifier"]),
            )
            for option in item.customizations
        ],
        special_instructions=item.special_instructions or "",
    )


def _tax_to_json(rate: int, taxable: Decimal, cgst: Decimal, sgst: Decimal, igst: Decimal) -> payloads.LineTax:
    money = payloads.Money.of
    return payloads.LineTax(
        rate_basis_points=rate, taxable=money(taxable), cgst=money(cgst), sgst=money(sgst), igst=money(igst)
    )


def _amounts_to_json(order: Order) -> payloads.Amounts:
    money, nothing = payloads.Money.of, Decimal(0)
    return payloads.Amounts(
        subtotal=money(order.subtotal),
        discount=money(order.discount),
        loyalty_discount=money(order.loyalty_discount),
        delivery_fee=money(order.delivery_fee),
        delivery_tax=_tax_to_json(
            order.delivery_tax_rate, order.delivery_fee, order.delivery_cgst, order.delivery_sgst, order.delivery_igst
        ),
        cgst=money(sum((item.cgst for item in order.items), nothing) + order.delivery_cgst),
        sgst=money(sum((item.sgst for item in order.items), nothing) + order.delivery_sgst),
        igst=money(sum((item.igst for item in order.items), nothing) + order.delivery_igst),
        tax=money(order.tax),
        total=money(order.total),
    )


def _address_to_json(address: Address) -> dict[str, object]:
    location = None
    if address.latitude is not None and address.longitude is not None:
        location = {"latitude": float(address.latitude), "longitude": float(address.longitude)}
    return {
        "addressLine1": address.address_line1,
        "addressLine2": address.address_line2 or "",
        "landmark": address.landmark or "",
        "city": address.city,
        "state": address.state,
        "postalCode": address.postal_code,
        "country": address.country,
        "location": location,
    }
