"""The rpcs of the order service: request to command, one use case, result to response."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from google.api.httpbody_pb2 import HttpBody
from jainshikanji.order.v1 import order_service_pb2 as pb
from jainshikanji.order.v1.invoice_pb2 import Invoice
from jainshikanji.order.v1.order_pb2 import Order, TimelineEntry
from jainshikanji.order.v1.order_service_pb2_grpc import OrderServiceServicer
from jainshikanji.order.v1.quote_pb2 import Quote
from jainshikanji.order.v1.tracking_pb2 import CourierPosition

from chassis import current_call, current_caller
from chassis.rpc.idempotency import Claim
from chassis.rpc.pagination import Page
from services.order import usecases, wire
from services.order.app import OrderApp
from services.order.model.views import OrderView


class OrderServicer(OrderServiceServicer):
    """Quotes, orders, their history and tracking."""

    def __init__(self, app: OrderApp) -> None:
        self._app = app

    async def QuoteOrder(self, request: pb.QuoteOrderRequest, context: Any) -> Quote:
        caller = current_caller()
        cart = wire.requests.cart_from_proto(request, caller.account)
        return wire.orders.quote_to_proto(await usecases.quotes.quote_order(self._app, caller, cart))

    async def CreateOrder(self, request: pb.CreateOrderRequest, context: Any) -> Order:
        call = current_call()
        command = wire.requests.place_order_from_proto(request, call.caller.account, Claim.of(call))
        return wire.orders.order_to_proto(await usecases.placement.place_order(self._app, call.caller, command))

    async def GetOrder(self, request: pb.GetOrderRequest, context: Any) -> Order:
        view = await usecases.orders.get_order(self._app, current_caller(), UUID(request.id))
        return wire.orders.order_to_proto(view)

    async def ListOrders(self, request: pb.ListOrdersRequest, context: Any) -> pb.ListOrdersResponse:
        page, command = self._app.pages.open(request), wire.requests.list_orders_from_proto(request)
        return _list_response(page, await usecases.orders.list_orders(self._app, current_caller(), command, page))

    async def ListCustomerOrders(self, request: pb.ListCustomerOrdersRequest, context: Any) -> pb.ListOrdersResponse:
        page, status = self._app.pages.open(request), wire.requests.status_filter_from_proto(request.status)
        views = await usecases.orders.list_customer_orders(
            self._app, current_caller(), UUID(request.customer_id), status, page
        )
        return _list_response(page, views)

    async def ListStoreOrders(self, request: pb.ListStoreOrdersRequest, context: Any) -> pb.ListOrdersResponse:
        page, status = self._app.pages.open(request), wire.requests.status_filter_from_proto(request.status)
        views = await usecases.orders.list_store_orders(
            self._app, current_caller(), UUID(request.store_id), status, page
        )
        return _list_response(page, views)

    async def UpdateOrderStatus(self, request: pb.UpdateOrderStatusRequest, context: Any) -> Order:
        command = wire.requests.update_order_status_from_proto(request)
        view = await usecases.transitions.update_order_status(self._app, current_caller(), command)
        return wire.orders.order_to_proto(view)

    async def CancelOrder(self, request: pb.CancelOrderRequest, context: Any) -> Order:
        view = await usecases.transitions.cancel_order(self._app, current_caller(), UUID(request.id), request.reason)
        return wire.orders.order_to_proto(view)

    async def AddTimelineNote(self, request: pb.AddTimelineNoteRequest, context: Any) -> TimelineEntry:
        command = wire.requests.add_timeline_note_from_proto(request)
        entry = await usecases.timeline.add_timeline_note(self._app, current_caller(), command)
        return wire.orders.timeline_entry_to_proto(entry)

    async def GetTimeline(self, request: pb.GetTimelineRequest, context: Any) -> pb.Timeline:
        entries = await usecases.timeline.get_timeline(self._app, current_caller(), UUID(request.id))
        return pb.Timeline(entries=map(wire.orders.timeline_entry_to_proto, entries))

    async def GetTracking(self, request: pb.GetTrackingRequest, context: Any) -> pb.Tracking:
        tracking = await usecases.tracking.get_tracking(self._app, current_caller(), UUID(request.id))
        return wire.orders.tracking_to_proto(tracking)

    async def ReportPosition(self, request: pb.ReportPositionRequest, context: Any) -> CourierPosition:
        command = wire.requests.report_position_from_proto(request)
        position = await usecases.tracking.report_position(self._app, current_caller(), command)
        return wire.orders.position_to_proto(position)

    async def AssignOrder(self, request: pb.AssignOrderRequest, context: Any) -> Order:
        command = wire.requests.assign_order_from_proto(request)
        view = await usecases.assignments.assign_order(self._app, current_caller(), command)
        return wire.orders.order_to_proto(view)

    async def WatchOrder(self, request: pb.WatchOrderRequest, context: Any) -> AsyncIterator[HttpBody]:
        call = current_call()
        call.set_header("cache-control", "no-store")
        after_version = wire.requests.version_from_header(call.metadata.get("last-event-id", ""))
        events = usecases.streams.watch_order(self._app, call.caller, UUID(request.id), after_version)
        async for event in events:
            yield wire.streams.stream_event_to_proto(event)

    async def GetInvoice(self, request: pb.GetInvoiceRequest, context: Any) -> Invoice:
        view = await usecases.orders.get_invoice(self._app, current_caller(), UUID(request.id))
        return wire.orders.invoice_to_proto(view)

    async def BatchGetOrderStates(
        self, request: pb.BatchGetOrderStatesRequest, context: Any
    ) -> pb.BatchGetOrderStatesResponse:
        order_ids = [UUID(order_id) for order_id in request.order_ids]
        rows = await usecases.orders.list_order_states(self._app, current_caller(), order_ids)
        return pb.BatchGetOrderStatesResponse(states=map(wire.orders.order_state_to_proto, rows))


def _list_response(page: Page, views: list[OrderView]) -> pb.ListOrdersResponse:
    return pb.ListOrdersResponse(
        orders=map(wire.orders.order_to_proto, page.trim(views)),
        next_page_token=page.next_token(views, lambda view: (str(view.order.id),)),
    )
