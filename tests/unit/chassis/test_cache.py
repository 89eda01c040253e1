from chassis.cache import MessageCache


def test_the_least_recently_used_message_goes_first() -> None:
    cache = MessageCache(2)
    cache.put("a", b"1")
    cache.put("b", b"2")
    assert cache.get("a") == b"1"
    cache.put("c", b"3")
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (b"1", None, b"3")


def test_a_reader_that_was_overtaken_by_a_drop_does_not_put_the_old_value_back() -> None:
    cache = MessageCache(2)
    ticket = cache.ticket()
    cache.drop("a")
    cache.put("a", b"old", ticket)
    assert cache.get("a") is None


def test_clearing_empties_and_overtakes() -> None:
    cache = MessageCache(2)
    cache.put("a", b"1")
    ticket = cache.ticket()
    cache.clear()
    cache.put("a", b"old", ticket)
    assert cache.get("a") is None
