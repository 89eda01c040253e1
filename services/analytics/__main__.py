"""The analytics service: `python -m services.analytics`."""

from chassis import Loop, Service
from services.analytics.app import AnalyticsApp
from services.analytics.events import HANDLERS
from services.analytics.servicer import AnalyticsServicer
from services.analytics.usecases.forgetting import forget_old
from services.analytics.usecases.taking_in import learn_stores
from services.identity import IDENTITY

SERVICE = Service(
    "analytics",
    identity=IDENTITY,
    app=AnalyticsApp,
    servicers=[AnalyticsServicer],
    handlers=HANDLERS,
    loops=[
        Loop("learn-stores", every=60.0, run=learn_stores),
        Loop("forget", every=3600.0, run=forget_old),
    ],
)

if __name__ == "__main__":
    SERVICE.run()
