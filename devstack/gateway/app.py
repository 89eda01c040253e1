"""The ASGI application with all routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from devstack.gateway.checkout import make_checkout_routes
from devstack.gateway.control import make_control_routes
from devstack.gateway.gateway import Gateway
from devstack.gateway.razorpay import make_razorpay_routes
from devstack.gateway.settings import Settings


def create_application(settings: Settings) -> Starlette:
    """The application. Its lifespan delivers webhooks and closes the ledger."""
    gateway = Gateway(settings)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        delivery = asyncio.create_task(gateway.webhooks.deliver())
        yield
        delivery.cancel()
        await asyncio.gather(delivery, return_exceptions=True)
        gateway.ledger.close()

    routes = [*make_razorpay_routes(gateway), *make_control_routes(gateway), *make_checkout_routes(gateway)]
    return Starlette(routes=routes, lifespan=lifespan)
