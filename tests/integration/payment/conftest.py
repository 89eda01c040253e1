"""The payment service with PostgreSQL, NATS, the local gateway in a process of its own, and an edge that
forwards the raw bytes of webhooks.

These tests have their own servers: the settings name a gateway that exists only here, and the periodic jobs must run.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from devstack.ports import free_port
from tests.harness import Platform
from tests.integration.payment.world import LocalGateway, Orders, WebhookEdge, World


@pytest.fixture(scope="session")
def payment_servers() -> Iterator[Platform]:
    directory = Path(tempfile.mkdtemp(prefix="jain-shikanji-payment-"))
    directory.chmod(0o755)
    platform = Platform(directory)
    platform.start_servers()
    yield platform
    platform.stop_servers()
    shutil.rmtree(directory, ignore_errors=True)


@pytest_asyncio.fixture(scope="session")
async def running(payment_servers: Platform) -> AsyncIterator[World]:
    """One payment service for all tests of this directory."""
    edge = WebhookEdge(payment_servers, free_port())
    gateway = LocalGateway(payment_servers.directory / "gateway", edge.url)
    orders = Orders(payment_servers)
    await edge.open()
    await asyncio.to_thread(gateway.start)
    await orders.open()
    process = await payment_servers.start(
        "payment",
        razorpay_key_id=gateway.key_id,
        razorpay_key_secret=gateway.key_secret,
        razorpay_webhook_secret=gateway.webhook_secret,
        razorpay_url=gateway.url,
        gateway_seconds=1.0,
        peers={"order": f"127.0.0.1:{orders.port}"},
    )
    world = World(payment_servers, process, gateway, orders)
    await orders.connect(payment_servers.nats.url)
    yield world
    await payment_servers.stop()
    await orders.close()
    await asyncio.to_thread(gateway.stop)
    await edge.close()


@pytest_asyncio.fixture
async def world(running: World) -> AsyncIterator[World]:
    """The running world, with no faults at the gateway."""
    await running.gateway.faults(
        delay_ms=0,
        silent=False,
        broken=False,
        duplicate_webhooks=False,
        drop_webhooks=False,
        wrong_amount=False,
        pending_refunds=False,
    )
    yield running
