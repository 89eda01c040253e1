"""Writes the documentation that is derived from contracts and composition roots, or checks that it is fresh.

python -m tools.document            write docs/events.md and docs/api: openapi.json, access.md and reasons.md
python -m tools.document --check    exit 1 when one differs from what the code says
"""

from __future__ import annotations

import argparse
import importlib
import tomllib
from pathlib import Path

from devstack.certificates import SERVICES
from services.identity import IDENTITY
from tools import openapi, reasons
from tools.generate import ROOT
from tools.image import Image, load

OVERHEARD = "(every replica, no guarantee)"


def documents() -> dict[Path, str]:
    image = load()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return {
        ROOT / "docs/api/openapi.json": openapi.render(image, version),
        ROOT / "docs/api/access.md": render_access(image),
        ROOT / "docs/events.md": render_events(image),
        ROOT / "docs/api/reasons.md": render_reasons(image),
    }


def render_access(image: Image) -> str:
    lines = [
        "# Who may call what",
        "",
        "Generated from the `access` option of the contracts by `make docs`. Roles are those of the token; a staff job",
        "counts only in the stores of its grant. FIELD: the request names what must be the caller's. RESOURCE: the",
        "query finds only what is the caller's. Another's object answers like a missing one.",
        "",
        "## From outside, through the edge",
        "",
        "| route | rpc | callers | scope |",
        "| --- | --- | --- | --- |",
    ]
    for rpc in image.routes():
        verb, path, _ = rpc.route or ("", "", "")
        fields = [name for name in (rpc.access.owner_field, rpc.access.tenant_field) if name]
        scope = f"{rpc.scope} `{'`, `'.join(fields)}`" if fields else rpc.scope
        callers = ", ".join(rpc.callers)
        lines.append(f"| `{verb.upper()} {path}` | {rpc.service}.{rpc.method.name} | {callers} | {scope} |")
    lines += ["", "## Between services, over the mesh only", "", "| rpc | services |", "| --- | --- |"]
    for rpc in sorted(image.rpcs, key=lambda rpc: (rpc.package, rpc.service, rpc.method.name)):
        if rpc.access.services:
            services = ", ".join("every service" if name == "*" else name for name in rpc.access.services)
            package = rpc.package.split(".")[1]
            lines.append(f"| {package}: {rpc.service}.{rpc.method.name} | {services} |")
    return "\n".join(lines) + "\n"


def render_events(image: Image) -> str:
    heard: dict[str, list[str]] = {}
    for name in SERVICES:
        service = importlib.import_module(f"services.{name}.__main__").SERVICE
        for event in service.handlers:
            heard.setdefault(event.DESCRIPTOR.full_name, []).append(name)
        for event in service.listeners:
            heard.setdefault(event.DESCRIPTOR.full_name, []).append(f"{name} {OVERHEARD}")
    # The chassis listens in every service's process.
    heard.setdefault(IDENTITY.revoked_event.DESCRIPTOR.full_name, []).insert(0, f"every service {OVERHEARD}")
    lines = [
        "# Events",
        "",
        "Generated from the contracts and the services' handler tables by `make docs`. The subject on NATS is the full",
        "name of the message. Each event is written with its cause, published at least once, and has its effect once.",
    ]
    for publisher in SERVICES:
        mine = [name for name, owner in image.events.items() if owner == publisher]
        if not mine:
            continue
        lines += ["", f"## {publisher}", "", "| event | when | heard by |", "| --- | --- | --- |"]
        for name in mine:
            comment = image.comments[name].replace("\n", " ")
            lines.append(f"| `{name}` | {comment} | {', '.join(heard.get(name, [])) or 'nobody yet'} |")
    return "\n".join(lines) + "\n"


def render_reasons(image: Image) -> str:
    for name in SERVICES:
        importlib.import_module(f"services.{name}.__main__")
    return reasons.render([*reasons.of_services(), *reasons.of_edge(image.files)], SERVICES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = []
    for path, text in documents().items():
        if check and (not path.is_file() or path.read_text() != text):
            stale.append(str(path.relative_to(ROOT)))
        elif not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    if stale:
        raise SystemExit(f"stale documentation: {', '.join(stale)}; run `make docs`")


if __name__ == "__main__":
    main()
