"""The rpcs of the payment service: request to command, one use case, row to response."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.empty_pb2 import Empty
from jainshikanji.payment.v1 import payment_service_pb2 as pb
from jainshikanji.payment.v1.payment_pb2 import Payment, Refund
from jainshikanji.payment.v1.payment_service_pb2_grpc import PaymentServiceServicer

from chassis import current_call, current_caller
from chassis.batching import Batcher
from chassis.clock import now
from chassis.rpc.idempotency import Claim
from services.payment import wire
from services.payment.app import PaymentApp
from services.payment.rows import NewPayment, PaymentRow
from services.payment.usecases import payments, reconciliation, refunds, saved_methods, webhooks

# The part of a caller's deadline that is reserved for the database and the response.
_RESERVED_SECONDS = 0.3


class PaymentServicer(PaymentServiceServicer):
    """Payments, their gateways, refunds and saved payment methods."""

    def __init__(self, app: PaymentApp) -> None:
        self._app = app
        self._inserts: Batcher[NewPayment, PaymentRow] = Batcher(partial(payments.insert_payments, app))

    async def InitiatePayment(self, request: pb.InitiatePaymentRequest, context: Any) -> Payment:
        command, claim = wire.initiate_payment_from_proto(request), Claim.of(current_call())
        checkout = await payments.initiate_payment(self._app, current_caller(), command, claim)
        return self._to_proto(checkout.payment, checkout.client_secret)

    async def VerifyPayment(self, request: pb.VerifyPaymentRequest, context: Any) -> Payment:
        command = wire.verify_payment_from_proto(request)
        return self._to_proto(await reconciliation.verify_payment(self._app, current_caller(), command))

    async def ReceiveWebhook(self, request: HttpBody, context: Any) -> Empty:
        command = wire.receive_webhook_from_proto(request, current_call().metadata)
        await webhooks.receive_webhook(self._app, current_caller(), command)
        return Empty()

    async def GetPayment(self, request: pb.GetPaymentRequest, context: Any) -> Payment:
        return self._to_proto(await payments.get_payment(self._app, current_caller(), UUID(request.id)))

    async def GetOrderPayment(self, request: pb.GetOrderPaymentRequest, context: Any) -> Payment:
        return self._to_proto(await payments.get_order_payment(self._app, current_caller(), UUID(request.order_id)))

    async def RefundPayment(self, request: pb.RefundPaymentRequest, context: Any) -> Refund:
        command, claim = wire.refund_payment_from_proto(request), Claim.of(current_call())
        return wire.refund_to_proto(await refunds.refund_payment(self._app, current_caller(), command, claim))

    async def ListRefunds(self, request: pb.ListRefundsRequest, context: Any) -> pb.ListRefundsResponse:
        page = self._app.pages.open(request)
        rows = await refunds.list_refunds(self._app, current_caller(), UUID(request.id), page)
        return pb.ListRefundsResponse(
            refunds=map(wire.refund_to_proto, page.trim(rows)),
            next_page_token=page.next_token(rows, lambda row: (row.initiated_at.isoformat(), str(row.id))),
        )

    async def ListSavedPaymentMethods(
        self, request: pb.ListSavedPaymentMethodsRequest, context: Any
    ) -> pb.ListSavedPaymentMethodsResponse:
        rows = await saved_methods.list_saved_methods(self._app, current_caller(), UUID(request.customer_id))
        return pb.ListSavedPaymentMethodsResponse(payment_methods=map(wire.saved_method_to_proto, rows))

    async def DeleteSavedPaymentMethod(self, request: pb.DeleteSavedPaymentMethodRequest, context: Any) -> Empty:
        await saved_methods.delete_saved_method(self._app, current_caller(), UUID(request.id))
        return Empty()

    async def StartPayment(self, request: pb.StartPaymentRequest, context: Any) -> Payment:
        command = wire.start_payment_from_proto(request)
        timeout_seconds = self._gateway_timeout(current_call().deadline)
        work = payments.start_payment(self._app, current_caller(), command, self._inserts, timeout_seconds)
        return self._to_proto(await self._app.run_shielded(work))

    async def ReconcileOrderPayment(
        self, request: pb.ReconcileOrderPaymentRequest, context: Any
    ) -> pb.ReconcileOrderPaymentResponse:
        row = await reconciliation.reconcile_order_payment(self._app, current_caller(), UUID(request.order_id))
        return wire.reconciliation_to_proto(row)

    def _gateway_timeout(self, deadline: float | None) -> float:
        """Seconds for the gateway, so that the response reaches the caller within its deadline."""
        seconds: float = self._app.settings.gateway_seconds
        if deadline is None:
            return seconds
        return max(0.0, min(seconds, deadline - now().timestamp() - _RESERVED_SECONDS))

    def _to_proto(self, row: PaymentRow, client_secret: str = "") -> Payment:
        gateway = self._app.gateways.find(row.provider)
        return wire.payment_to_proto(row, gateway.public_key if gateway is not None else "", client_secret)
