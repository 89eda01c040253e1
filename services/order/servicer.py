"""OrderService: message in, one use case, message out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from google.api.httpbody_pb2 import HttpBody
from jainshikanji.order.v1 import invoice_pb2, order_pb2, quote_pb2, tracking_pb2
from jainshikanji.order.v1 import order_service_pb2 as pb
from jainshikanji.order.v1.order_service_pb2_grpc import OrderServiceServicer

from chassis import current_call
from services.order.app import OrderApp
from services.order.usecases import arranging, lifecycle, placing, quoting, reading, watching
from services.order.usecases.viewing import Viewer
from services.order.wire import carts
from services.order.wire.words import STATUS

Context = Any


class OrderServicer(OrderServiceServicer):
    def __init__(self, app: OrderApp) -> None:
        self._app = app

    async def QuoteOrder(self, request: pb.QuoteOrderRequest, context: Context) -> quote_pb2.Quote:
        return await quoting.quote(self._app, carts.cart(request, _viewer().account_id))

    async def CreateOrder(self, request: pb.CreateOrderRequest, context: Context) -> order_pb2.Order:
        call = current_call()
        return await placing.place(self._app, call, carts.cart(request, Viewer.of(call).account_id), request)

    async def GetOrder(self, request: pb.GetOrderRequest, context: Context) -> order_pb2.Order:
        return await reading.order(self._app, _viewer(), UUID(request.id))

    async def ListOrders(self, request: pb.ListOrdersRequest, context: Context) -> pb.ListOrdersResponse:
        return await reading.visible_orders(self._app, _viewer(), request)

    async def ListCustomerOrders(
        self, request: pb.ListCustomerOrdersRequest, context: Context
    ) -> pb.ListOrdersResponse:
        return await reading.customer_orders(self._app, _viewer(), request)

    async def ListStoreOrders(self, request: pb.ListStoreOrdersRequest, context: Context) -> pb.ListOrdersResponse:
        return await reading.store_orders(self._app, _viewer(), request)

    async def UpdateOrderStatus(self, request: pb.UpdateOrderStatusRequest, context: Context) -> order_pb2.Order:
        seen = request.version if request.HasField("version") else None
        target = STATUS.from_proto(request.status)
        return await lifecycle.set_status(self._app, _viewer(), UUID(request.id), target, request.note, seen)

    async def CancelOrder(self, request: pb.CancelOrderRequest, context: Context) -> order_pb2.Order:
        return await lifecycle.cancel(self._app, _viewer(), UUID(request.id), request.reason)

    async def AddTimelineNote(self, request: pb.AddTimelineNoteRequest, context: Context) -> order_pb2.TimelineEntry:
        return await arranging.add_note(
            self._app, _viewer(), UUID(request.id), request.note, request.visible_to_customer
        )

    async def GetTimeline(self, request: pb.GetTimelineRequest, context: Context) -> pb.Timeline:
        return await arranging.timeline(self._app, _viewer(), UUID(request.id))

    async def GetTracking(self, request: pb.GetTrackingRequest, context: Context) -> pb.Tracking:
        return await arranging.tracking(self._app, _viewer(), UUID(request.id))

    async def ReportPosition(self, request: pb.ReportPositionRequest, context: Context) -> tracking_pb2.CourierPosition:
        return await arranging.report_position(
            self._app, _viewer(), UUID(request.id), request.location, request.message
        )

    async def AssignOrder(self, request: pb.AssignOrderRequest, context: Context) -> order_pb2.Order:
        return await arranging.assign(
            self._app,
            _viewer(),
            UUID(request.id),
            UUID(request.assigned_staff_id) if request.assigned_staff_id else None,
            UUID(request.delivery_person_id) if request.delivery_person_id else None,
        )

    async def WatchOrder(self, request: pb.WatchOrderRequest, context: Context) -> AsyncIterator[HttpBody]:
        call = current_call()
        call.set_header("cache-control", "no-store")
        seen = watching.last_seen(call.metadata.get("last-event-id", ""))
        async for chunk in watching.watch(self._app, Viewer.of(call), UUID(request.id), seen):
            yield chunk

    async def GetInvoice(self, request: pb.GetInvoiceRequest, context: Context) -> invoice_pb2.Invoice:
        return await reading.invoice(self._app, _viewer(), UUID(request.id))

    async def BatchGetOrderStates(
        self, request: pb.BatchGetOrderStatesRequest, context: Context
    ) -> pb.BatchGetOrderStatesResponse:
        return await reading.order_states(self._app, [UUID(order_id) for order_id in request.order_ids])


def _viewer() -> Viewer:
    return Viewer.of(current_call())
