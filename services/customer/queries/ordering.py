"""What an order needs of a customer: contact, and the address it goes to."""

from __future__ import annotations

from chassis.database import sql
from services.customer.queries.addresses import PLACE

# Many at once. With an address that is asked for and not the customer's, `address_id` is null.
ORDERING_CUSTOMER = sql(
    f"""
    SELECT wanted.place, c.id, c.email, c.phone, c.first_name, c.last_name, c.display_name, c.is_active,
           a.id AS address_id, {", ".join(f"a.{name}" for name in PLACE)}
    FROM unnest((SELECT %(places)s::int[]), (SELECT %(customer_ids)s::uuid[]), (SELECT %(address_ids)s::uuid[]))
        AS wanted(place, customer_id, address_id)
    JOIN customers c ON c.id = wanted.customer_id AND c.erased_at IS NULL
    LEFT JOIN customer_addresses a ON a.id = wanted.address_id AND a.customer_id = c.id
    """  # noqa: S608 - column names, written above
)
