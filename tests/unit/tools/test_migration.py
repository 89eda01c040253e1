"""`make migration`: the next number, the previous revision, a file that Alembic can load, errors in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from tools.migration import InvalidRequest, create_migration


def _versions(root: Path) -> Path:
    return root / "services" / "order" / "migrations" / "versions"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A tree with two migrations of order."""
    versions = _versions(tmp_path)
    versions.mkdir(parents=True)
    for number, previous in ((1, None), (2, "0001")):
        (versions / f"000{number}_orders.py").write_text(f'revision = "000{number}"\ndown_revision = {previous!r}\n')
    return tmp_path


def test_the_file_has_the_next_number_and_the_message_as_name(checkout: Path) -> None:
    path = create_migration("order", "  Add   notes (for couriers) ", root=checkout)
    assert path == _versions(checkout) / "0003_add_notes_for_couriers.py"
    assert path.read_text().startswith('"""Add notes (for couriers).\n')


def test_alembic_loads_the_file_as_the_only_head(checkout: Path) -> None:
    create_migration("order", 'add "notes"', root=checkout)
    create_migration("order", "add notes index", root=checkout)
    versions = _versions(checkout)
    scripts = ScriptDirectory(str(versions.parent), version_locations=[str(versions)])
    assert scripts.get_heads() == ["0004"]
    assert [script.revision for script in scripts.walk_revisions()] == ["0004", "0003", "0002", "0001"]
    assert scripts.get_revision("0003").doc.startswith("Add 'notes'.")


def test_the_first_migration_of_a_new_service_has_no_previous_revision(tmp_path: Path) -> None:
    path = create_migration("order", "create orders", root=tmp_path)
    assert path.name == "0001_create_orders.py"
    assert "down_revision = None\n" in path.read_text()


def test_the_template_explains_locks_indexes_and_backfills(checkout: Path) -> None:
    text = create_migration("order", "add notes", root=checkout).read_text()
    for topic in ("Expand, then contract", "lock_timeout", "CREATE INDEX CONCURRENTLY", "in batches", "table rewrite"):
        assert topic in text


@pytest.mark.parametrize("service", ["", "orders", "../order", "Order"])
def test_an_unknown_service_is_rejected(checkout: Path, service: str) -> None:
    with pytest.raises(InvalidRequest, match="is not a service: use one of store, "):
        create_migration(service, "add notes", root=checkout)


@pytest.mark.parametrize("message", ["", "   ", "!?"])
def test_an_empty_message_is_rejected(checkout: Path, message: str) -> None:
    with pytest.raises(InvalidRequest, match="M is empty"):
        create_migration("order", message, root=checkout)
    assert len(list(_versions(checkout).iterdir())) == 2
