"""What the order service works with beside the chassis: signed quotes, batched writes, watchers."""

from __future__ import annotations

from uuid import UUID

from jainshikanji.order.v1 import events_pb2

from chassis.batching import Batcher
from chassis.process.app import App
from chassis.security.encryption import decode_key
from services.order.clients import BatchedCalls
from services.order.model.quotes import QuoteSigner
from services.order.settings import OrderSettings
from services.order.watchers import Watchers
from services.order.writing import Finished, OrderWriter, Saga, Written


class OrderApp(App):
    settings_class = OrderSettings
    settings: OrderSettings

    def __init__(self, name: str, settings: OrderSettings) -> None:
        super().__init__(name, settings)
        old_key = settings.old_quote_key
        old_keys = [decode_key(old_key.get_secret_value())] if old_key else []
        self.quotes = QuoteSigner([self.signing_key, *old_keys])
        self.watchers = Watchers(self.db, settings.watchers)
        writer = OrderWriter(self.db, self.outbox, settings.saga_lock_seconds)
        self.calls = BatchedCalls(self.channels)
        self.begin: Batcher[Saga, bool] = Batcher(writer.begin)
        self.write: Batcher[Written, bool] = Batcher(writer.write)
        self.finish_saga: Batcher[Finished, None] = Batcher(writer.finish)

    async def drain(self) -> None:
        """Streams would outlast the drain: they are told to come again elsewhere."""
        self.watchers.close()

    async def stop(self) -> None:
        self.watchers.close()

    def bus_gap(self) -> None:
        """What changed meanwhile is not known."""
        self.watchers.wake_all()


OrderEvent = (
    events_pb2.OrderConfirmed
    | events_pb2.OrderPreparing
    | events_pb2.OrderReady
    | events_pb2.OrderDispatched
    | events_pb2.OrderDelivered
    | events_pb2.OrderCancelled
    | events_pb2.OrderRefunded
    | events_pb2.OrderAssigned
)


def wake_watchers(app: OrderApp, event: OrderEvent) -> None:
    """An order changed, here or in another replica."""
    app.watchers.wake(UUID(event.order_id))
