"""CustomerService: profile, addresses, preferences, favorites, and what order, store and notification ask."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from google.protobuf.empty_pb2 import Empty
from jainshikanji.customer.v1 import address_pb2, customer_pb2, customer_service_pb2_grpc, favorite_pb2, preferences_pb2
from jainshikanji.customer.v1 import customer_service_pb2 as pb

from chassis.database import Row
from chassis.errors import InvalidArgument
from chassis.rpc.batch_calls import answer_each
from services.customer import wire
from services.customer.app import CustomerApp
from services.customer.usecases import accounts, addresses, likes, profiles
from services.customer.usecases.profiles import ProfileChange

_FAVORITES_PAGE = 50


class CustomerServicer(customer_service_pb2_grpc.CustomerServiceServicer):
    def __init__(self, app: CustomerApp) -> None:
        self._app = app

    async def GetCustomer(self, request: pb.GetCustomerRequest, context: Any) -> customer_pb2.Customer:
        return wire.customer(await profiles.get(self._app, UUID(request.id)), self._app.cipher)

    async def UpdateCustomer(self, request: pb.UpdateCustomerRequest, context: Any) -> customer_pb2.Customer:
        row = await profiles.update(self._app, UUID(request.id), _profile_change(request))
        return wire.customer(row, self._app.cipher)

    async def DeleteCustomer(self, request: pb.DeleteCustomerRequest, context: Any) -> Empty:
        await accounts.erase(self._app, UUID(request.id))
        return Empty()

    async def DeactivateCustomer(self, request: pb.DeactivateCustomerRequest, context: Any) -> customer_pb2.Customer:
        row = await accounts.set_active(self._app, UUID(request.id), is_active=False)
        return wire.customer(row, self._app.cipher)

    async def ActivateCustomer(self, request: pb.ActivateCustomerRequest, context: Any) -> customer_pb2.Customer:
        row = await accounts.set_active(self._app, UUID(request.id), is_active=True)
        return wire.customer(row, self._app.cipher)

    async def ListAddresses(self, request: pb.ListAddressesRequest, context: Any) -> pb.ListAddressesResponse:
        page = self._app.pages.open(request)
        rows = await addresses.list_addresses(self._app, UUID(request.id), page)
        return pb.ListAddressesResponse(
            addresses=[wire.address(row, self._app.cipher) for row in page.trim(rows)],
            next_page_token=page.next_token(rows, _place_in_list),
        )

    async def CreateAddress(self, request: pb.CreateAddressRequest, context: Any) -> address_pb2.Address:
        columns = {
            "type": wire.ADDRESS_TYPES.from_proto(request.type or address_pb2.AddressType.HOME),
            "label": wire.text(request.label, "label") or None,
            **wire.address_columns(request.address, self._app.cipher),
        }
        row = await addresses.create(self._app, UUID(request.id), columns, is_default=request.is_default)
        return wire.address(row, self._app.cipher)

    async def UpdateAddress(self, request: pb.UpdateAddressRequest, context: Any) -> address_pb2.Address:
        changes: dict[str, Any] = {}
        if request.HasField("type"):
            changes["type"] = wire.ADDRESS_TYPES.from_proto(request.type)
        if request.HasField("label"):
            changes["label"] = wire.text(request.label, "label") or None
        if request.HasField("address"):
            changes.update(wire.address_columns(request.address, self._app.cipher))
        if request.HasField("is_default"):
            changes["is_default"] = request.is_default
        etag = request.etag if request.HasField("etag") else None
        row = await addresses.update(self._app, UUID(request.id), UUID(request.address_id), changes, etag)
        return wire.address(row, self._app.cipher)

    async def DeleteAddress(self, request: pb.DeleteAddressRequest, context: Any) -> Empty:
        await addresses.delete(self._app, UUID(request.id), UUID(request.address_id))
        return Empty()

    async def GetPreferences(self, request: pb.GetPreferencesRequest, context: Any) -> preferences_pb2.Preferences:
        return wire.preferences(await likes.get_preferences(self._app, UUID(request.id)))

    async def UpdatePreferences(
        self, request: pb.UpdatePreferencesRequest, context: Any
    ) -> preferences_pb2.Preferences:
        row = await likes.update_preferences(self._app, UUID(request.id), _preference_changes(request))
        return wire.preferences(row)

    async def ListFavorites(self, request: pb.ListFavoritesRequest, context: Any) -> pb.ListFavoritesResponse:
        page = self._app.pages.open(request, default_size=_FAVORITES_PAGE)
        rows = await likes.list_favorites(self._app, UUID(request.id), page)
        return pb.ListFavoritesResponse(
            favorites=[wire.favorite(row) for row in page.trim(rows)],
            next_page_token=page.next_token(rows, _place_in_list),
        )

    async def PutFavorite(self, request: pb.PutFavoriteRequest, context: Any) -> favorite_pb2.Favorite:
        return wire.favorite(await likes.put_favorite(self._app, UUID(request.id), UUID(request.product_id)))

    async def DeleteFavorite(self, request: pb.DeleteFavoriteRequest, context: Any) -> Empty:
        await likes.delete_favorite(self._app, UUID(request.id), UUID(request.product_id))
        return Empty()

    async def GetOrderingCustomer(self, request: pb.GetOrderingCustomerRequest, context: Any) -> pb.OrderingCustomer:
        address_id = UUID(request.address_id) if request.HasField("address_id") else None
        row = await profiles.get_ordering(self._app, UUID(request.customer_id), address_id)
        return wire.ordering_customer(row, self._app.cipher, with_address=address_id is not None)

    async def BatchGetOrderingCustomer(
        self, request: pb.BatchGetOrderingCustomerRequest, context: Any
    ) -> pb.BatchGetOrderingCustomerResponse:
        answer = pb.BatchGetOrderingCustomerResponse()
        return await answer_each(self.GetOrderingCustomer, request.requests, context, answer)

    async def BatchGetContacts(self, request: pb.BatchGetContactsRequest, context: Any) -> pb.BatchGetContactsResponse:
        rows = await profiles.contacts(self._app, [UUID(id_) for id_ in request.customer_ids])
        return pb.BatchGetContactsResponse(contacts=[wire.contact(row, self._app.cipher) for row in rows])


def _place_in_list(row: Row) -> tuple[str, str]:
    return row.created_at.isoformat(), str(row.id)


def _profile_change(request: pb.UpdateCustomerRequest) -> ProfileChange:
    def given(name: str) -> str | None:
        return getattr(request, name) if request.HasField(name) else None  # type: ignore[arg-type]

    def text(name: str, json_name: str) -> str | None:
        value = given(name)
        return None if value is None else wire.text(value, json_name)

    phone, birth = given("phone"), given("date_of_birth")
    gender = None
    if request.HasField("gender"):
        gender = wire.GENDERS.from_proto(request.gender) if request.gender else ""
    return ProfileChange(
        etag=given("etag"),
        first_name=text("first_name", "firstName"),
        last_name=text("last_name", "lastName"),
        display_name=text("display_name", "displayName"),
        phone=None if phone is None else wire.phone(phone),
        date_of_birth=None if birth is None else wire.birth(birth),
        gender=gender,
        locale=given("locale"),
    )


def _preference_changes(request: pb.UpdatePreferencesRequest) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if request.HasField("preferred_spice_level"):
        changes["preferred_spice_level"] = wire.SPICE_LEVELS.from_proto(request.preferred_spice_level)
    if request.HasField("dietary_restrictions"):
        changes["dietary_restrictions"] = [wire.DIETS.from_proto(diet) for diet in request.dietary_restrictions.values]
    if request.HasField("favorite_categories"):
        names = [wire.text(name, "favoriteCategories.values") for name in request.favorite_categories.values]
        if len(set(names)) < len(names):
            raise InvalidArgument("favoriteCategories.values", "must be different")
        changes["favorite_categories"] = names
    if request.HasField("preferred_payment_method"):
        method = request.preferred_payment_method
        changes["preferred_payment_method"] = wire.PAYMENT_METHODS.from_proto(method) if method else None
    if request.HasField("preferred_delivery_time"):
        time = request.preferred_delivery_time
        changes["preferred_delivery_time"] = wire.DELIVERY_TIMES.from_proto(time) if time else None
    return changes
