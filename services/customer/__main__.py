"""Composition root: `python -m services.customer`."""

from __future__ import annotations

from chassis import Loop, Service
from services.customer.app import CustomerApp
from services.customer.cli import bootstrap_admin
from services.customer.events import HANDLERS
from services.customer.model.tables import Base
from services.customer.servicer.auth import AuthServicer
from services.customer.servicer.customers import CustomerServicer
from services.customer.usecases.codes import deliver_codes
from services.customer.usecases.sessions import purge_sessions
from services.identity import IDENTITY

SERVICE = Service(
    "customer",
    identity=IDENTITY,
    app=CustomerApp,
    servicers=[AuthServicer, CustomerServicer],
    handlers=HANDLERS,
    loops=[
        Loop("deliver-codes", every=1.0, run=deliver_codes, wake=lambda app: app.codes_waiting),
        Loop("rotate-signing-keys", every=600.0, run=lambda app: app.keyring.rotate()),
        Loop("purge-sessions", every=3600.0, run=purge_sessions),
    ],
    commands={"bootstrap-admin": bootstrap_admin},
    tables=Base.metadata,
)

if __name__ == "__main__":
    SERVICE.run()
