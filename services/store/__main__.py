"""Composition root: `python -m services.store`."""

from chassis import Loop, Service
from services.identity import IDENTITY
from services.store.app import StoreApp
from services.store.events import HANDLERS, LISTENERS
from services.store.model.tables import Base
from services.store.servicer import StaffServicer, StoreServicer
from services.store.usecases.staff import end_employments, hand_over_invitations

SERVICE = Service(
    "store",
    identity=IDENTITY,
    app=StoreApp,
    servicers=[StoreServicer, StaffServicer],
    handlers=HANDLERS,
    listeners=LISTENERS,
    loops=[
        Loop("hand-over-invitations", every=15.0, run=hand_over_invitations),
        Loop("end-employments", every=300.0, run=end_employments),
    ],
    tables=Base.metadata,
)

if __name__ == "__main__":
    SERVICE.run()
