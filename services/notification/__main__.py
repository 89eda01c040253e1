"""Composition root: `python -m services.notification`."""

from __future__ import annotations

from chassis import Loop, Service
from services.identity import IDENTITY
from services.notification.app import NotificationApp
from services.notification.events import HANDLERS
from services.notification.model.tables import Base
from services.notification.servicer import NotificationServicer
from services.notification.usecases.deliveries import mark_interrupted, send_due
from services.notification.usecases.retention import purge_expired

SERVICE = Service(
    "notification",
    identity=IDENTITY,
    app=NotificationApp,
    servicers=[NotificationServicer],
    handlers=HANDLERS,
    loops=[
        # Woken by each commit that creates dispatches; the interval is for retries, quiet hours and other replicas.
        Loop("send-due", every=1.0, run=send_due, wake=lambda app: app.woken),
        Loop("mark-interrupted", every=15.0, run=mark_interrupted),
        Loop("purge-expired", every=3600.0, run=purge_expired),
    ],
    tables=Base.metadata,
)

if __name__ == "__main__":
    SERVICE.run()
