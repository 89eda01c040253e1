"""What the runbook tells an operator to type, set and provide exists under that name."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
import yaml

from chassis.process.cli import command_line
from tests.deploy.test_references import GIVEN, PLATFORM_KEYS
from tools.deploy import CHART, ROOT

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROGRAM = re.compile(r"python -m services (\$?[a-z]+)((?: [a-z][a-z-]*)*)")
LOOP = re.compile(r"^for service in ([a-z ]+); do$", re.MULTILINE)


def commands(service: str) -> set[str]:
    """The command line of a service, spelt out: `migrate`, `dead-letters list`."""
    line = typer.main.get_command(command_line(importlib.import_module(f"services.{service}.__main__").SERVICE))
    found = set()
    for name, command in getattr(line, "commands", {}).items():
        found |= {f"{name} {below}" for below in getattr(command, "commands", {})} or {name}
    return found


def typed() -> Iterator[tuple[str, str]]:
    [services] = LOOP.findall(RUNBOOK)
    for service, command in PROGRAM.findall(RUNBOOK):
        for named in services.split() if service == "$service" else [service]:
            yield named, command.strip()


@pytest.mark.parametrize(("service", "command"), sorted(set(typed())))
def test_every_command_of_the_runbook_exists(service: str, command: str) -> None:
    assert command in commands(service)


def test_every_secret_that_others_write_is_listed_with_its_keys() -> None:
    rows = [line for line in RUNBOOK.splitlines() if line.lstrip().startswith("| `")]
    for kind, keys in PLATFORM_KEYS.items():
        if kind == "tls":
            continue  # written by cert-manager, and named in the text
        [row] = [row for row in rows if f"`<service>-{kind}`" in row]
        assert all(f"`{key}`" in row for key in keys)
    for name, keys in GIVEN.items():
        [line] = [line for line in RUNBOOK.splitlines() if f"`{name}` (`" in line or f"| `{name}` |" in line]
        assert all(f"`{key}`" in line for key in keys), name


def known(values: Any, path: list[str]) -> bool:
    for part in path:
        if not isinstance(values, dict):
            return True  # an object of the operator's own
        if part not in values:
            return False
        values = values[part]
    return True


def test_every_value_that_the_runbook_names_exists() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    named = {tuple(found.split(".")) for found in re.findall(r"`([a-z][A-Za-z]*(?:\.[A-Za-z]+)+)[`=]", RUNBOOK)}
    of_the_chart = [list(path) for path in named if path[0] in values]
    assert len(of_the_chart) > 10
    for path in of_the_chart:
        assert known(values, path), ".".join(path)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Any) -> None:
    text = document.read_text()
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        target, _, anchor = link.partition("#")
        place = (document.parent / target) if target else document
        assert place.exists(), f"{document.name}: {target}"
        if anchor and place.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", place.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}, anchor
    for path in re.findall(r"`((?:k8s|helm|docs|envoy|tests)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), f"{document.name}: {path}"
