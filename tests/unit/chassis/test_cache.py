from chassis.cache import MessageCache


def test_the_least_recently_used_message_is_evicted_first() -> None:
    cache = MessageCache(2)
    cache.put("a", b"1")
    cache.put("b", b"2")
    assert cache.get("a") == b"1"
    cache.put("c", b"3")
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (b"1", None, b"3")


def test_a_value_read_before_a_drop_is_not_stored() -> None:
    cache = MessageCache(2)
    ticket = cache.ticket()
    cache.drop("a")
    cache.put("a", b"old", ticket)
    assert cache.get("a") is None


def test_a_value_read_before_a_clear_is_not_stored() -> None:
    cache = MessageCache(2)
    cache.put("a", b"1")
    ticket = cache.ticket()
    cache.clear()
    cache.put("a", b"old", ticket)
    assert cache.get("a") is None
