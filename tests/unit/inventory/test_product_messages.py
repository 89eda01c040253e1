"""Cached products: of one day, dropped in every store at once."""

from __future__ import annotations

from datetime import date
from uuid import uuid4

from services.inventory.product_messages import ProductMessages

TODAY, TOMORROW = date(2025, 11, 29), date(2025, 11, 30)


def test_a_drop_forgets_the_product_in_every_store() -> None:
    cache, product, other, store = ProductMessages(10), uuid4(), uuid4(), uuid4()
    cache.put(product, None, TODAY, b"1", cache.ticket())
    cache.put(product, store, TODAY, b"2", cache.ticket())
    cache.put(other, None, TODAY, b"3", cache.ticket())
    cache.drop(product)
    assert cache.get(product, None, TODAY) is None
    assert cache.get(product, store, TODAY) is None
    assert cache.get(other, None, TODAY) == b"3"


def test_a_reader_that_was_overtaken_by_a_drop_puts_nothing_back() -> None:
    cache, product = ProductMessages(10), uuid4()
    ticket = cache.ticket()
    cache.drop(product)
    cache.put(product, None, TODAY, b"old", ticket)
    assert cache.get(product, None, TODAY) is None


def test_a_new_day_begins_with_nothing() -> None:
    cache, product = ProductMessages(10), uuid4()
    cache.put(product, None, TODAY, b"1", cache.ticket())
    assert cache.get(product, None, TOMORROW) is None
    cache.put(product, None, TOMORROW, b"2", cache.ticket())
    assert cache.get(product, None, TODAY) is None
    assert cache.get(product, None, TOMORROW) == b"2"
