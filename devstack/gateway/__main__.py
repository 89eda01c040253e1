"""Command line of the local payment gateway."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

import uvicorn

import devstack.gateway
from devstack.gateway.app import create_application
from devstack.gateway.settings import Faults, Settings


def main() -> None:
    parser = argparse.ArgumentParser(
        description=devstack.gateway.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--webhook-url", required=True)
    parser.add_argument("--key-id", required=True)
    parser.add_argument("--key-secret", required=True)
    parser.add_argument("--webhook-secret", required=True)
    parser.add_argument("--state", type=Path, help="SQLite file; default: data is kept in memory only")
    for fault in fields(Faults):
        name = "--" + fault.name.replace("_", "-")
        if isinstance(fault.default, bool):
            parser.add_argument(name, action="store_true")
        else:
            parser.add_argument(name, type=int, default=fault.default)
    options = parser.parse_args()
    faults = Faults(**{fault.name: getattr(options, fault.name) for fault in fields(Faults)})
    if options.state:
        options.state.parent.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        webhook_url=options.webhook_url,
        key_id=options.key_id,
        key_secret=options.key_secret,
        webhook_secret=options.webhook_secret,
        state=str(options.state) if options.state else ":memory:",
        faults=faults,
    )
    uvicorn.run(
        create_application(settings),
        host=options.host,
        port=options.port,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=1,  # with the fault `silent`, some requests never get a response
    )


if __name__ == "__main__":
    main()
