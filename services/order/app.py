"""What lives as long as the process: quote signer, batched calls and writes, watchers."""

from __future__ import annotations

from chassis.batching import Batcher
from chassis.process.app import App
from chassis.security.encryption import decode_key
from services.order.clients import BatchedCalls
from services.order.model.quotes import QuoteSigner
from services.order.rows import NewSaga
from services.order.settings import OrderSettings
from services.order.watchers import Watchers
from services.order.writer import CompletedSaga, OrderInsert, OrderWriter


class OrderApp(App):
    settings_class = OrderSettings
    settings: OrderSettings

    def __init__(self, name: str, settings: OrderSettings) -> None:
        super().__init__(name, settings)
        old_key = settings.old_quote_key
        old_keys = [decode_key(old_key.get_secret_value())] if old_key else []
        self.quotes = QuoteSigner([self.signing_key, *old_keys])
        self.watchers = Watchers(self.db, settings.watchers)
        self.calls = BatchedCalls(self.channels)
        writer = OrderWriter(self.db, self.outbox, settings.saga_lock_seconds)
        self.saga_inserts: Batcher[NewSaga, bool] = Batcher(writer.insert_sagas)
        self.order_inserts: Batcher[OrderInsert, bool] = Batcher(writer.insert_orders)
        self.completed_sagas: Batcher[CompletedSaga, None] = Batcher(writer.delete_sagas)

    async def drain(self) -> None:
        """Ends the streams, which would outlast the drain."""
        self.watchers.close()

    async def stop(self) -> None:
        self.watchers.close()

    def on_missed_events(self) -> None:
        """Events may have been missed."""
        self.watchers.wake_all()
