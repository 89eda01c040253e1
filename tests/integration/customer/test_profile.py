"""Profile, addresses, preferences, favorites, and contact data for other services."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import grpc
import pytest
from jainshikanji.customer.v1 import customer_service_pb2 as pb
from jainshikanji.customer.v1.address_pb2 import AddressType
from jainshikanji.customer.v1.customer_pb2 import Gender
from jainshikanji.customer.v1.preferences_pb2 import DietaryRestriction, PreferredDeliveryTime
from jainshikanji.inventory.v1.product_pb2 import SpiceLevel
from jainshikanji.payment.v1.payment_pb2 import PaymentMethod
from jainshikanji.type.v1.geo_point_pb2 import GeoPoint
from jainshikanji.type.v1.postal_address_pb2 import PostalAddress

from tests import harness
from tests.harness import catch_error
from tests.integration.customer.conftest import People, Person, unused_phone

HOME = PostalAddress(
    address_line1="12, Hill Road",
    address_line2="3rd floor",
    landmark="behind the bakery",
    city="Mumbai",
    state="Maharashtra",
    postal_code="400050",
    location=GeoPoint(latitude=19.0596, longitude=72.8295),
)


async def create_customer(people: People, **fields: Any) -> tuple[Person, Any]:
    """A person with a session, and their stub of CustomerService."""
    person = await people.register(**fields)
    return person, person.customer(await person.log_in())


async def test_a_profile_is_updated_field_by_field(people: People) -> None:
    asha, stub = await create_customer(people)
    phone = unused_phone()
    request = pb.UpdateCustomerRequest(
        id=asha.id, last_name="Jain", phone=phone, date_of_birth="1994-02-28", gender=Gender.FEMALE, locale="hi"
    )
    written = await stub.UpdateCustomer(request)
    assert (written.first_name, written.last_name, written.phone) == ("Asha", "Jain", phone)
    assert (written.date_of_birth, written.gender, written.locale) == ("1994-02-28", Gender.FEMALE, "hi")
    assert written == await stub.GetCustomer(pb.GetCustomerRequest(id=asha.id))
    cleared = await stub.UpdateCustomer(
        pb.UpdateCustomerRequest(id=asha.id, last_name="", phone="", date_of_birth="", gender=Gender.UNSPECIFIED)
    )
    assert (cleared.last_name, cleared.phone, cleared.date_of_birth, cleared.gender) == ("", "", "", 0)
    assert cleared.first_name == "Asha"


async def test_a_stale_update_of_a_profile_is_rejected_with_the_current_etag(people: People) -> None:
    asha, stub = await create_customer(people)
    read = await stub.GetCustomer(pb.GetCustomerRequest(id=asha.id))
    await stub.UpdateCustomer(pb.UpdateCustomerRequest(id=asha.id, last_name="One", etag=read.etag))
    found = await catch_error(
        stub.UpdateCustomer(pb.UpdateCustomerRequest(id=asha.id, last_name="Two", etag=read.etag))
    )
    assert (found.code, found.reason) == (grpc.StatusCode.ABORTED, "STALE_ETAG")
    again = await stub.UpdateCustomer(
        pb.UpdateCustomerRequest(id=asha.id, last_name="Two", etag=found.metadata["etag"])
    )
    assert again.last_name == "Two"


async def test_a_phone_belongs_to_one_account(people: People) -> None:
    phone = unused_phone()
    ravi, ravis = await create_customer(people)
    await ravis.UpdateCustomer(pb.UpdateCustomerRequest(id=ravi.id, phone=phone))
    asha, stub = await create_customer(people)
    found = await catch_error(stub.UpdateCustomer(pb.UpdateCustomerRequest(id=asha.id, phone=phone, last_name="X")))
    assert (found.code, found.reason) == (grpc.StatusCode.ALREADY_EXISTS, "PHONE_ALREADY_REGISTERED")
    assert (await stub.GetCustomer(pb.GetCustomerRequest(id=asha.id))).last_name == ""


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"first_name": ""}, "firstName"),
        ({"first_name": "   "}, "firstName"),
        ({"last_name": "x" * 101}, "lastName"),
        ({"phone": "12"}, "phone"),
        ({"phone": "abc"}, "phone"),
        ({"date_of_birth": "2001-02-29"}, "dateOfBirth"),
        ({"date_of_birth": "2999-01-01"}, "dateOfBirth"),
        ({"date_of_birth": "1899-12-31"}, "dateOfBirth"),
        ({"gender": 77}, "gender"),
        ({"locale": "english"}, "locale"),
    ],
)
async def test_an_invalid_profile_is_rejected_with_its_field(
    people: People, fields: dict[str, Any], wrong: str
) -> None:
    asha, stub = await create_customer(people)
    found = await catch_error(stub.UpdateCustomer(pb.UpdateCustomerRequest(id=asha.id, **fields)))
    assert found.code is grpc.StatusCode.INVALID_ARGUMENT
    assert wrong in found.violations


async def test_data_of_another_customer_is_not_found(people: People) -> None:
    asha, stub = await create_customer(people)
    ravi, ravis = await create_customer(people)
    theirs = await ravis.CreateAddress(pb.CreateAddressRequest(id=ravi.id, address=HOME))
    missing = str(uuid4())
    for request, method in (
        (pb.GetCustomerRequest, stub.GetCustomer),
        (pb.UpdateCustomerRequest, stub.UpdateCustomer),
        (pb.DeleteCustomerRequest, stub.DeleteCustomer),
        (pb.ListAddressesRequest, stub.ListAddresses),
        (pb.GetPreferencesRequest, stub.GetPreferences),
        (pb.UpdatePreferencesRequest, stub.UpdatePreferences),
        (pb.ListFavoritesRequest, stub.ListFavorites),
    ):
        foreign = await catch_error(method(request(id=ravi.id)))
        assert foreign == await catch_error(method(request(id=missing)))
        assert foreign.code is grpc.StatusCode.NOT_FOUND
    # An address of another customer under the own id.
    calls: list[tuple[Any, Any]] = [
        (pb.UpdateAddressRequest, stub.UpdateAddress),
        (pb.DeleteAddressRequest, stub.DeleteAddress),
    ]
    for make, method in calls:
        found = await catch_error(method(make(id=asha.id, address_id=theirs.id)))
        assert found == await catch_error(method(make(id=asha.id, address_id=missing)))
        assert found.code is grpc.StatusCode.NOT_FOUND
    locking = await catch_error(stub.DeactivateCustomer(pb.DeactivateCustomerRequest(id=asha.id)))
    assert locking.code is grpc.StatusCode.PERMISSION_DENIED


async def test_an_administrator_reads_every_customer(people: People) -> None:
    asha = await people.register()
    admin = people.customer(harness.admin())
    assert (await admin.GetCustomer(pb.GetCustomerRequest(id=asha.id))).email == asha.email
    assert (
        await catch_error(admin.GetCustomer(pb.GetCustomerRequest(id=str(uuid4()))))
    ).code is grpc.StatusCode.NOT_FOUND


async def test_an_address_is_read_as_it_was_created_and_stored_encrypted(people: People) -> None:
    asha, stub = await create_customer(people)
    created = await stub.CreateAddress(
        pb.CreateAddressRequest(id=asha.id, type=AddressType.WORK, label="दफ़्तर", address=HOME)
    )
    assert created.address.country == "India"
    assert created.is_default
    created.address.country = ""
    assert created.address == HOME
    assert (created.type, created.label, created.customer_id) == (AddressType.WORK, "दफ़्तर", asha.id)
    row = (
        await people.query("SELECT a::text AS line FROM customer_addresses a WHERE id = %(id)s::uuid", id=created.id)
    )[0]
    for secret in ("Hill Road", "bakery", "19.0596", "72.8295"):
        assert secret not in row.line
        assert secret.encode().hex() not in row.line


async def test_at_most_one_address_is_the_default(people: People) -> None:
    asha, stub = await create_customer(people)
    first = await stub.CreateAddress(pb.CreateAddressRequest(id=asha.id, address=HOME))
    second = await stub.CreateAddress(pb.CreateAddressRequest(id=asha.id, address=HOME))
    third = await stub.CreateAddress(pb.CreateAddressRequest(id=asha.id, address=HOME, is_default=True))
    assert [first.is_default, second.is_default, third.is_default] == [True, False, True]
    await stub.UpdateAddress(pb.UpdateAddressRequest(id=asha.id, address_id=second.id, is_default=True))
    listed = await stub.ListAddresses(pb.ListAddressesRequest(id=asha.id))
    assert [(one.id, one.is_default) for one in listed.addresses] == [
        (third.id, False),
        (second.id, True),
        (first.id, False),
    ]


async def test_concurrent_changes_of_the_default_leave_one_default(people: People) -> None:
    asha, stub = await create_customer(people)
    created = [await stub.CreateAddress(pb.CreateAddressRequest(id=asha.id, address=HOME)) for _ in range(5)]
    await asyncio.gather(
        *(
            stub.UpdateAddress(pb.UpdateAddressRequest(id=asha.id, address_id=one.id, is_default=True))
            for one in created
        ),
        *(stub.CreateAddress(pb.CreateAddressRequest(id=asha.id, address=HOME, is_default=True)) for _ in range(5)),
    )
    listed = await stub.ListAddresses(pb.ListAddressesRequest(id=asha.id))
    assert sum(one.is_default for one in listed.addresses) == 1
    assert len(listed.addresses) == 10


async def test_an_address_is_updated_in_part_and_stale_updates_are_rejected(people: People) -> None:
    asha, stub = await create_customer(people)
    created = await stub.CreateAddress(pb.CreateAddressRequest(id=asha.id, address=HOME, label="Home"))
    moved = PostalAddress(address_line1="1, MG Road", city="Pune", state="Maharashtra", postal_code="411001")
    written = await stub.UpdateAddress(
        pb.UpdateAddressRequest(id=asha.id, address_id=created.id, address=moved, etag=created.etag)
    )
    assert (written.label, written.address.city, written.address.landmark) == ("Home", "Pune", "")
    assert not written.address.HasField("location")
    found = await catch_error(
        stub.UpdateAddress(pb.UpdateAddressRequest(id=asha.id, address_id=created.id, label="", etag=created.etag))
    )
    assert found.reason == "STALE_ETAG"
    await stub.DeleteAddress(pb.DeleteAddressRequest(id=asha.id, address_id=created.id))
    gone = await catch_error(stub.DeleteAddress(pb.DeleteAddressRequest(id=asha.id, address_id=created.id)))
    assert gone.code is grpc.StatusCode.NOT_FOUND


async def test_a_customer_has_at_most_twenty_addresses_also_with_concurrent_requests(people: People) -> None:
    asha, stub = await create_customer(people)
    outcomes = await asyncio.gather(
        *(stub.CreateAddress(pb.CreateAddressRequest(id=asha.id, address=HOME)) for _ in range(24)),
        return_exceptions=True,
    )
    assert sum(not isinstance(outcome, Exception) for outcome in outcomes) == 20
    found = await catch_error(stub.CreateAddress(pb.CreateAddressRequest(id=asha.id, address=HOME)))
    assert (found.code, found.reason, found.metadata) == (
        grpc.StatusCode.ABORTED,
        "TOO_MANY_ADDRESSES",
        {"limit": "20"},
    )
    page = await stub.ListAddresses(pb.ListAddressesRequest(id=asha.id, page_size=7))
    seen = [one.id for one in page.addresses]
    while page.next_page_token:
        page = await stub.ListAddresses(
            pb.ListAddressesRequest(id=asha.id, page_size=7, page_token=page.next_page_token)
        )
        seen += [one.id for one in page.addresses]
    assert len(seen) == len(set(seen)) == 20


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"address_line1": ""}, "address.addressLine1"),
        ({"address_line1": "\u3000 "}, "address.addressLine1"),
        ({"city": ""}, "address.city"),
        ({"postal_code": "!"}, "address.postalCode"),
        ({"location": GeoPoint(latitude=91)}, "address.location.latitude"),
    ],
)
async def test_an_invalid_address_is_rejected_with_its_field(
    people: People, change: dict[str, Any], wrong: str
) -> None:
    asha, stub = await create_customer(people)
    address = PostalAddress()
    address.CopyFrom(HOME)
    address.MergeFrom(PostalAddress(**change))
    for name, value in change.items():
        if isinstance(value, str):
            setattr(address, name, value)
    assert (
        wrong
        in (await catch_error(stub.CreateAddress(pb.CreateAddressRequest(id=asha.id, address=address)))).violations
    )


async def test_an_address_without_a_postal_address_is_rejected(people: People) -> None:
    asha, stub = await create_customer(people)
    assert "address" in (await catch_error(stub.CreateAddress(pb.CreateAddressRequest(id=asha.id)))).violations


async def test_preferences_have_defaults_and_are_updated_in_part(people: People) -> None:
    asha, stub = await create_customer(people)
    defaults = await stub.GetPreferences(pb.GetPreferencesRequest(id=asha.id))
    assert defaults.preferred_spice_level == SpiceLevel.MILD
    assert not defaults.HasField("updated_at")
    await stub.UpdatePreferences(
        pb.UpdatePreferencesRequest(
            id=asha.id,
            dietary_restrictions=pb.DietaryRestrictionList(
                values=[DietaryRestriction.JAIN, DietaryRestriction.GLUTEN_FREE]
            ),
            favorite_categories=pb.CategoryList(values=["शिकंजी", "Snacks"]),
            preferred_payment_method=PaymentMethod.UPI,
        )
    )
    written = await stub.UpdatePreferences(
        pb.UpdatePreferencesRequest(
            id=asha.id,
            preferred_spice_level=SpiceLevel.SWEET,
            preferred_delivery_time=PreferredDeliveryTime.EVENING,
            preferred_payment_method=PaymentMethod.UNSPECIFIED,
            favorite_categories=pb.CategoryList(),
        )
    )
    assert written.preferred_spice_level == SpiceLevel.SWEET
    assert list(written.dietary_restrictions) == [DietaryRestriction.JAIN, DietaryRestriction.GLUTEN_FREE]
    assert list(written.favorite_categories) == []
    assert written.preferred_payment_method == PaymentMethod.UNSPECIFIED
    assert written.preferred_delivery_time == PreferredDeliveryTime.EVENING
    assert written == await stub.GetPreferences(pb.GetPreferencesRequest(id=asha.id))
    row = (await people.query("SELECT * FROM customer_preferences WHERE customer_id = %(id)s::uuid", id=asha.id))[0]
    assert (row.preferred_spice_level, row.dietary_restrictions) == ("Sweet", ["jain", "gluten-free"])


async def test_favorites_are_unique_listed_newest_first_and_deletable(people: People) -> None:
    asha, stub = await create_customer(people)
    products = [str(uuid4()) for _ in range(3)]
    for product in products:
        await stub.PutFavorite(pb.PutFavoriteRequest(id=asha.id, product_id=product))
    again = await asyncio.gather(
        *(stub.PutFavorite(pb.PutFavoriteRequest(id=asha.id, product_id=products[0])) for _ in range(4))
    )
    assert len({one.created_at.ToNanoseconds() for one in again}) == 1
    page = await stub.ListFavorites(pb.ListFavoritesRequest(id=asha.id, page_size=2))
    rest = await stub.ListFavorites(pb.ListFavoritesRequest(id=asha.id, page_size=2, page_token=page.next_page_token))
    assert [one.product_id for one in [*page.favorites, *rest.favorites]] == products[::-1]
    for _ in range(2):
        await stub.DeleteFavorite(pb.DeleteFavoriteRequest(id=asha.id, product_id=products[1]))
    left = await stub.ListFavorites(pb.ListFavoritesRequest(id=asha.id))
    assert [one.product_id for one in left.favorites] == [products[2], products[0]]


async def test_a_page_token_of_another_list_is_rejected(people: People) -> None:
    asha, stub = await create_customer(people)
    for _ in range(2):
        await stub.PutFavorite(pb.PutFavoriteRequest(id=asha.id, product_id=str(uuid4())))
    token = (await stub.ListFavorites(pb.ListFavoritesRequest(id=asha.id, page_size=1))).next_page_token
    ravi, ravis = await create_customer(people)
    for call in (
        stub.ListAddresses(pb.ListAddressesRequest(id=asha.id, page_token=token)),
        ravis.ListFavorites(pb.ListFavoritesRequest(id=ravi.id, page_token=token)),
        stub.ListFavorites(pb.ListFavoritesRequest(id=asha.id, page_token="x" + token)),
    ):
        assert "pageToken" in (await catch_error(call)).violations


async def test_order_reads_the_contact_and_the_delivery_address(people: People) -> None:
    asha, stub = await create_customer(people, last_name="Jain")
    created = await stub.CreateAddress(pb.CreateAddressRequest(id=asha.id, address=HOME))
    order = people.customer(harness.service("order"))
    found = await order.GetOrderingCustomer(pb.GetOrderingCustomerRequest(customer_id=asha.id, address_id=created.id))
    assert (found.name, found.email, found.phone) == ("Asha Jain", asha.email, "")
    assert (found.address.address_line1, found.address.location) == (HOME.address_line1, HOME.location)
    bare = await order.GetOrderingCustomer(pb.GetOrderingCustomerRequest(customer_id=asha.id))
    assert not bare.HasField("address")


async def test_a_foreign_address_an_unknown_and_an_inactive_customer_cannot_order(people: People) -> None:
    asha, _ = await create_customer(people)
    ravi, ravis = await create_customer(people)
    theirs = await ravis.CreateAddress(pb.CreateAddressRequest(id=ravi.id, address=HOME))
    order = people.customer(harness.service("order"))
    for request in (
        pb.GetOrderingCustomerRequest(customer_id=asha.id, address_id=theirs.id),
        pb.GetOrderingCustomerRequest(customer_id=str(uuid4())),
    ):
        assert (await catch_error(order.GetOrderingCustomer(request))).code is grpc.StatusCode.NOT_FOUND
    admin = people.customer(harness.admin())
    await admin.DeactivateCustomer(pb.DeactivateCustomerRequest(id=asha.id))
    found = await catch_error(order.GetOrderingCustomer(pb.GetOrderingCustomerRequest(customer_id=asha.id)))
    assert (found.code, found.reason) == (grpc.StatusCode.ABORTED, "ACCOUNT_INACTIVE")


async def test_only_permitted_services_read_contacts(people: People) -> None:
    asha, _ = await create_customer(people, locale="hi")
    request = pb.BatchGetContactsRequest(customer_ids=[asha.id, asha.id, str(uuid4())])
    answer = await people.customer(harness.service("notification")).BatchGetContacts(request)
    assert [(one.customer_id, one.name, one.email, one.locale) for one in answer.contacts] == [
        (asha.id, "Asha", asha.email, "hi")
    ]
    for caller in (harness.service("review"), harness.anonymous(), harness.admin()):
        found = await catch_error(people.customer(caller).BatchGetContacts(request))
        assert found.code is grpc.StatusCode.PERMISSION_DENIED
