"""SECURITY.md names only existing tests, and every hostile suite."""

from __future__ import annotations

import ast
import re

import pytest

from tests.contract.contracts import ROOT

TEXT = (ROOT / "SECURITY.md").read_text()
TESTS = ROOT / "tests"
NAMED = sorted(set(re.findall(r"`((?:unit|contract|integration|e2e|deploy|chaos)/[\w/]+\.py)(?:::(\w+))?`", TEXT)))
ROW = re.compile(r"^\| (?!what is tried|---)(?P<cells>.*) \|$", re.MULTILINE)


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_test_that_is_named_exists(path: str, name: str) -> None:
    tree = ast.parse((TESTS / path).read_text())
    defined = {
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    assert any(found.startswith(("test_", "Test")) for found in defined)
    assert not name or name in defined


def test_every_threat_has_a_defence_and_a_test() -> None:
    rows = [match["cells"].split(" | ") for match in ROW.finditer(TEXT)]
    assert len(rows) > 25
    for what, defence, shown in rows:
        assert what
        assert defence
        assert re.search(r"`\w+/[\w/]+\.py", shown), what


def test_every_hostile_suite_is_in_the_model() -> None:
    suites = {path.relative_to(TESTS).as_posix() for path in (TESTS / "e2e" / "hostile").glob("test_*.py")}
    assert suites <= {path for path, _ in NAMED}
