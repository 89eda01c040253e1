"""The customer service: `python -m services.customer`."""

from chassis import Loop, Service
from services.customer.app import CustomerApp
from services.customer.cli import bootstrap_admin
from services.customer.events import HANDLERS
from services.customer.model import Base
from services.customer.servicer.auth import AuthServicer
from services.customer.servicer.customers import CustomerServicer
from services.customer.usecases import codes, sessions
from services.identity import IDENTITY

SERVICE = Service(
    "customer",
    identity=IDENTITY,
    app=CustomerApp,
    servicers=[AuthServicer, CustomerServicer],
    handlers=HANDLERS,
    loops=[
        Loop("hand-over-codes", every=1.0, run=codes.hand_over, wake=lambda app: app.codes_wait),
        Loop("rotate-signing-keys", every=600.0, run=lambda app: app.keyring.rotate()),
        Loop("forget-old-sessions", every=3600.0, run=sessions.forget_old),
    ],
    commands={"bootstrap-admin": bootstrap_admin},
    tables=Base.metadata,
)

if __name__ == "__main__":
    SERVICE.run()
