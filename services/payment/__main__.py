"""Composition root: `python -m services.payment`."""

from chassis import Loop, Service
from services.identity import IDENTITY
from services.payment.app import PaymentApp
from services.payment.events import HANDLERS
from services.payment.model import Base
from services.payment.servicer import PaymentServicer
from services.payment.usecases.orders import check_due_orders
from services.payment.usecases.reconciliation import check_due_payments
from services.payment.usecases.refund_execution import execute_due_refunds

SERVICE = Service(
    "payment",
    identity=IDENTITY,
    app=PaymentApp,
    servicers=[PaymentServicer],
    handlers=HANDLERS,
    loops=[
        Loop("execute-refunds", every=2.0, run=execute_due_refunds, wake=lambda app: app.refunds_due),
        Loop("check-payments", every=5.0, run=check_due_payments, wake=lambda app: app.checks_due),
        Loop("check-orders", every=15.0, run=check_due_orders),
    ],
    tables=Base.metadata,
)

if __name__ == "__main__":
    SERVICE.run()
