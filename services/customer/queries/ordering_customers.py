"""What an order reads of a customer: contact and delivery address."""

from __future__ import annotations

from chassis.database import sql
from chassis.database.rows import column_names
from services.customer.rows import EncryptedPlace, OrderingCustomerRow

# For many orders in one statement. `address_id` is NULL when the customer does not have the requested address.
LIST_ORDERING_CUSTOMERS = sql(
    f"""
    SELECT wanted.place, c.id, c.email, c.phone, c.first_name, c.last_name, c.display_name, c.is_active,
           a.id AS address_id, {column_names(EncryptedPlace, "a")}
    FROM unnest((SELECT %(places)s::int[]), (SELECT %(customer_ids)s::uuid[]), (SELECT %(address_ids)s::uuid[]))
        AS wanted(place, customer_id, address_id)
    JOIN customers c ON c.id = wanted.customer_id AND c.erased_at IS NULL
    LEFT JOIN customer_addresses a ON a.id = wanted.address_id AND a.customer_id = c.id
    """,  # noqa: S608 - column names of the row type
    row=OrderingCustomerRow,
)
