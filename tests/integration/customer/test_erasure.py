"""Erasing a customer: no personal data is left, other services are notified, and the email is free again."""

from __future__ import annotations

from uuid import uuid4

import grpc
from jainshikanji.customer.v1 import auth_service_pb2 as auth
from jainshikanji.customer.v1 import customer_service_pb2 as pb
from jainshikanji.customer.v1.customer_pb2 import Gender
from jainshikanji.customer.v1.events_pb2 import CustomerErased, SessionRevoked
from jainshikanji.inventory.v1.product_pb2 import SpiceLevel
from jainshikanji.type.v1.postal_address_pb2 import PostalAddress

from tests import harness
from tests.harness import catch_error
from tests.integration.customer.conftest import People

TABLES = (
    "customer_addresses",
    "customer_preferences",
    "customer_favorites",
    "codes",
    "staff_invitations",
    "staff_grants",
)


async def test_an_erased_customer_leaves_no_personal_data_and_no_session(people: People) -> None:
    asha = await people.register(last_name="Jain", phone="+9192" + str(int(people.new().email[5:13], 16))[-8:].zfill(8))
    tokens, other = await asha.log_in(), await asha.log_in()
    stub = asha.customer(tokens)
    address = PostalAddress(address_line1="12, Hill Road", city="Mumbai", state="Maharashtra", postal_code="400050")
    await stub.CreateAddress(pb.CreateAddressRequest(id=asha.id, address=address))
    await stub.PutFavorite(pb.PutFavoriteRequest(id=asha.id, product_id=str(uuid4())))
    await stub.UpdatePreferences(pb.UpdatePreferencesRequest(id=asha.id, preferred_spice_level=SpiceLevel.MEDIUM))
    await stub.UpdateCustomer(pb.UpdateCustomerRequest(id=asha.id, date_of_birth="1990-01-01", gender=Gender.FEMALE))

    await stub.DeleteCustomer(pb.DeleteCustomerRequest(id=asha.id))

    row = (await people.query("SELECT * FROM customers WHERE id = %(id)s::uuid", id=asha.id))[0]
    personal = (
        "password_hash",
        "phone",
        "phone_index",
        "first_name",
        "last_name",
        "display_name",
        "date_of_birth",
        "gender",
    )
    assert [getattr(row, name) for name in personal] == [None] * len(personal)
    assert people.app.cipher.decrypt(row.email, "customers.email") == ""
    assert not row.is_active
    for table in TABLES:
        left = await people.query(f"SELECT 1 FROM {table} WHERE customer_id = %(id)s::uuid", id=asha.id)  # noqa: S608
        assert left == [], table
    sessions = await people.query("SELECT * FROM sessions WHERE customer_id = %(id)s::uuid", id=asha.id)
    assert {str(session.id) for session in sessions} == {tokens.session_id, other.session_id}
    assert not any(session.is_active or session.ip_address or session.user_agent for session in sessions)
    events = await people.query("SELECT type, key FROM outbox")
    kinds = {(event.type, event.key) for event in events}
    assert (CustomerErased.DESCRIPTOR.full_name, asha.id) in kinds
    assert {(SessionRevoked.DESCRIPTOR.full_name, sid) for sid in (tokens.session_id, other.session_id)} <= kinds


async def test_an_erased_account_is_not_found_and_its_email_can_be_registered_again(people: People) -> None:
    asha = await people.register()
    tokens = await asha.log_in()
    await asha.customer(tokens).DeleteCustomer(pb.DeleteCustomerRequest(id=asha.id))
    assert (await catch_error(asha.refresh(tokens.refresh_token))).reason == "INVALID_REFRESH_TOKEN"
    assert (await catch_error(asha.log_in())).reason == "INVALID_CREDENTIALS"
    admin = people.customer(harness.admin())
    for call in (
        admin.GetCustomer(pb.GetCustomerRequest(id=asha.id)),
        admin.DeleteCustomer(pb.DeleteCustomerRequest(id=asha.id)),
        admin.ActivateCustomer(pb.ActivateCustomerRequest(id=asha.id)),
        people.customer(harness.service("order")).GetOrderingCustomer(
            pb.GetOrderingCustomerRequest(customer_id=asha.id)
        ),
    ):
        assert (await catch_error(call)).code is grpc.StatusCode.NOT_FOUND
    contacts = await people.customer(harness.service("notification")).BatchGetContacts(
        pb.BatchGetContactsRequest(customer_ids=[asha.id])
    )
    assert list(contacts.contacts) == []
    old = asha.id
    await asha.register()
    assert asha.id != old
    await asha.log_in()


async def test_no_email_address_finds_an_erased_account(people: People) -> None:
    asha = await people.register()
    tokens = await asha.log_in()
    await asha.customer(tokens).DeleteCustomer(pb.DeleteCustomerRequest(id=asha.id))
    for email in (" ", "erased", f"erased{asha.id}"):
        issued = len(people.codes)
        await asha.anonymous.ForgotPassword(auth.ForgotPasswordRequest(email=email))
        assert len(people.codes) == issued
