"""The three faces as one application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette

from devstack.gateway.bank import Bank
from devstack.gateway.checkout import checkout_routes
from devstack.gateway.control import control_routes
from devstack.gateway.razorpay import razorpay_routes
from devstack.gateway.settings import Settings


def application(settings: Settings) -> Starlette:
    """The ASGI application. Its lifespan delivers webhooks and closes the books."""
    bank = Bank(settings)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        courier = asyncio.create_task(bank.webhooks.deliver())
        yield
        courier.cancel()
        await asyncio.gather(courier, return_exceptions=True)
        bank.books.close()

    routes = [*razorpay_routes(bank), *control_routes(bank), *checkout_routes(bank)]
    return Starlette(routes=routes, lifespan=lifespan)
