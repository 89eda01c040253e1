"""Creates the next migration of a service from the template migration.py.j2.

python -m tools.migration order "add notes"      writes services/order/migrations/versions/0002_add_notes.py
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from devstack.postgres import DATABASES
from tools.generate import ROOT

TEMPLATE = "migration.py.j2"
_EXAMPLE = 'make migration S=order M="add notes"'
_SCRIPT = re.compile(r"^(\d{4})_\w+\.py$")
_LAST_REVISION = 9999
_LONGEST_NAME = 50


class InvalidRequest(ValueError):
    """The migration cannot be created; the text is one sentence for the developer."""


def create_migration(service: str, message: str, *, root: Path = ROOT) -> Path:
    """Writes the file and returns its path. Raises InvalidRequest for an unknown service or an unusable message."""
    if service not in DATABASES:
        known = ", ".join(DATABASES)
        raise InvalidRequest(f"S={service} is not a service: use one of {known}, as in {_EXAMPLE}")
    summary = " ".join(message.split())
    name = _make_file_name(summary)
    versions = root / "services" / service / "migrations" / "versions"
    previous = _read_head(versions)
    revision = f"{int(previous or 0) + 1:04d}"
    if int(revision) > _LAST_REVISION:
        raise InvalidRequest(f"{service} has revision {previous}; file names have four digits")
    if repeated := next(versions.glob(f"[0-9]*_{name}.py"), None):
        raise InvalidRequest(f"{repeated.name} has this message already: edit it, or choose another message")
    path = versions / f"{revision}_{name}.py"
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - the result is Python, not HTML
    )
    text = templates.get_template(TEMPLATE).render(
        service=service,
        summary=_make_sentence(summary),
        revision=revision,
        down_revision=f'"{previous}"' if previous else None,
    )
    versions.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def _make_file_name(summary: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "_", summary.lower()).strip("_")
    if not name:
        raise InvalidRequest(f"M is empty or has no letters: describe the change, as in {_EXAMPLE}")
    return name[:_LONGEST_NAME].rstrip("_")


def _make_sentence(summary: str) -> str:
    """The message as first line of a docstring."""
    safe = summary.replace("\\", "/").replace('"', "'")
    return safe[0].upper() + safe[1:].rstrip(".") + "."


def _read_head(versions: Path) -> str | None:
    """The newest revision of the directory; None when there is none."""
    found = [match[1] for path in versions.glob("*.py") if (match := _SCRIPT.match(path.name))]
    return max(found, default=None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("service")
    parser.add_argument("message")
    options = parser.parse_args()
    try:
        path = create_migration(options.service, options.message)
    except InvalidRequest as error:
        raise SystemExit(f"error: {error}") from None
    service = options.service
    print(
        f"created {path.relative_to(ROOT)}: edit it and the tables in services/{service}/model, then run "
        f"`make test-contract T=schema`; on a running stack `make up` migrates, then `make restart S={service}`"
    )


if __name__ == "__main__":
    main()
