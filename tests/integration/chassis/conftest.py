"""Servers for the tests of the chassis alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devstack.nats import Nats


@pytest.fixture(scope="module")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nats]:
    """A separate server: services of other tests would consume these events too, and cannot read them."""
    server = Nats(tmp_path_factory.mktemp("nats"))
    server.start()
    yield server
    server.stop()
