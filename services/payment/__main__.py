"""Payment's composition root: `python -m services.payment`."""

from chassis import Loop, Service
from services.identity import IDENTITY
from services.payment.app import PaymentApp
from services.payment.events import HANDLERS
from services.payment.model import Base
from services.payment.servicer import PaymentServicer
from services.payment.usecases.orders import check_orders
from services.payment.usecases.payments import check_payments
from services.payment.usecases.refunds import carry_out_due

SERVICE = Service(
    "payment",
    identity=IDENTITY,
    app=PaymentApp,
    servicers=[PaymentServicer],
    handlers=HANDLERS,
    loops=[
        Loop("carry-out-refunds", every=2.0, run=carry_out_due, wake=lambda app: app.refunds_due),
        Loop("check-payments", every=5.0, run=check_payments, wake=lambda app: app.checks_due),
        Loop("check-orders", every=15.0, run=check_orders),
    ],
    tables=Base.metadata,
)

if __name__ == "__main__":
    SERVICE.run()
