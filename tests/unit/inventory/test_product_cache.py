"""The cache of products: valid for one day, dropped in every store together."""

from __future__ import annotations

from datetime import date
from uuid import uuid4

from services.inventory.product_cache import ProductCache

TODAY, TOMORROW = date(2025, 11, 29), date(2025, 11, 30)


def test_a_product_is_dropped_in_every_store() -> None:
    cache, product, other, store = ProductCache(10), uuid4(), uuid4(), uuid4()
    cache.put(product, None, TODAY, b"1", cache.ticket())
    cache.put(product, store, TODAY, b"2", cache.ticket())
    cache.put(other, None, TODAY, b"3", cache.ticket())
    cache.drop(product)
    assert cache.get(product, None, TODAY) is None
    assert cache.get(product, store, TODAY) is None
    assert cache.get(other, None, TODAY) == b"3"


def test_a_message_read_before_a_drop_is_not_stored() -> None:
    cache, product = ProductCache(10), uuid4()
    ticket = cache.ticket()
    cache.drop(product)
    cache.put(product, None, TODAY, b"old", ticket)
    assert cache.get(product, None, TODAY) is None


def test_a_new_day_starts_with_an_empty_cache() -> None:
    cache, product = ProductCache(10), uuid4()
    cache.put(product, None, TODAY, b"1", cache.ticket())
    assert cache.get(product, None, TOMORROW) is None
    cache.put(product, None, TOMORROW, b"2", cache.ticket())
    assert cache.get(product, None, TODAY) is None
    assert cache.get(product, None, TOMORROW) == b"2"
