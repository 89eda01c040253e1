"""The rpcs of the store service: message in, one use case, message out."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from google.protobuf.empty_pb2 import Empty
from jainshikanji.store.v1 import staff_service_pb2 as staff_messages
from jainshikanji.store.v1 import store_service_pb2 as store_messages
from jainshikanji.store.v1.delivery_zone_pb2 import DeliveryZone
from jainshikanji.store.v1.operating_hours_pb2 import OperatingHours
from jainshikanji.store.v1.staff_pb2 import StaffMember
from jainshikanji.store.v1.staff_service_pb2_grpc import StaffServiceServicer
from jainshikanji.store.v1.store_pb2 import NearbyStore, Store
from jainshikanji.store.v1.store_service_pb2_grpc import StoreServiceServicer

from chassis import current_call
from chassis.database import Row
from chassis.rpc.batch_calls import answer_each
from chassis.timestamps import optional_datetime_from_proto, parse_date, parse_optional_date, timestamp_to_proto
from services.store import wire
from services.store.app import StoreApp
from services.store.model.places import Position
from services.store.usecases import fulfilment, hours, staff, stores, zones

# Browsers and the edge may show a store this long; nothing is charged or refused by what they show.
_CACHE_CONTROL = "public, max-age=30"
_DEFAULT_PAGE = 50


def _by_name(row: Row) -> tuple[str, str]:
    return row.name, str(row.id)


class StoreServicer(StoreServiceServicer):
    """Stores, hours, zones, fulfilment."""

    def __init__(self, app: StoreApp) -> None:
        self._app = app

    async def ListStores(
        self, request: store_messages.ListStoresRequest, context: Any
    ) -> store_messages.ListStoresResponse:
        page = self._app.pages.open(request, _DEFAULT_PAGE)
        rows = await stores.list_stores(
            self._app,
            current_call().caller,
            page,
            slug=request.slug,
            city=request.city,
            include_inactive=request.include_inactive,
        )
        return store_messages.ListStoresResponse(
            stores=[wire.store_message(row) for row in page.trim(rows)],
            next_page_token=page.next_token(rows, _by_name),
        )

    async def ListNearbyStores(
        self, request: store_messages.ListNearbyStoresRequest, context: Any
    ) -> store_messages.ListNearbyStoresResponse:
        found = await fulfilment.nearby_stores(
            self._app,
            Position(request.latitude, request.longitude),
            postal_code=request.postal_code,
            within_metres=request.within_metres,
            open_now=request.open_now,
            deliver_by=optional_datetime_from_proto(request, "deliver_by"),
            limit=request.max_results,
        )
        return store_messages.ListNearbyStoresResponse(
            stores=[
                NearbyStore(
                    store=wire.store_message(near.store),
                    distance_metres=near.distance_metres,
                    is_open=near.is_open,
                    delivers=near.delivers,
                    estimated_delivery_at=timestamp_to_proto(near.estimate),
                )
                for near in found
            ]
        )

    async def GetStore(self, request: store_messages.GetStoreRequest, context: Any) -> Any:  # serialized already
        message = await stores.store_bytes(self._app, UUID(request.id))
        current_call().set_header("cache-control", _CACHE_CONTROL)
        return message

    async def CreateStore(self, request: store_messages.CreateStoreRequest, context: Any) -> Store:
        return wire.store_message(await stores.create_store(self._app, wire.new_store_columns(request)))

    async def UpdateStore(self, request: store_messages.UpdateStoreRequest, context: Any) -> Store:
        row = await stores.update_store(
            self._app,
            current_call().caller,
            UUID(request.id),
            wire.store_columns(request),
            wire.known_version(request.etag),
        )
        return wire.store_message(row)

    async def GetOperatingHours(self, request: store_messages.GetOperatingHoursRequest, context: Any) -> OperatingHours:
        return await hours.get_operating_hours(self._app, UUID(request.id))

    async def UpdateOperatingHours(
        self, request: store_messages.UpdateOperatingHoursRequest, context: Any
    ) -> OperatingHours:
        week, version = wire.week(request.days), wire.known_version(request.etag)
        return await hours.set_week(self._app, UUID(request.id), week, version)

    async def SetHoursException(self, request: store_messages.SetHoursExceptionRequest, context: Any) -> OperatingHours:
        return await hours.set_exception(
            self._app,
            UUID(request.id),
            parse_date("date", request.date),
            wire.intervals(request.intervals),
            request.reason.strip(),
        )

    async def RemoveHoursException(self, request: store_messages.RemoveHoursExceptionRequest, context: Any) -> Empty:
        await hours.remove_exception(self._app, UUID(request.id), parse_date("date", request.date))
        return Empty()

    async def ListDeliveryZones(
        self, request: store_messages.ListDeliveryZonesRequest, context: Any
    ) -> store_messages.ListDeliveryZonesResponse:
        page = self._app.pages.open(request, _DEFAULT_PAGE)
        rows = await zones.list_zones(self._app, UUID(request.id), page)
        return store_messages.ListDeliveryZonesResponse(
            delivery_zones=[wire.zone_message(row) for row in page.trim(rows)],
            next_page_token=page.next_token(rows, _by_name),
        )

    async def CreateDeliveryZone(self, request: store_messages.CreateDeliveryZoneRequest, context: Any) -> DeliveryZone:
        return wire.zone_message(await zones.create_zone(self._app, UUID(request.id), wire.zone_columns(request)))

    async def UpdateDeliveryZone(self, request: store_messages.UpdateDeliveryZoneRequest, context: Any) -> DeliveryZone:
        row = await zones.update_zone(self._app, UUID(request.id), UUID(request.zone_id), wire.zone_columns(request))
        return wire.zone_message(row)

    async def DeleteDeliveryZone(self, request: store_messages.DeleteDeliveryZoneRequest, context: Any) -> Empty:
        await zones.delete_zone(self._app, UUID(request.id), UUID(request.zone_id))
        return Empty()

    async def QuoteFulfilment(
        self, request: store_messages.QuoteFulfilmentRequest, context: Any
    ) -> store_messages.QuoteFulfilmentResponse:
        scheduled = optional_datetime_from_proto(request, "scheduled_delivery_at")
        row, answer = await fulfilment.quote_fulfilment(
            self._app,
            UUID(request.store_id),
            fulfilment=wire.FULFILMENTS.from_proto(request.fulfilment_type),
            postal_code=request.postal_code,
            place=wire.position(request.location) if request.HasField("location") else None,
            scheduled=scheduled,
        )
        return wire.fulfilment_message(row, answer)

    async def BatchQuoteFulfilment(
        self, request: store_messages.BatchQuoteFulfilmentRequest, context: Any
    ) -> store_messages.BatchQuoteFulfilmentResponse:
        answer = store_messages.BatchQuoteFulfilmentResponse()
        return await answer_each(self.QuoteFulfilment, request.requests, context, answer)

    async def BatchGetStores(
        self, request: store_messages.BatchGetStoresRequest, context: Any
    ) -> store_messages.BatchGetStoresResponse:
        rows = await stores.batch_get_stores(self._app, [UUID(store_id) for store_id in request.ids])
        return store_messages.BatchGetStoresResponse(stores=[wire.store_message(row) for row in rows])


class StaffServicer(StaffServiceServicer):
    """Staff of stores."""

    def __init__(self, app: StoreApp) -> None:
        self._app = app

    def _message(self, row: Row) -> StaffMember:
        return wire.staff_message(row, staff.open_email(self._app, row), staff.open_phone(self._app, row))

    async def ListStaff(
        self, request: staff_messages.ListStaffRequest, context: Any
    ) -> staff_messages.ListStaffResponse:
        page = self._app.pages.open(request, _DEFAULT_PAGE)
        rows = await staff.list_staff(
            self._app,
            UUID(request.id),
            page,
            job=wire.JOBS.from_proto(request.job) if request.job else None,
            include_inactive=request.include_inactive,
        )
        return staff_messages.ListStaffResponse(
            staff=[self._message(row) for row in page.trim(rows)], next_page_token=page.next_token(rows, _by_name)
        )

    async def GetStaffMember(self, request: staff_messages.GetStaffMemberRequest, context: Any) -> StaffMember:
        return self._message(await staff.get_member(self._app, UUID(request.id), UUID(request.staff_id)))

    async def AddStaffMember(self, request: staff_messages.AddStaffMemberRequest, context: Any) -> StaffMember:
        row = await staff.add_member(
            self._app,
            UUID(request.id),
            name=wire.required_text("name", request.name),
            email=request.email,
            phone=request.phone,
            job=wire.JOBS.from_proto(request.job),
            hire_date=parse_optional_date("hireDate", request.hire_date),
        )
        return self._message(row)

    async def UpdateStaffMember(self, request: staff_messages.UpdateStaffMemberRequest, context: Any) -> StaffMember:
        row = await staff.update_member(
            self._app,
            UUID(request.id),
            UUID(request.staff_id),
            wire.staff_changes(request),
            wire.known_version(request.etag),
        )
        return self._message(row)

    async def RemoveStaffMember(self, request: staff_messages.RemoveStaffMemberRequest, context: Any) -> Empty:
        await staff.remove_member(self._app, UUID(request.id), UUID(request.staff_id))
        return Empty()
