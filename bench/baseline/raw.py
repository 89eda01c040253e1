"""The same routes on the same schema with psycopg and handwritten SQL: no ORM, no response model."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, time
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Request, Response
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from bench.baseline import payloads, rules
from bench.baseline.access import Caller
from bench.baseline.settings import settings
from bench.baseline.tables import new_id

PLACING = "POST /api/orders"
router = APIRouter()
Row = dict[str, Any]


@asynccontextmanager
async def connected(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncConnectionPool(
        settings().database_url,
        connection_class=AsyncConnection[DictRow],
        min_size=1,
        max_size=settings().pool_size,
        kwargs={"autocommit": True, "row_factory": dict_row, "prepare_threshold": 0},
    ) as pool:
        app.state.pool = pool
        yield


async def _open_connection(request: Request) -> AsyncIterator[AsyncConnection[DictRow]]:
    async with request.app.state.pool.connection() as connection:
        yield connection


Connection = Annotated[AsyncConnection[DictRow], Depends(_open_connection)]


def _respond(content: Row) -> Response:
    return Response(json.dumps(content, ensure_ascii=False, separators=(",", ":")), media_type="application/json")


async def _fetch_one(connection: AsyncConnection[DictRow], query: str, parameters: Row) -> Row | None:
    return await (await connection.execute(query.encode(), parameters)).fetchone()


# --- Reading ----------------------------------------------------------------------------------------------------------

_OPTIONS = """
    (SELECT json_agg(json_build_object(
                'id', c.id, 'name', c.name, 'type', c.type, 'is_required', c.is_required,
                'display_order', c.display_order,
                'options', (SELECT coalesce(json_agg(json_build_object(
                                'id', o.id, 'name', o.name, 'price_modifier', (o.price_modifier * 100)::bigint,
                                'is_default', o.is_default, 'display_order', o.display_order)
                                ORDER BY o.display_order, o.id), '[]')
                            FROM customization_options o WHERE o.customization_id = c.id)
            ) ORDER BY c.display_order, c.id)
     FROM product_customizations c WHERE c.product_id = products.id) AS customizations
"""
_PRODUCT = f"SELECT *, {_OPTIONS} FROM products WHERE id = %(id)s AND deleted_at IS NULL"  # noqa: S608 - a constant
_ORDER = """
    SELECT orders.*, (SELECT json_agg(json_build_array(
                             id, product_id, product_name, product_sku, category, (unit_price * 100)::bigint, quantity,
                             (subtotal * 100)::bigint, (discount * 100)::bigint, tax_rate, (cgst * 100)::bigint,
                             (sgst * 100)::bigint, (igst * 100)::bigint, customizations, special_instructions)
                             ORDER BY position)
                      FROM order_items WHERE order_id = orders.id) AS items
    FROM orders WHERE id = %(id)s AND customer_id = %(caller)s
"""


@router.get("/api/products/{product_id}")
async def get_product(product_id: UUID, connection: Connection) -> Response:
    row = await _fetch_one(connection, _PRODUCT, {"id": product_id})
    if row is None:
        raise HTTPException(404, "not found")
    return _respond(_product_to_json(row))


@router.get("/api/orders/{order_id}")
async def get_order(order_id: UUID, connection: Connection, caller: Caller) -> Response:
    return _respond(await _read_own_order(connection, order_id, caller))


async def _read_own_order(connection: AsyncConnection[DictRow], order_id: UUID, caller: UUID) -> Row:
    row = await _fetch_one(connection, _ORDER, {"id": order_id, "caller": caller})
    if row is None:
        raise HTTPException(404, "not found")
    return _order_to_json(row, row["items"])


# --- Placing ----------------------------------------------------------------------------------------------------------

_CLAIM = """
    INSERT INTO idempotency_keys (caller, method, key, body_hash)
    VALUES (%(caller)s, %(method)s, %(key)s, %(body_hash)s) ON CONFLICT DO NOTHING RETURNING key
"""
_KEPT = """
    SELECT body_hash, result_id FROM idempotency_keys
    WHERE caller = %(caller)s AND method = %(method)s AND key = %(key)s
"""
_SETTLE = """
    UPDATE idempotency_keys SET result_id = %(result_id)s
    WHERE caller = %(caller)s AND method = %(method)s AND key = %(key)s
"""
_CUSTOMER = """
    SELECT customers.*, to_json(address) AS address
    FROM customers
    LEFT JOIN customer_addresses address ON address.customer_id = customers.id AND address.id = %(address_id)s
    WHERE customers.id = %(caller)s
"""
_STORE = """
    SELECT stores.*,
           (SELECT json_agg(json_build_array(day_of_week, open_time, close_time))
            FROM store_operating_hours WHERE store_id = stores.id) AS hours,
           (SELECT json_build_object('fee', (delivery_fee * 100)::bigint, 'minutes', estimated_time_minutes)
            FROM delivery_zones
            WHERE store_id = stores.id AND is_active AND %(postal_code)s = ANY(postal_codes) LIMIT 1) AS zone
    FROM stores WHERE id = %(id)s
"""
_PRODUCTS = f"SELECT *, {_OPTIONS} FROM products WHERE id = ANY(%(ids)s)"  # noqa: S608 - a constant
# Reserves all lines or none: the caller counts the rows. Locked in one order, so that two orders cannot deadlock.
_TAKE = """
    WITH wanted AS (
        SELECT * FROM unnest(%(product_ids)s::uuid[], %(quantities)s::int[]) AS w(product_id, quantity)
    ), locked AS (
        SELECT inventory.id, wanted.quantity FROM inventory JOIN wanted USING (product_id)
        WHERE store_id = %(store_id)s ORDER BY product_id FOR NO KEY UPDATE OF inventory
    ), taken AS (
        UPDATE inventory SET current_stock = current_stock - locked.quantity, updated_at = now()
        FROM locked WHERE inventory.id = locked.id AND current_stock >= locked.quantity
        RETURNING product_id, store_id, locked.quantity, current_stock
    )
    INSERT INTO stock_movements (id, product_id, store_id, kind, quantity, balance_after, order_id)
    SELECT uuidv7(), product_id, store_id, 'reserve', -quantity, current_stock, %(order_id)s FROM taken
"""
_ORDER_COLUMNS = (
    "id", "version", "order_number", "customer_id", "customer_name", "customer_email", "customer_phone", "store_id",
    "store_name", "status", "payment_status", "payment_method", "subtotal", "tax", "delivery_fee", "discount",
    "loyalty_discount", "total", "delivery_tax_rate", "delivery_cgst", "delivery_sgst", "delivery_igst",
    "delivery_address", "delivery_type", "delivery_instructions", "special_instructions", "estimated_delivery_time",
    "accepted_at", "created_at", "updated_at",
)  # fmt: skip
_INSERT_ORDER = (
    f"INSERT INTO orders ({', '.join(_ORDER_COLUMNS)}) "  # noqa: S608 - constants
    f"VALUES ({', '.join(f'%({column})s' for column in _ORDER_COLUMNS)})"
)
_INSERT_ITEMS = """
    INSERT INTO order_items (
        id, order_id, position, product_id, product_name, product_sku, category, unit_price, quantity, subtotal,
        discount, tax_rate, cgst, sgst, igst, customizations, special_instructions)
    SELECT (item ->> 0)::uuid, %(order_id)s, place, (item ->> 1)::uuid, item ->> 2, item ->> 3, item ->> 4,
           (item ->> 5)::int / 100.0, (item ->> 6)::int, (item ->> 7)::int / 100.0, (item ->> 8)::int / 100.0,
           (item ->> 9)::int, (item ->> 10)::int / 100.0, (item ->> 11)::int / 100.0, (item ->> 12)::int / 100.0,
           item -> 13, item ->> 14
    FROM jsonb_array_elements(%(items)s) WITH ORDINALITY AS line(item, place)
"""
_INSERT_TIMELINE = """
    INSERT INTO order_timeline (id, order_id, version, status, updated_by, updated_by_name)
    VALUES (uuidv7(), %(order_id)s, 1, 'pending', %(caller)s, 'customer'),
           (uuidv7(), %(order_id)s, 2, 'confirmed', NULL, 'system')
"""
_INSERT_PAYMENT = """
    INSERT INTO payments (id, payment_id, order_id, customer_id, payment_method, amount, currency, status)
    VALUES (%(id)s, %(id)s::text, %(order_id)s, %(caller)s, %(method)s, %(amount)s, 'INR', 'pending')
"""
_INSERT_EVENTS = """
    INSERT INTO outbox (event_id, type, key, version, payload)
    VALUES (uuidv7(), 'OrderCreated', %(key)s, 1, %(created)s), (uuidv7(), 'OrderConfirmed', %(key)s, 2, %(confirmed)s)
"""


@router.post("/api/orders")
async def create_order(
    body: payloads.NewOrder,
    connection: Connection,
    caller: Caller,
    idempotency_key: Annotated[str, Header(max_length=255)],
) -> Response:
    """Places the order in one transaction."""
    claim = {"caller": str(caller), "method": PLACING, "key": idempotency_key}
    body_hash = hashlib.sha256(body.model_dump_json().encode()).digest()
    async with connection.transaction():
        if await _fetch_one(connection, _CLAIM, {**claim, "body_hash": body_hash}) is None:
            return await _replay(connection, caller, claim, body_hash)
        order, items = await _place_order(connection, caller, body)
        await connection.execute(_SETTLE, {**claim, "result_id": order["id"]})
    return _respond(_order_to_json(order, items))


async def _replay(connection: AsyncConnection[DictRow], caller: UUID, claim: Row, body_hash: bytes) -> Response:
    kept = await _fetch_one(connection, _KEPT, claim)
    if kept is None or bytes(kept["body_hash"]) != body_hash or kept["result_id"] is None:
        raise rules.Conflict("KEY_REUSED")
    return _respond(await _read_own_order(connection, kept["result_id"], caller))


async def _place_order(
    connection: AsyncConnection[DictRow], caller: UUID, body: payloads.NewOrder
) -> tuple[Row, list[Any]]:
    moment = rules.read_clock()
    customer = await _fetch_one(connection, _CUSTOMER, {"caller": caller, "address_id": body.address_id})
    if customer is None or not customer["is_active"]:
        raise rules.Conflict("ACCOUNT_INACTIVE")
    address = customer["address"]
    if body.address_id is not None and address is None:
        raise HTTPException(404, "not found")
    store = await _read_store(connection, body.store_id, address, moment)
    products = await _read_products(connection, body, moment)
    order, items = _make_order(caller, customer, store, moment, body, products)
    await _take_stock(connection, order, body)
    await connection.execute(
        _INSERT_ORDER.encode(), {**order, "delivery_address": _to_jsonb(order["delivery_address"])}
    )
    about = {"order_id": order["id"], "caller": caller}
    await connection.execute(_INSERT_ITEMS, {**about, "items": Jsonb(items)})
    await connection.execute(_INSERT_TIMELINE, about)
    payment = {"id": new_id(), "method": order["payment_method"], "amount": order["total"]}
    await connection.execute(_INSERT_PAYMENT, {**about, **payment})
    await connection.execute(_INSERT_EVENTS, _make_events(order, items))
    return order, items


async def _read_store(
    connection: AsyncConnection[DictRow], store_id: UUID, address: Row | None, moment: datetime
) -> Row:
    """The store, which must be open; for a delivery with the zone that has the postal code."""
    postal_code = address["postal_code"] if address else ""
    store = await _fetch_one(connection, _STORE, {"id": store_id, "postal_code": postal_code})
    if store is None or not store["is_active"]:
        raise HTTPException(404, "not found")
    if not store["is_accepting_orders"]:
        raise rules.Conflict("STORE_NOT_ACCEPTING_ORDERS")
    hours = [(day, time.fromisoformat(opens), time.fromisoformat(closes)) for day, opens, closes in store["hours"]]
    if not rules.is_open(hours, store["time_zone"], moment):
        raise rules.Conflict("STORE_CLOSED")
    if address is not None and store["zone"] is None:
        raise rules.Conflict("OUT_OF_DELIVERY_AREA")
    return store


async def _read_products(
    connection: AsyncConnection[DictRow], body: payloads.NewOrder, moment: datetime
) -> dict[UUID, Row]:
    wanted = list({line.product_id for line in body.lines})
    rows = await (await connection.execute(_PRODUCTS.encode(), {"ids": wanted})).fetchall()
    products = {row["id"]: row for row in rows}
    for line in body.lines:
        product = products.get(line.product_id)
        if product is None:
            raise HTTPException(400, "productId is not a product")
        on_sale = product["is_available"] and product["deleted_at"] is None
        if not on_sale or not rules.is_on_schedule(product["scheduled_availability"], moment):
            raise rules.Conflict("PRODUCT_UNAVAILABLE")
    return products


def _make_order(
    caller: UUID, customer: Row, store: Row, moment: datetime, body: payloads.NewOrder, products: dict[UUID, Row]
) -> tuple[Row, list[Any]]:
    """The row of the order, and its items as arrays with amounts in paise."""
    address, zone = customer["address"], store["zone"]
    interstate = address is not None and address["state"].casefold() != store["state"].casefold()
    items: list[Any] = []
    subtotal, tax_total, longest = 0, 0, 0
    for line in body.lines:
        product = products[line.product_id]
        chosen = _choose_options(product, line.option_ids)
        unit_price = rules.to_paise(product["price"]) + sum(option["price_modifier"] for option in chosen)
        line_total = unit_price * line.quantity
        tax = rules.compute_tax(line_total, product["tax_rate_basis_points"], interstate=interstate)
        items.append(
            [
                str(new_id()),
                str(product["id"]),
                product["name"],
                product["sku"],
                product["category"],
                unit_price,
                line.quantity,
                line_total,
                0,
                tax.rate,
                tax.cgst,
                tax.sgst,
                tax.igst,
                chosen,
                line.special_instructions or None,
            ]
        )
        subtotal += line_total
        tax_total += tax.amount
        longest = max(longest, product["prep_time_minutes"])
    if subtotal < rules.to_paise(store["min_order_value"]):
        raise rules.Conflict("BELOW_MIN_ORDER_VALUE")
    free_above = rules.to_paise(store["free_delivery_above"]) if store["free_delivery_above"] is not None else None
    fee = rules.compute_fee(subtotal, zone["fee"], free_above) if address else 0
    delivery_tax = rules.compute_tax(fee, rules.DELIVERY_TAX if fee else 0, interstate=interstate)
    tax_total += delivery_tax.amount
    order = {
        "id": new_id(),
        "version": 2,
        "order_number": rules.make_order_number(moment),
        "customer_id": caller,
        "customer_name": f"{customer['first_name']} {customer['last_name']}",
        "customer_email": customer["email"],
        "customer_phone": customer["phone"] or "",
        "store_id": store["id"],
        "store_name": store["name"],
        "status": "confirmed",
        "payment_status": "pending",
        "payment_method": body.payment_method.lower(),
        "subtotal": rules.to_rupees(subtotal),
        "tax": rules.to_rupees(tax_total),
        "delivery_fee": rules.to_rupees(fee),
        "discount": Decimal(0),
        "loyalty_discount": Decimal(0),
        "total": rules.to_rupees(subtotal + fee + tax_total),
        "delivery_tax_rate": delivery_tax.rate,
        "delivery_cgst": rules.to_rupees(delivery_tax.cgst),
        "delivery_sgst": rules.to_rupees(delivery_tax.sgst),
        "delivery_igst": rules.to_rupees(delivery_tax.igst),
        "delivery_address": _address_to_json(address) if address else None,
        "delivery_type": body.fulfilment_type.lower().replace("_", "-"),
        "delivery_instructions": body.delivery_instructions or None,
        "special_instructions": body.special_instructions or None,
        "estimated_delivery_time": rules.estimate_delivery(moment, [longest], zone["minutes"] if address else 0),
        "accepted_at": moment,
        "created_at": moment,
        "updated_at": moment,
    }
    return order, items


def _choose_options(product: Row, option_ids: list[UUID]) -> list[Row]:
    """The chosen options; the default of a required customization without a choice."""
    wanted, chosen = {str(option_id) for option_id in option_ids}, []
    for customization in product["customizations"] or ():
        options = [option for option in customization["options"] if option["id"] in wanted]
        if len(options) > 1 and customization["type"] != "checkbox":
            raise HTTPException(400, "optionIds: only one may be chosen")
        if not options and customization["is_required"]:
            options = [option for option in customization["options"] if option["is_default"]][:1]
            if not options:
                raise HTTPException(400, "optionIds: one must be chosen")
        for option in options:
            wanted.discard(option["id"])
            chosen.append(
                {
                    "customization": customization["name"],
                    "option_id": option["id"],
                    "name": option["name"],
                    "price_modifier": option["price_modifier"],
                }
            )
    if wanted:
        raise HTTPException(400, "optionIds: not of this product")
    return chosen


async def _take_stock(connection: AsyncConnection[DictRow], order: Row, body: payloads.NewOrder) -> None:
    pieces: Counter[UUID] = Counter()
    for line in body.lines:
        pieces[line.product_id] += line.quantity
    taken = await connection.execute(
        _TAKE,
        {
            "product_ids": list(pieces),
            "quantities": list(pieces.values()),
            "store_id": order["store_id"],
            "order_id": order["id"],
        },
    )
    if taken.rowcount != len(pieces):
        raise rules.Conflict("OUT_OF_STOCK")


def _make_events(order: Row, items: list[Any]) -> Row:
    facts = {
        "orderId": str(order["id"]),
        "orderNumber": order["order_number"],
        "customerId": str(order["customer_id"]),
        "storeId": str(order["store_id"]),
        "total": str(order["total"]),
        "paymentMethod": order["payment_method"],
    }
    lines = [{"productId": item[1], "quantity": item[6]} for item in items]
    return {"key": str(order["id"]), "created": Jsonb({**facts, "items": lines}), "confirmed": Jsonb(facts)}


def _to_jsonb(value: Row | None) -> Jsonb | None:
    return Jsonb(value) if value is not None else None


# --- Rows to JSON -----------------------------------------------------------------------------------------------------


def _money_to_json(amount: Decimal | int) -> Row:
    return {"currencyCode": "INR", "minorUnits": str(amount if isinstance(amount, int) else int(amount * 100))}


def _format_time(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def _drop_none(content: Row) -> Row:
    return {name: value for name, value in content.items() if value is not None}


def _product_to_json(row: Row) -> Row:
    return _drop_none(
        {
            "id": str(row["id"]),
            "name": row["name"],
            "slug": row["slug"],
            "description": row["description"] or "",
            "shortDescription": row["short_description"] or "",
            "sku": row["sku"] or "",
            "price": _money_to_json(row["price"]),
            "originalPrice": _money_to_json(row["original_price"]) if row["original_price"] is not None else None,
            "category": row["category"],
            "subcategory": row["subcategory"] or "",
            "tags": row["tags"] or [],
            "ingredients": row["ingredients"],
            "isVeg": row["is_veg"],
            "isVegan": row["is_vegan"],
            "isJain": row["is_jain"],
            "isGlutenFree": row["is_gluten_free"],
            "isNutFree": row["is_nut_free"],
            "spiceLevel": (row["spice_level"] or "unspecified").upper(),
            "prepTimeMinutes": row["prep_time_minutes"],
            "servings": row["servings"],
            "weight": row["weight"] or "",
            "unit": (row["unit"] or "unspecified").upper(),
            "shelfLifeDays": row["shelf_life_days"] or 0,
            "storageInstructions": row["storage_instructions"] or "",
            "nutrition": _nutrition_to_json(row),
            "images": row["images"],
            "videoUrl": row["video_url"] or "",
            "isAvailable": row["is_available"]
            and rules.is_on_schedule(row["scheduled_availability"], rules.read_clock()),
            "isFeatured": row["is_featured"],
            "ratingHundredths": int(row["rating"] * 100),
            "reviewCount": row["review_count"],
            "metaTitle": row["meta_title"] or "",
            "metaDescription": row["meta_description"] or "",
            "taxRateBasisPoints": row["tax_rate_basis_points"],
            "etag": str(row["version"]),
            "createdAt": _format_time(row["created_at"]),
            "updatedAt": _format_time(row["updated_at"]),
            "customizations": [_customization_to_json(item) for item in row["customizations"] or ()],
        }
    )


def _customization_to_json(item: Row) -> Row:
    return {
        "id": item["id"],
        "name": item["name"],
        "type": item["type"].upper(),
        "isRequired": item["is_required"],
        "displayOrder": item["display_order"],
        "options": [
            {
                "id": option["id"],
                "name": option["name"],
                "priceModifier": _money_to_json(option["price_modifier"]),
                "isDefault": option["is_default"],
                "displayOrder": option["display_order"],
            }
            for option in item["options"]
        ],
    }


def _nutrition_to_json(row: Row) -> Row | None:
    grams = {"proteinMg": "protein_g", "carbsMg": "carbs_g", "fatMg": "fat_g", "fiberMg": "fiber_g"}
    facts = {"calories": row["calories"], "sodiumMg": row["sodium_mg"]}
    facts |= {name: int(row[column] * 1000) if row[column] is not None else None for name, column in grams.items()}
    return _drop_none(facts) or None


def _order_to_json(row: Row, items: list[Any]) -> Row:
    return _drop_none(
        {
            "id": str(row["id"]),
            "version": row["version"],
            "orderNumber": row["order_number"],
            "customerId": str(row["customer_id"]),
            "customerName": row["customer_name"],
            "customerEmail": row["customer_email"],
            "customerPhone": row["customer_phone"],
            "storeId": str(row["store_id"]),
            "storeName": row["store_name"],
            "status": row["status"].upper(),
            "paymentStatus": row["payment_status"].upper(),
            "paymentMethod": row["payment_method"].upper(),
            "fulfilmentType": row["delivery_type"].upper().replace("-", "_"),
            "items": [_item_to_json(item) for item in items],
            "amounts": _amounts_to_json(row, items),
            "deliveryAddress": row["delivery_address"],
            "deliveryInstructions": row["delivery_instructions"] or "",
            "specialInstructions": row["special_instructions"] or "",
            "estimatedDeliveryAt": _format_time(row["estimated_delivery_time"]),
            "acceptedAt": _format_time(row["accepted_at"]),
            "preparingAt": _format_time(row.get("preparing_at")),
            "readyAt": _format_time(row.get("ready_at")),
            "dispatchedAt": _format_time(row.get("dispatched_at")),
            "deliveredAt": _format_time(row.get("delivered_at")),
            "cancelledAt": _format_time(row.get("cancelled_at")),
            "assignedStaffId": str(row.get("assigned_staff_id") or ""),
            "deliveryPersonId": str(row.get("delivery_person_id") or ""),
            "cancellationReason": "UNSPECIFIED",
            "cancellationNote": "",
            "loyaltyPointsEarned": 0,
            "loyaltyPointsRedeemed": 0,
            "couponCode": "",
            "createdAt": _format_time(row["created_at"]),
            "updatedAt": _format_time(row["updated_at"]),
        }
    )


def _item_to_json(item: list[Any]) -> Row:
    (
        item_id, product_id, name, sku, category, unit_price, quantity, subtotal, discount, rate, cgst, sgst, igst,
        chosen, special_instructions,
    ) = item  # fmt: skip
    return {
        "id": item_id,
        "productId": product_id,
        "productName": name,
        "productSku": sku or "",
        "category": category or "",
        "unitPrice": _money_to_json(unit_price),
        "quantity": quantity,
        "subtotal": _money_to_json(subtotal),
        "discount": _money_to_json(discount),
        "tax": _tax_to_json(rate, subtotal - discount, cgst, sgst, igst),
        "chosenOptions": [
            {
                "customization": option["customization"],
                "optionId": option["option_id"],
                "name": option["name"],
                "priceModifier": _money_to_json(option["price_modifier"]),
            }
            for option in chosen
        ],
        "specialInstructions": special_instructions or "",
    }


def _tax_to_json(
    rate: int, taxable: Decimal | int, cgst: Decimal | int, sgst: Decimal | int, igst: Decimal | int
) -> Row:
    return {
        "rateBasisPoints": rate,
        "taxable": _money_to_json(taxable),
        "cgst": _money_to_json(cgst),
        "sgst": _money_to_json(sgst),
        "igst": _money_to_json(igst),
    }


def _amounts_to_json(row: Row, items: list[Any]) -> Row:
    delivery = [rules.to_paise(row[f"delivery_{kind}"]) for kind in ("cgst", "sgst", "igst")]
    cgst, sgst, igst = (sum(item[place] for item in items) + delivery[place - 10] for place in (10, 11, 12))
    return {
        "subtotal": _money_to_json(row["subtotal"]),
        "discount": _money_to_json(row["discount"]),
        "loyaltyDiscount": _money_to_json(row["loyalty_discount"]),
        "deliveryFee": _money_to_json(row["delivery_fee"]),
        "deliveryTax": _tax_to_json(row["delivery_tax_rate"], row["delivery_fee"], *delivery),
        "cgst": _money_to_json(cgst),
        "sgst": _money_to_json(sgst),
        "igst": _money_to_json(igst),
        "tax": _money_to_json(row["tax"]),
        "total": _money_to_json(row["total"]),
    }


def _address_to_json(row: Row) -> Row:
    content = {
        "addressLine1": row["address_line1"],
        "addressLine2": row["address_line2"] or "",
        "landmark": row["landmark"] or "",
        "city": row["city"],
        "state": row["state"],
        "postalCode": row["postal_code"],
        "country": row["country"],
    }
    if row["latitude"] is not None and row["longitude"] is not None:
        content["location"] = {"latitude": float(row["latitude"]), "longitude": float(row["longitude"])}
    return content
