"""PaymentService: messages in, one use case, messages out."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.empty_pb2 import Empty
from jainshikanji.payment.v1 import payment_pb2
from jainshikanji.payment.v1 import payment_service_pb2 as pb
from jainshikanji.payment.v1.payment_service_pb2_grpc import PaymentServiceServicer

from chassis import current_call
from chassis.batching import Batcher
from chassis.clock import now
from chassis.database import Row
from chassis.money import money_from_proto, money_to_proto
from chassis.rpc.batch_calls import answer_each
from chassis.timestamps import optional_datetime_from_proto
from services.payment import wire
from services.payment.app import PaymentApp
from services.payment.model import COMPLETED
from services.payment.usecases import methods, notices, payments, refunds

# What is kept of a caller's time for the database and the way back.
ANSWERING_SECONDS = 0.3


class PaymentServicer(PaymentServiceServicer):
    def __init__(self, app: PaymentApp) -> None:
        self._app = app
        self._writes: Batcher[payments.Opening, Row] = Batcher(partial(payments.write_all, app))

    def _shown(self, row: Row, client_secret: str = "") -> payment_pb2.Payment:
        gateway = self._app.accounts.named(row.provider)
        return wire.payment(row, gateway.public_key if gateway is not None else "", client_secret)

    async def InitiatePayment(self, request: pb.InitiatePaymentRequest, context: Any) -> payment_pb2.Payment:
        method = wire.METHODS.from_proto(request.method) if request.method else None
        row, secret = await payments.initiate(self._app, current_call(), request, UUID(request.order_id), method)
        return self._shown(row, secret)

    async def VerifyPayment(self, request: pb.VerifyPaymentRequest, context: Any) -> payment_pb2.Payment:
        row = await payments.verify(
            self._app,
            current_call(),
            UUID(request.payment_id),
            request.provider_order_id,
            request.provider_payment_id,
            request.signature,
        )
        return self._shown(row)

    async def ReceiveWebhook(self, request: HttpBody, context: Any) -> Empty:
        await notices.receive(self._app, current_call().metadata, request.data)
        return Empty()

    async def GetPayment(self, request: pb.GetPaymentRequest, context: Any) -> payment_pb2.Payment:
        return self._shown(await payments.find(self._app, current_call(), UUID(request.id)))

    async def GetOrderPayment(self, request: pb.GetOrderPaymentRequest, context: Any) -> payment_pb2.Payment:
        return self._shown(await payments.find_of_order(self._app, current_call(), UUID(request.order_id)))

    async def RefundPayment(self, request: pb.RefundPaymentRequest, context: Any) -> payment_pb2.Refund:
        amount = request.amount if request.HasField("amount") else None
        row = await refunds.ask_refund(self._app, current_call(), request, UUID(request.id), amount, request.reason)
        return wire.refund(row)

    async def ListRefunds(self, request: pb.ListRefundsRequest, context: Any) -> pb.ListRefundsResponse:
        page = self._app.pages.open(request)
        rows = await refunds.list_refunds(self._app, current_call(), UUID(request.id), page)
        token = page.next_token(rows, lambda row: (row.initiated_at.isoformat(), str(row.id)))
        return pb.ListRefundsResponse(refunds=map(wire.refund, page.trim(rows)), next_page_token=token)

    async def ListSavedPaymentMethods(
        self, request: pb.ListSavedPaymentMethodsRequest, context: Any
    ) -> pb.ListSavedPaymentMethodsResponse:
        rows = await methods.list_saved(self._app, UUID(request.customer_id))
        return pb.ListSavedPaymentMethodsResponse(payment_methods=map(wire.saved_method, rows))

    async def DeleteSavedPaymentMethod(self, request: pb.DeleteSavedPaymentMethodRequest, context: Any) -> Empty:
        await methods.forget(self._app, current_call().account, UUID(request.id))
        return Empty()

    async def StartPayment(self, request: pb.StartPaymentRequest, context: Any) -> payment_pb2.Payment:
        expires_at = optional_datetime_from_proto(request, "expires_at")
        new = payments.NewPayment(
            id=UUID(request.payment_id),
            order_id=UUID(request.order_id),
            customer_id=UUID(request.customer_id),
            store_id=UUID(request.store_id),
            order_number=request.order_number,
            amount=money_from_proto(request.amount),
            currency=request.amount.currency_code,
            method=wire.METHODS.from_proto(request.method),
            expires_at=expires_at,
        )
        patience = self._patience(current_call().deadline)
        return self._shown(await self._app.run_shielded(payments.start(self._app, self._writes, new, patience)))

    async def BatchStartPayment(
        self, request: pb.BatchStartPaymentRequest, context: Any
    ) -> pb.BatchStartPaymentResponse:
        return await answer_each(self.StartPayment, request.requests, context, pb.BatchStartPaymentResponse())

    def _patience(self, deadline: float | None) -> float:
        """Seconds that the gateway may take, so that the caller still gets an answer within its deadline."""
        patience: float = self._app.settings.gateway_seconds
        if deadline is None:
            return patience
        return max(0.0, min(patience, deadline - now().timestamp() - ANSWERING_SECONDS))

    async def ReconcileOrderPayment(
        self, request: pb.ReconcileOrderPaymentRequest, context: Any
    ) -> pb.ReconcileOrderPaymentResponse:
        row = await payments.reconcile(self._app, UUID(request.order_id))
        return pb.ReconcileOrderPaymentResponse(
            captured=row.status == COMPLETED,
            captured_amount=money_to_proto(row.captured_amount, row.currency),
            status=wire.STATUSES.to_proto(row.status),
            payment_id=str(row.id),
        )
