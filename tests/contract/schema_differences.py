"""Where the databases differ from the design document's schema, and why."""

from __future__ import annotations

from typing import Final

# A test proves each of these: another index, or that of a UNIQUE, begins with the same columns.
REPEATED: Final = "another index begins with the same columns and serves the same queries at no extra cost per write"
ENCRYPTED: Final = "encrypted, and ciphertext is bytes of any length"
BLIND: Final = "ciphertext of equal values differs, so uniqueness and queries use the blind index column"

# By service: key of the fact (catalogue.Fact) and the reason.
ALLOWED: Final[dict[str, dict[str, str]]] = {
    "store": {
        "staff column email": ENCRYPTED,
        "staff column phone": ENCRYPTED,
        "staff index idx_staff_email": BLIND,
        "staff unique staff_email_key": BLIND,
        "store_operating_hours index idx_operating_hours_store": REPEATED,
        "store_operating_hours unique store_operating_hours_store_id_day_of_week_key": (
            "a store may be open for several intervals on one day"
        ),
        "stores index idx_stores_slug": REPEATED,
    },
    "inventory": {
        "inventory index idx_inventory_low_stock": (
            "an index on current_stock makes every change of stock write to every index; one on a flag that changes "
            "only at the alarm keeps heap-only updates"
        ),
        "inventory index idx_inventory_product": REPEATED,
        "products index idx_products_slug": REPEATED,
        "suppliers column address": ENCRYPTED,
        "suppliers column email": ENCRYPTED,
        "suppliers column phone": ENCRYPTED,
    },
    "order": {
        "order_tracking column latitude": ENCRYPTED,
        "order_tracking column longitude": ENCRYPTED,
        "orders column customer_email": ENCRYPTED,
        "orders column customer_phone": ENCRYPTED,
        "orders column delivery_address": f"{ENCRYPTED}; only deliveries have one, which a CHECK demands",
        "orders column delivery_latitude": ENCRYPTED,
        "orders column delivery_longitude": ENCRYPTED,
        "orders column id": "orders are partitioned by month, and the month is in a UUID version 7",
        "orders index idx_orders_customer": "also has the id, so that a page of a customer's orders needs no sort",
        "orders index idx_orders_number": "order_numbers(number) is the primary key that finds an order",
        "orders index idx_orders_store": "also has the id, so that a page of a store's orders needs no sort",
        "orders unique orders_order_number_key": (
            "a unique key of a partitioned table must hold the partition key; order_numbers(number) is unique instead"
        ),
    },
    "customer": {
        "customer_addresses column address_line1": ENCRYPTED,
        "customer_addresses column address_line2": ENCRYPTED,
        "customer_addresses column landmark": ENCRYPTED,
        "customer_addresses column latitude": ENCRYPTED,
        "customer_addresses column longitude": ENCRYPTED,
        "customer_addresses index idx_addresses_customer": REPEATED,
        "customer_favorites index idx_favorites_customer": REPEATED,
        "customer_preferences index idx_preferences_customer": REPEATED,
        "customers column date_of_birth": ENCRYPTED,
        "customers column email": ENCRYPTED,
        "customers column phone": ENCRYPTED,
        "customers index idx_customers_email": BLIND,
        "customers index idx_customers_phone": BLIND,
        "customers unique customers_email_key": BLIND,
        "customers unique customers_phone_key": BLIND,
        "sessions index idx_sessions_token": REPEATED,
    },
    "payment": {
        "payments index idx_payments_order": "also unique: an order has one payment with any number of attempts",
    },
    "loyalty": {
        "campaigns index idx_campaigns_code": REPEATED,
        "loyalty_transactions index idx_loyalty_customer": REPEATED,
    },
}
