"""Composition root: `python -m services.analytics`."""

from chassis import Loop, Service
from services.analytics.app import AnalyticsApp
from services.analytics.events import HANDLERS
from services.analytics.servicer import AnalyticsServicer
from services.analytics.usecases.ingestion import load_unknown_stores
from services.analytics.usecases.retention import purge_expired
from services.identity import IDENTITY

SERVICE = Service(
    "analytics",
    identity=IDENTITY,
    app=AnalyticsApp,
    servicers=[AnalyticsServicer],
    handlers=HANDLERS,
    loops=[
        Loop("load-unknown-stores", every=60.0, run=load_unknown_stores),
        Loop("purge-expired", every=3600.0, run=purge_expired),
    ],
)

if __name__ == "__main__":
    SERVICE.run()
