"""Servers that the chassis's tests have for themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devstack.nats import Nats


@pytest.fixture(scope="module")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    """A server of its own: the services that other tests start would hear these events too, and could not read them."""
    server = Nats(tmp_path_factory.mktemp("nats"))
    server.start()
    yield server
    server.stop()
