"""The rpcs of the store service: request to command, one use case, row to response."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from google.protobuf.empty_pb2 import Empty
from jainshikanji.store.v1 import staff_service_pb2 as staff_pb
from jainshikanji.store.v1 import store_service_pb2 as pb
from jainshikanji.store.v1.delivery_zone_pb2 import DeliveryZone
from jainshikanji.store.v1.operating_hours_pb2 import OperatingHours
from jainshikanji.store.v1.staff_pb2 import StaffMember
from jainshikanji.store.v1.staff_service_pb2_grpc import StaffServiceServicer
from jainshikanji.store.v1.store_pb2 import NearbyStore, Store
from jainshikanji.store.v1.store_service_pb2_grpc import StoreServiceServicer

from chassis import current_call, current_caller
from chassis.timestamps import parse_date, timestamp_to_proto
from services.store import wire
from services.store.app import StoreApp
from services.store.rows import StaffRow, StoreRow, ZoneRow
from services.store.usecases import fulfilment, hours, staff, stores, zones

# Browsers and the edge may show a store this long; prices and opening are checked when an order is placed.
_CACHE_CONTROL = "public, max-age=30"
_DEFAULT_PAGE_SIZE = 50


def _by_name(row: StoreRow | ZoneRow | StaffRow) -> tuple[str, str]:
    return row.name, str(row.id)


class StoreServicer(StoreServiceServicer):
    """Stores, hours, zones, fulfilment."""

    def __init__(self, app: StoreApp) -> None:
        self._app = app

    async def ListStores(self, request: pb.ListStoresRequest, context: Any) -> pb.ListStoresResponse:
        page, command = self._app.pages.open(request, _DEFAULT_PAGE_SIZE), wire.list_stores_from_proto(request)
        rows = await stores.list_stores(self._app, current_caller(), command, page)
        return pb.ListStoresResponse(
            stores=map(wire.store_to_proto, page.trim(rows)), next_page_token=page.next_token(rows, _by_name)
        )

    async def ListNearbyStores(self, request: pb.ListNearbyStoresRequest, context: Any) -> pb.ListNearbyStoresResponse:
        command = wire.list_nearby_stores_from_proto(request)
        found = await fulfilment.list_nearby_stores(self._app, current_caller(), command)
        return pb.ListNearbyStoresResponse(
            stores=[
                NearbyStore(
                    store=wire.store_to_proto(near.store),
                    distance_metres=near.distance_metres,
                    is_open=near.is_open,
                    delivers=near.delivers,
                    estimated_delivery_at=timestamp_to_proto(near.estimated_delivery),
                )
                for near in found
            ]
        )

    async def GetStore(self, request: pb.GetStoreRequest, context: Any) -> Any:  # a serialized message
        message = await stores.get_serialized_store(self._app, current_caller(), UUID(request.id))
        current_call().set_header("cache-control", _CACHE_CONTROL)
        return message

    async def CreateStore(self, request: pb.CreateStoreRequest, context: Any) -> Store:
        new = wire.new_store_from_proto(request)
        return wire.store_to_proto(await stores.create_store(self._app, current_caller(), new))

    async def UpdateStore(self, request: pb.UpdateStoreRequest, context: Any) -> Store:
        command = wire.update_store_from_proto(request)
        return wire.store_to_proto(await stores.update_store(self._app, current_caller(), command))

    async def GetOperatingHours(self, request: pb.GetOperatingHoursRequest, context: Any) -> OperatingHours:
        found = await hours.get_operating_hours(self._app, current_caller(), UUID(request.id))
        return wire.operating_hours_to_proto(found)

    async def UpdateOperatingHours(self, request: pb.UpdateOperatingHoursRequest, context: Any) -> OperatingHours:
        command = wire.update_operating_hours_from_proto(request)
        return wire.operating_hours_to_proto(await hours.update_operating_hours(self._app, current_caller(), command))

    async def SetHoursException(self, request: pb.SetHoursExceptionRequest, context: Any) -> OperatingHours:
        command = wire.set_exception_from_proto(request)
        return wire.operating_hours_to_proto(await hours.set_exception(self._app, current_caller(), command))

    async def RemoveHoursException(self, request: pb.RemoveHoursExceptionRequest, context: Any) -> Empty:
        date = parse_date("date", request.date)
        await hours.delete_exception(self._app, current_caller(), UUID(request.id), date)
        return Empty()

    async def ListDeliveryZones(
        self, request: pb.ListDeliveryZonesRequest, context: Any
    ) -> pb.ListDeliveryZonesResponse:
        page = self._app.pages.open(request, _DEFAULT_PAGE_SIZE)
        rows = await zones.list_zones(self._app, current_caller(), UUID(request.id), page)
        return pb.ListDeliveryZonesResponse(
            delivery_zones=map(wire.zone_to_proto, page.trim(rows)),
            next_page_token=page.next_token(rows, _by_name),
        )

    async def CreateDeliveryZone(self, request: pb.CreateDeliveryZoneRequest, context: Any) -> DeliveryZone:
        new = wire.new_zone_from_proto(request)
        return wire.zone_to_proto(await zones.create_zone(self._app, current_caller(), new))

    async def UpdateDeliveryZone(self, request: pb.UpdateDeliveryZoneRequest, context: Any) -> DeliveryZone:
        command = wire.update_zone_from_proto(request)
        return wire.zone_to_proto(await zones.update_zone(self._app, current_caller(), command))

    async def DeleteDeliveryZone(self, request: pb.DeleteDeliveryZoneRequest, context: Any) -> Empty:
        await zones.delete_zone(self._app, current_caller(), UUID(request.id), UUID(request.zone_id))
        return Empty()

    async def QuoteFulfilment(self, request: pb.QuoteFulfilmentRequest, context: Any) -> pb.QuoteFulfilmentResponse:
        command = wire.quote_fulfilment_from_proto(request)
        row, terms = await fulfilment.quote_fulfilment(self._app, current_caller(), command)
        return wire.fulfilment_to_proto(row, terms)

    async def BatchGetStores(self, request: pb.BatchGetStoresRequest, context: Any) -> pb.BatchGetStoresResponse:
        rows = await stores.get_stores(self._app, current_caller(), [UUID(store_id) for store_id in request.ids])
        return pb.BatchGetStoresResponse(stores=map(wire.store_to_proto, rows))


class StaffServicer(StaffServiceServicer):
    """Staff of stores."""

    def __init__(self, app: StoreApp) -> None:
        self._app = app

    def _to_proto(self, row: StaffRow) -> StaffMember:
        email, phone = staff.decrypt_email(self._app, row), staff.decrypt_phone(self._app, row)
        return wire.staff_member_to_proto(row, email, phone)

    async def ListStaff(self, request: staff_pb.ListStaffRequest, context: Any) -> staff_pb.ListStaffResponse:
        page, command = self._app.pages.open(request, _DEFAULT_PAGE_SIZE), wire.list_staff_from_proto(request)
        rows = await staff.list_staff(self._app, current_caller(), command, page)
        return staff_pb.ListStaffResponse(
            staff=map(self._to_proto, page.trim(rows)), next_page_token=page.next_token(rows, _by_name)
        )

    async def GetStaffMember(self, request: staff_pb.GetStaffMemberRequest, context: Any) -> StaffMember:
        store_id, staff_id = UUID(request.id), UUID(request.staff_id)
        return self._to_proto(await staff.get_member(self._app, current_caller(), store_id, staff_id))

    async def AddStaffMember(self, request: staff_pb.AddStaffMemberRequest, context: Any) -> StaffMember:
        command = wire.add_staff_member_from_proto(request)
        return self._to_proto(await staff.add_member(self._app, current_caller(), command))

    async def UpdateStaffMember(self, request: staff_pb.UpdateStaffMemberRequest, context: Any) -> StaffMember:
        command = wire.update_staff_member_from_proto(request)
        return self._to_proto(await staff.update_member(self._app, current_caller(), command))

    async def RemoveStaffMember(self, request: staff_pb.RemoveStaffMemberRequest, context: Any) -> Empty:
        await staff.remove_member(self._app, current_caller(), UUID(request.id), UUID(request.staff_id))
        return Empty()
