"""The ASGI application; each uvicorn worker creates one."""

from __future__ import annotations

from fastapi import FastAPI

from bench.baseline.settings import settings


def create() -> FastAPI:
    """The variant that the settings name."""
    if settings().variant == "orm":
        from bench.baseline import orm as variant
    else:
        from bench.baseline import raw as variant  # type: ignore[no-redef]
    app = FastAPI(lifespan=variant.connected, openapi_url=None)
    app.include_router(variant.router)
    return app
