"""The rpcs of CustomerService: profiles, addresses, preferences, favorites, and contact data for other services."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from google.protobuf.empty_pb2 import Empty
from jainshikanji.customer.v1 import customer_service_pb2 as pb
from jainshikanji.customer.v1.address_pb2 import Address
from jainshikanji.customer.v1.customer_pb2 import Customer
from jainshikanji.customer.v1.customer_service_pb2_grpc import CustomerServiceServicer
from jainshikanji.customer.v1.favorite_pb2 import Favorite
from jainshikanji.customer.v1.preferences_pb2 import Preferences

from chassis import current_caller
from services.customer import wire
from services.customer.app import CustomerApp
from services.customer.rows import AddressRow, FavoriteRow
from services.customer.usecases import accounts, addresses, favorites, preferences, profiles

_FAVORITES_PAGE = 50


class CustomerServicer(CustomerServiceServicer):
    """Customers and what belongs to them."""

    def __init__(self, app: CustomerApp) -> None:
        self._app = app

    async def GetCustomer(self, request: pb.GetCustomerRequest, context: Any) -> Customer:
        row = await profiles.get_profile(self._app, current_caller(), UUID(request.id))
        return wire.customer_to_proto(row, self._app.cipher)

    async def UpdateCustomer(self, request: pb.UpdateCustomerRequest, context: Any) -> Customer:
        command = wire.update_profile_from_proto(request)
        row = await profiles.update_profile(self._app, current_caller(), command)
        return wire.customer_to_proto(row, self._app.cipher)

    async def DeleteCustomer(self, request: pb.DeleteCustomerRequest, context: Any) -> Empty:
        await accounts.erase_account(self._app, current_caller(), UUID(request.id))
        return Empty()

    async def DeactivateCustomer(self, request: pb.DeactivateCustomerRequest, context: Any) -> Customer:
        row = await accounts.set_account_active(self._app, current_caller(), UUID(request.id), is_active=False)
        return wire.customer_to_proto(row, self._app.cipher)

    async def ActivateCustomer(self, request: pb.ActivateCustomerRequest, context: Any) -> Customer:
        row = await accounts.set_account_active(self._app, current_caller(), UUID(request.id), is_active=True)
        return wire.customer_to_proto(row, self._app.cipher)

    async def ListAddresses(self, request: pb.ListAddressesRequest, context: Any) -> pb.ListAddressesResponse:
        page = self._app.pages.open(request)
        rows = await addresses.list_addresses(self._app, current_caller(), UUID(request.id), page)
        return pb.ListAddressesResponse(
            addresses=[wire.address_to_proto(row, self._app.cipher) for row in page.trim(rows)],
            next_page_token=page.next_token(rows, _page_key),
        )

    async def CreateAddress(self, request: pb.CreateAddressRequest, context: Any) -> Address:
        command = wire.create_address_from_proto(request)
        row = await addresses.create_address(self._app, current_caller(), command)
        return wire.address_to_proto(row, self._app.cipher)

    async def UpdateAddress(self, request: pb.UpdateAddressRequest, context: Any) -> Address:
        command = wire.update_address_from_proto(request)
        row = await addresses.update_address(self._app, current_caller(), command)
        return wire.address_to_proto(row, self._app.cipher)

    async def DeleteAddress(self, request: pb.DeleteAddressRequest, context: Any) -> Empty:
        customer_id, address_id = UUID(request.id), UUID(request.address_id)
        await addresses.delete_address(self._app, current_caller(), customer_id, address_id)
        return Empty()

    async def GetPreferences(self, request: pb.GetPreferencesRequest, context: Any) -> Preferences:
        row = await preferences.get_preferences(self._app, current_caller(), UUID(request.id))
        return wire.preferences_to_proto(row)

    async def UpdatePreferences(self, request: pb.UpdatePreferencesRequest, context: Any) -> Preferences:
        command = wire.update_preferences_from_proto(request)
        row = await preferences.update_preferences(self._app, current_caller(), command)
        return wire.preferences_to_proto(row)

    async def ListFavorites(self, request: pb.ListFavoritesRequest, context: Any) -> pb.ListFavoritesResponse:
        page = self._app.pages.open(request, default_size=_FAVORITES_PAGE)
        rows = await favorites.list_favorites(self._app, current_caller(), UUID(request.id), page)
        return pb.ListFavoritesResponse(
            favorites=map(wire.favorite_to_proto, page.trim(rows)), next_page_token=page.next_token(rows, _page_key)
        )

    async def PutFavorite(self, request: pb.PutFavoriteRequest, context: Any) -> Favorite:
        customer_id, product_id = UUID(request.id), UUID(request.product_id)
        row = await favorites.put_favorite(self._app, current_caller(), customer_id, product_id)
        return wire.favorite_to_proto(row)

    async def DeleteFavorite(self, request: pb.DeleteFavoriteRequest, context: Any) -> Empty:
        customer_id, product_id = UUID(request.id), UUID(request.product_id)
        await favorites.delete_favorite(self._app, current_caller(), customer_id, product_id)
        return Empty()

    async def GetOrderingCustomer(self, request: pb.GetOrderingCustomerRequest, context: Any) -> pb.OrderingCustomer:
        address_id = UUID(request.address_id) if request.HasField("address_id") else None
        row = await profiles.get_ordering_customer(self._app, current_caller(), UUID(request.customer_id), address_id)
        return wire.ordering_customer_to_proto(row, self._app.cipher)

    async def BatchGetContacts(self, request: pb.BatchGetContactsRequest, context: Any) -> pb.BatchGetContactsResponse:
        customer_ids = [UUID(customer_id) for customer_id in request.customer_ids]
        rows = await profiles.list_contacts(self._app, current_caller(), customer_ids)
        return pb.BatchGetContactsResponse(contacts=[wire.contact_to_proto(row, self._app.cipher) for row in rows])


def _page_key(row: AddressRow | FavoriteRow) -> tuple[str, str]:
    return row.created_at.isoformat(), str(row.id)
