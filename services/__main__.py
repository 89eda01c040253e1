"""The image's one entry point: `python -m services order` serves, `python -m services order migrate` runs a command.

Beside the services: `streams` declares what NATS must hold, `secrets` makes what an empty cluster lacks, `check` asks a
running platform whether it works.
"""

from __future__ import annotations

import asyncio
import importlib
import runpy
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def names() -> list[str]:
    """The services of this distribution."""
    return sorted(path.parent.name for path in HERE.glob("*/__main__.py"))


def declare_streams() -> None:
    """Streams and consumers of all services, from their own handler tables."""
    from chassis.events.streams import Declaration, StreamSettings, declare
    from chassis.process import logs

    logs.configure("streams", "info")
    declarations = [
        Declaration(name, [event.DESCRIPTOR.full_name for event in _service(name).handlers]) for name in names()
    ]
    asyncio.run(declare(declarations, StreamSettings()))


def make_secrets() -> None:
    from chassis.process import logs
    from chassis.security import provisioning

    logs.configure("secrets", "info")
    provisioning.main()


def check() -> None:
    from services import check as platform_check

    platform_check.main()


JOBS = {"streams": declare_streams, "secrets": make_secrets, "check": check}


def main() -> None:
    known = [*names(), *JOBS]
    if len(sys.argv) < 2 or sys.argv[1] not in known:  # noqa: PLR2004 - the program and its first argument
        raise SystemExit(f"say what to run: {', '.join(known)}")
    name = sys.argv.pop(1)
    if name in JOBS:
        JOBS[name]()
    else:
        runpy.run_module(f"services.{name}", run_name="__main__", alter_sys=True)


def _service(name: str):  # type: ignore[no-untyped-def]
    return importlib.import_module(f"services.{name}.__main__").SERVICE


if __name__ == "__main__":
    main()
