"""The notification service: `python -m services.notification`."""

from chassis import Loop, Service
from services.identity import IDENTITY
from services.notification.app import NotificationApp
from services.notification.events import HANDLERS
from services.notification.model import Base
from services.notification.servicer import NotificationServicer
from services.notification.usecases.forgetting import forget_old
from services.notification.usecases.sending import give_up_interrupted, send_due

SERVICE = Service(
    "notification",
    identity=IDENTITY,
    app=NotificationApp,
    servicers=[NotificationServicer],
    handlers=HANDLERS,
    loops=[
        # Woken after each commit that left something to send; by itself for retries, quiet hours, other replicas.
        Loop("send", every=1.0, run=send_due, wake=lambda app: app.woken),
        Loop("give-up-interrupted", every=15.0, run=give_up_interrupted),
        Loop("forget", every=3600.0, run=forget_old),
    ],
    tables=Base.metadata,
)

if __name__ == "__main__":
    SERVICE.run()
