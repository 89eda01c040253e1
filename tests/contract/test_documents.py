"""Documents agree with the code, the chart and the contracts."""

from __future__ import annotations

import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.descriptor import Descriptor

from chassis.events.bus import publisher
from services.identity import IDENTITY
from tests.contract.contracts import PACKAGE, ROOT, SERVICES, events
from tools.deploy import CHART, architecture
from tools.edge import renderer

FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`]*`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
# A package's name, without what follows it in a requirement: extras, versions, markers.
REQUIREMENT = re.compile(r"^[a-z0-9-]+")
ARROW = re.compile(r"^ +([a-z &]+) -- .* --> ([a-z &]+)$", re.MULTILINE)
ARROWS = architecture()
# Every service calls it, through the chassis, for the list of revoked sessions.
CALLED_BY_ALL = publisher(IDENTITY.revoked_event.DESCRIPTOR.full_name)


def documents() -> list[Path]:
    """Every Markdown file of the project; hidden folders hold generated and downloaded files."""
    found = [path.relative_to(ROOT) for path in ROOT.rglob("*.md")]
    return sorted(path for path in found if not any(part.startswith(".") for part in path.parts))


def text_of(path: Path) -> str:
    return (ROOT / path).read_text()


def project() -> Any:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.mark.parametrize("path", documents(), ids=str)
def test_links_within_the_project_have_a_target(path: Path) -> None:
    links = LINK.findall(CODE.sub("", FENCE.sub("", text_of(path))))
    broken = [link for link in links if ":" not in link and not _has_target(path, link)]
    assert broken == []


def _has_target(path: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = (ROOT / path.parent / name).resolve() if name else ROOT / path
    if not target.exists():
        return False
    return not anchor or anchor in map(_anchor, HEADING.findall(target.read_text()))


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_every_dependency_has_a_line_and_every_line_a_dependency() -> None:
    facts = project()["project"]
    optional = facts["optional-dependencies"]
    lines = (*facts["dependencies"], *optional["dev"], *optional["check"])
    wanted = {REQUIREMENT.findall(line)[0] for line in lines}
    rows = re.findall(r"^\| ([a-z][^|]*) \|", text_of(Path("docs/dependencies.md")), re.MULTILINE)
    listed = [name for row in rows if row != "package" for name in re.sub(r"\[[^\]]*\]", "", row).split(", ")]
    assert sorted(listed) == sorted(wanted)


def test_the_readme_describes_each_folder() -> None:
    listed = re.findall(r"^\| `([a-z0-9]+)/", text_of(Path("README.md")), re.MULTILINE)
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "_"))}
    assert folders - set(listed) <= {"dist"}


# --- services and their calls and events ------------------------------------------------------------------------------


def test_every_list_of_services_names_the_same() -> None:
    linted = [
        {module.split(".")[1] for module in modules}
        for contract in project()["tool"]["importlinter"]["contracts"]
        for modules in [contract.get("modules") or contract.get("containers") or contract["source_modules"]]
        # A wildcard covers every service.
        if modules != ["chassis"] and not any("*" in module for module in modules)
    ]
    in_protos = {path.parent.parent.name for path in ROOT.glob(f"protos/{PACKAGE}/*/v1/*_service.proto")}
    lists = {
        "services/": {path.parent.name for path in ROOT.glob("services/*/__main__.py")},
        "protos/": in_protos - {"operations"},
        "envoy/render.py": set(renderer.SERVICES),
        "architecture.yaml": set(ARROWS),
        "values.yaml": set(yaml.safe_load((CHART / "values.yaml").read_text())["services"]),
        "README.md": set(re.findall(r"\]\(services/([a-z]+)\)", text_of(Path("README.md")))),
        **{f"pyproject.toml, list {at}": names for at, names in enumerate(linted, 1)},
    }
    assert linted
    assert {place: names ^ set(SERVICES) for place, names in lists.items() if names != set(SERVICES)} == {}


@pytest.mark.parametrize("event", events(), ids=lambda event: event.full_name)
def test_every_event_of_a_contract_is_published(event: Descriptor) -> None:
    """The generated list of events is written from the contracts, so it names an event that no code publishes too."""
    service = ROOT / "services" / publisher(event.full_name)
    converters = [*service.glob("wire.py"), *service.glob("wire/*.py")]
    assert any(re.search(rf"\b{event.name}\b", path.read_text()) for path in converters)


@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_has_a_description(service: str) -> None:
    app = importlib.import_module(f"services.{service}.__main__").SERVICE.app
    assert [name for name, field in app.settings_class.model_fields.items() if not field.description] == []


def owners() -> Iterator[tuple[str, str, str]]:
    """Service, its callers and the publishers that it consumes, from the table of docs/architecture.md."""
    for line in text_of(Path("docs/architecture.md")).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] in SERVICES:
            yield cells[0], cells[2], cells[3]


def named(cell: str, service: str) -> set[str]:
    text = re.sub(r"\([^)]*\)", "", cell)
    if "every other service" in text:
        return set(SERVICES) - {service}
    if "every service" in text:
        return set(SERVICES)
    return set(re.findall(r"[a-z]+", text))


def test_the_table_of_the_architecture_matches_architecture_yaml() -> None:
    rows = list(owners())
    assert [service for service, _, _ in rows] == SERVICES
    for service, callers, publishers in rows:
        assert named(callers, service) == {one for one, facts in ARROWS.items() if service in facts["calls"]}, service
        assert named(publishers, service) == set(ARROWS[service]["consumes"]), service


def test_the_picture_in_the_readme_shows_every_call_between_services() -> None:
    drawn = {
        (one, other)
        for left, right in ARROW.findall(text_of(Path("README.md")))
        for one in left.split(" & ")
        for other in right.split(" & ")
        if {one, other} <= set(SERVICES)
    }
    to_all = {(service, CALLED_BY_ALL) for service in SERVICES}
    calls = {(service, peer) for service, facts in ARROWS.items() for peer in facts["calls"]}
    assert drawn | to_all == calls | to_all
