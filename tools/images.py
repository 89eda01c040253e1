"""Tag and bill of materials of the images, computed from their inputs without a builder.

python -m tools.images tag                                    0.1.0-3f9c2ab41d07: version and digest of the inputs
python -m tools.images sbom --project … --lock …              CycloneDX on standard output
python -m tools.images sbom --out DIR                         of both images
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCKS = {"services": "requirements.services.lock", "edge": "envoy/requirements.lock"}
INPUTS = ("Containerfile", "pyproject.toml", "tools/images.py", *LOCKS.values(), "chassis", "services", "gen", "envoy")
_PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(\[[^]]*\])?==(?P<version>\S+)(?P<marker> ;[^\\]*)?", re.MULTILINE
)


def tag() -> str:
    """Tag of both images. It depends only on version and content of the inputs: the same on every machine."""
    digest = hashlib.sha256()
    for path in _inputs():
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"{_project(ROOT / 'pyproject.toml')['version']}-{digest.hexdigest()[:12]}"


def _inputs() -> Iterator[Path]:
    for name in INPUTS:
        place = ROOT / name
        found = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
        yield from (path for path in found if "__pycache__" not in path.parts)


def sbom(project: Path, lock: Path) -> dict[str, Any]:
    """CycloneDX document of the packages in a lock, with their hashes."""
    about = _project(project)
    blocks = re.split(r"\n(?=[A-Za-z0-9])", lock.read_text())
    components = [_component(match, block) for block in blocks if (match := _PIN.match(block))]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": about["name"], "version": about["version"]}},
        "components": components,
    }


def _component(match: re.Match[str], block: str) -> dict[str, Any]:
    name, version = match["name"], match["version"]
    purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
    properties = [
        {"name": "lock:sha256", "value": found} for found in re.findall(r"--hash=sha256:([0-9a-f]{64})", block)
    ]
    if match["marker"]:
        properties.append({"name": "lock:marker", "value": match["marker"].strip(" ;")})
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "properties": properties,
    }


def _project(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(path.read_text())["project"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("tag")
    bill = commands.add_parser("sbom")
    bill.add_argument("--project", type=Path, default=ROOT / "pyproject.toml")
    bill.add_argument("--lock", type=Path)
    bill.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.command == "tag":
        print(tag())
    elif options.lock:
        print(json.dumps(sbom(options.project, options.lock), indent=1))
    else:
        out = options.out or ROOT / ".cache" / "sbom"
        out.mkdir(parents=True, exist_ok=True)
        for image, lock in LOCKS.items():
            target = out / f"{image}.cdx.json"
            target.write_text(json.dumps(sbom(options.project, ROOT / lock), indent=1) + "\n")
            print(target)


if __name__ == "__main__":
    main()
