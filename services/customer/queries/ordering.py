"""What an order needs of a customer: contact, and the address it goes to."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from chassis.db import statement
from services.customer.model import Address, Customer
from services.customer.queries.accounts import EXISTS

_WHO = (
    Customer.id,
    Customer.email,
    Customer.phone,
    Customer.first_name,
    Customer.last_name,
    Customer.display_name,
    Customer.is_active,
)
ORDERING_CUSTOMER = statement(select(*_WHO).where(Customer.id == bindparam("customer_id"), EXISTS))
# Customer and address in one row; no row when the address is another customer's.
ORDERING_CUSTOMER_WITH_ADDRESS = statement(
    select(
        *_WHO,
        Address.address_line1,
        Address.address_line2,
        Address.landmark,
        Address.city,
        Address.state,
        Address.postal_code,
        Address.country,
        Address.latitude,
        Address.longitude,
    )
    .join(Address, Address.customer_id == Customer.id)
    .where(Customer.id == bindparam("customer_id"), Address.id == bindparam("address_id"), EXISTS)
)
