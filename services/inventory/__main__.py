"""Composition root: `python -m services.inventory`."""

from __future__ import annotations

from chassis import Loop, Service
from services.identity import IDENTITY
from services.inventory.app import InventoryApp
from services.inventory.events import HANDLERS, LISTENERS
from services.inventory.model.tables import Base
from services.inventory.servicer import ProductServicer, PurchasingServicer, StockServicer
from services.inventory.usecases.reservations import purge_reservations, recover_reservations

SERVICE = Service(
    "inventory",
    identity=IDENTITY,
    app=InventoryApp,
    servicers=[ProductServicer, StockServicer, PurchasingServicer],
    handlers=HANDLERS,
    listeners=LISTENERS,
    loops=[
        Loop("recover-reservations", every=60.0, run=recover_reservations),
        Loop("purge-reservations", every=3600.0, run=purge_reservations),
    ],
    tables=Base.metadata,
)

if __name__ == "__main__":
    SERVICE.run()
