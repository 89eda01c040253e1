"""The images without a builder: the files that the Containerfile copies are started by its entry point."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2
from packaging.markers import Marker
from packaging.requirements import Requirement

from tools import images
from tools.deploy import ROOT, architecture

CONTAINERFILE = (ROOT / "Containerfile").read_text()
PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==([^ \\]+)(?: ;([^\\]*))?", re.MULTILINE)


def stage(name: str) -> list[str]:
    """The instructions of a stage; continued lines are joined."""
    text = re.sub(r"\\\n\s*", " ", CONTAINERFILE)
    _, _, after = text.partition(f" AS {name}\n")
    return [line for line in after.partition("\nFROM ")[0].splitlines() if line and not line.startswith("#")]


def entry_point(name: str) -> list[str]:
    line = next(line for line in stage(name) if line.startswith("ENTRYPOINT "))
    found: list[str] = json.loads(line.removeprefix("ENTRYPOINT "))
    return found


def copy_files(name: str, root: Path) -> None:
    """Carries out the COPY instructions of a build stage below `root`."""
    for line in stage(name):
        if not line.startswith("COPY ") or "--from" in line:
            continue
        *sources, target = line.removeprefix("COPY ").split()
        place = root / target.lstrip("/")
        for source in sources:
            origin = ROOT / source
            if origin.is_dir():
                shutil.copytree(origin, place, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(origin, place)


def link_packages(lock: str, target: Path) -> None:
    """Creates a directory with only the packages of the lock, linked from this environment."""
    target.mkdir()
    for name, version, marker in PINNED.findall((ROOT / lock).read_text()):
        if marker and not Marker(marker.strip()).evaluate():
            continue
        found = importlib.metadata.distribution(name)
        assert found.version == version, f"{name}: installed version differs from the lock"
        for file in found.files or ():
            top = file.parts[0]
            if top not in {"..", "__pycache__"} and not (target / top).exists():
                (target / top).symlink_to(Path(str(found.locate_file(top))))


def run(arguments: list[str], root: Path, packages: Path, path: str) -> subprocess.CompletedProcess[str]:
    """Runs Python with only the packages of the image."""
    program = [sys.executable, "-S", *arguments[1:]]
    variables = {
        "PYTHONPATH": os.pathsep.join([str(root / path), str(packages)]),
        "PATH": "/usr/bin:/bin",
        # Do not wait: no NATS is running.
        "STREAMS_PATIENCE_SECONDS": "0.1",
    }
    return subprocess.run(program, env=variables, cwd="/tmp", capture_output=True, text=True, check=False, timeout=60)  # noqa: S108


@pytest.fixture(scope="module")
def services_image(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("services-image")
    copy_files("services-build", place / "root")
    link_packages("requirements.services.lock", place / "packages")
    return place / "root", place / "packages"


@pytest.mark.parametrize("service", [*architecture(), "streams", "check"])
def test_the_services_image_starts_with_its_entry_point(service: str, services_image: tuple[Path, Path]) -> None:
    """Without settings a service reports the missing ones, after it has imported all its code."""
    root, packages = services_image
    if service in {"streams", "check"}:
        ended = run([*entry_point("services"), service], root, packages, "opt/app")
        message = {"streams": "NoServersError", "check": "edge_url"}[service]
        assert message in ended.stderr, ended.stderr
        return
    with ThreadPoolExecutor() as executor:
        serving = executor.submit(run, [*entry_point("services"), service], root, packages, "opt/app")
        helping = executor.submit(run, [*entry_point("services"), service, "--help"], root, packages, "opt/app")
    ended, helped = serving.result(), helping.result()
    assert ended.returncode == 1, ended.stderr
    assert f"setting {service.upper()}_DATABASE_URL: Field required" in ended.stderr, ended.stderr
    assert helped.returncode == 0, helped.stderr
    assert "migrate" in helped.stdout


def test_an_unknown_program_is_rejected_with_the_list_of_programs(services_image: tuple[Path, Path]) -> None:
    root, packages = services_image
    ended = run([*entry_point("services"), "kitchen"], root, packages, "opt/app")
    assert ended.returncode == 1
    assert "name what to run" in ended.stderr
    for name in (*architecture(), "streams", "secrets", "check"):
        assert name in ended.stderr


def test_the_image_contains_migrations_and_texts(services_image: tuple[Path, Path]) -> None:
    root, _ = services_image
    for service in architecture():
        assert list((root / "opt/app/services" / service / "migrations/versions").glob("0001_*.py"))
    assert list((root / "opt/app/services/notification/texts").iterdir())


def test_the_edge_image_renders_and_validates_its_configuration(tmp_path: Path) -> None:
    root, packages = tmp_path / "root", tmp_path / "packages"
    copy_files("edge-build", root)
    link_packages("envoy/requirements.lock", packages)
    edge = root / "opt/edge"
    made = run(["python", str(edge / "descriptors.py"), str(edge / "edge.binpb")], root, packages, "opt/edge/gen")
    assert made.returncode == 0, made.stderr
    names = {file.name for file in descriptor_pb2.FileDescriptorSet.FromString((edge / "edge.binpb").read_bytes()).file}
    assert "google/rpc/error_details.proto" in names
    certificates = tmp_path / "tls"
    certificates.mkdir()
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"tls_dir": str(certificates), "listen_address": "127.0.0.1"}))
    arguments = ["--out", str(tmp_path / "out"), "--settings", str(settings)]
    arguments += ["--descriptor-set", str(edge / "edge.binpb"), "--validate"]
    rendered = run(["python", str(edge / "render.py"), *arguments], root, packages, "opt/edge/gen")
    assert rendered.returncode == 0, rendered.stdout + rendered.stderr


def test_both_images_run_without_root_on_a_pinned_base() -> None:
    base = re.search(r"^ARG PYTHON_IMAGE=\S+:(\d+\.\d+)\.\d+-slim", CONTAINERFILE, re.MULTILINE)
    assert base is not None
    assert base[1] == f"{sys.version_info.major}.{sys.version_info.minor}", (
        "the image must have the Python version of the tests"
    )
    for name in ("services", "edge"):
        assert "USER 10001:10001" in stage(name)
        assert any("/usr/share/sbom" in line for line in stage(name))
    for name in ("services-build", "edge-build"):
        assert any("--require-hashes" in line for line in stage(name))


@pytest.mark.parametrize("lock", images.LOCKS.values())
def test_the_locks_of_the_images_are_subsets_of_the_main_lock(lock: str) -> None:
    pinned = {name: version for name, version, _ in PINNED.findall((ROOT / "requirements.lock").read_text())}
    for name, version, _ in PINNED.findall((ROOT / lock).read_text()):
        assert pinned[name] == version
    assert "://" not in (ROOT / lock).read_text(), "a lock contains no URL of a registry"


def test_the_services_lock_contains_every_direct_dependency() -> None:
    pinned = {name for name, _, _ in PINNED.findall((ROOT / "requirements.services.lock").read_text())}
    wanted = {Requirement(line).name for line in images._project(ROOT / "pyproject.toml")["dependencies"]}
    assert wanted <= pinned


def test_the_tag_depends_on_version_and_content() -> None:
    assert images.tag() == images.tag()
    assert re.fullmatch(r"0\.1\.0-[0-9a-f]{12}", images.tag())


def test_the_bill_of_materials_lists_every_package_with_its_hashes() -> None:
    for lock in images.LOCKS.values():
        bill = images.sbom(ROOT / "pyproject.toml", ROOT / lock)
        pins = {
            f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
            for name, version, _ in PINNED.findall((ROOT / lock).read_text())
        }
        assert {one["purl"] for one in bill["components"]} == pins
        assert all(any(fact["name"] == "lock:sha256" for fact in one["properties"]) for one in bill["components"])
