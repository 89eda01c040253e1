"""Composition root: `python -m services.order`."""

from __future__ import annotations

from chassis import Loop, Service
from services.identity import IDENTITY
from services.order.app import OrderApp
from services.order.events import HANDLERS, LISTENERS
from services.order.model.tables import Base
from services.order.servicer import OrderServicer
from services.order.usecases.partitions import create_partitions
from services.order.usecases.recovery import cancel_unpaid_orders, recover_sagas

SIX_HOURS = 6 * 3600.0

SERVICE = Service(
    "order",
    identity=IDENTITY,
    app=OrderApp,
    servicers=[OrderServicer],
    handlers=HANDLERS,
    listeners=LISTENERS,
    loops=[
        Loop("recover-sagas", every=5.0, run=recover_sagas),
        Loop("cancel-unpaid-orders", every=10.0, run=cancel_unpaid_orders),
        Loop("create-partitions", every=SIX_HOURS, run=create_partitions),
    ],
    tables=Base.metadata,
)

if __name__ == "__main__":
    SERVICE.run()
