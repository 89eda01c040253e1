"""Plain language: house words that do not come back, and no module named by a gerund.

The words on the left of docs/glossary.md have a standard term of the field; this test holds those that have no everyday
use in this code base. A match is fixed by the standard term, not by a synonym.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
HOUSE_WORDS = re.compile(
    r"\b("
    r"nobody|somebody|whoever|anew|overhears?|overheard|hears?|heard|hearers?|told"
    r"|gives? back|gave back|given up|gave up|dear(est)?|in peace|deaf|mends?|mended"
    r")\b",
    re.IGNORECASE,
)
# snake_case and CamelCase names: `_` and a change of case separate words.
WORD_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|_")

# Generated from sources that are checked, locks, and the files that list the words.
SKIPPED = re.compile(
    r"^(gen/|k8s/rendered/|web/dist/|docs/api/|docs/glossary\.md$|CHANGELOG\.md$|tests/contract/test_plain_language\.py$)"
    r"|\.(lock|binpb|png|ico|svg)$"
)
# Directories of a checkout that Git ignores, for a tree without .git.
IGNORED = {".git", ".venv", ".cache", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
# `nobody` is the name of a Unix account, in PostgreSQL's set-up for root.
ALLOWED = {"devstack/postgres.py": re.compile(r"""["'`]nobody["'`]|nor nobody""")}

# Gerunds that are nouns of the field.
GERUND_NOUNS = {
    "batching", "billing", "caching", "fuzzing", "logging", "monitoring", "pricing", "provisioning", "purchasing",
    "rating", "rendering", "routing", "testing", "throttling", "tracing", "tracking",
}  # fmt: skip


@dataclass(frozen=True)
class Match:
    path: str
    number: int
    word: str
    line: str

    def __str__(self) -> str:
        return f"{self.path}:{self.number}: {self.word!r} in: {self.line.strip()[:100]}"


def tracked_files() -> list[str]:
    """Paths relative to the root that Git tracks or would track; without Git, all files that it would not ignore."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
        return sorted(name for name in set(listed.split("\0")) if name and (ROOT / name).is_file())
    paths = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return sorted(
        str(path) for path in paths if not any(part in IGNORED or part.startswith(".run") for part in path.parts)
    )


def find_matches(path: str, text: str) -> Iterator[Match]:
    allowed = ALLOWED.get(path)
    for number, line in enumerate(text.splitlines(), 1):
        checked = allowed.sub("", line) if allowed else line
        found = HOUSE_WORDS.search(checked) or HOUSE_WORDS.search(WORD_BORDER.sub(" ", checked))
        if found:
            yield Match(path, number, found[0], line)


def summarize(matches: list[Match]) -> str:
    """Matches per directory, then every match with its file and line."""
    directories = Counter("/".join(match.path.split("/")[:-1][:2]) or "." for match in matches)
    return "\n".join(
        [
            f"{len(matches)} lines contain house words; docs/glossary.md has the standard terms",
            *(f"{count:6} {directory}" for directory, count in directories.most_common()),
            *map(str, matches),
        ]
    )


def test_no_line_contains_a_house_word() -> None:
    matches = [
        match
        for path in tracked_files()
        if not SKIPPED.search(path)
        for match in find_matches(path, (ROOT / path).read_text(errors="replace"))
    ]
    assert not matches, summarize(matches)


def test_house_words_are_found_in_prose_and_in_names() -> None:
    for line in ("# whoever asks", "def test_what_nobody_heard()", "class NobodyListens", "It was told anew."):
        assert list(find_matches("x.py", line)), line
    for line in ("# the shears are amended", "threshold", "heart", "endearing"):
        assert not list(find_matches("x.py", line)), line


def test_modules_are_named_by_nouns() -> None:
    gerunds = [
        path
        for path in tracked_files()
        if path.endswith("ing.py")
        and not path.startswith("gen/")
        # Test modules and migrations are named by what they test or change.
        and not Path(path).stem.startswith("test_")
        and "/migrations/versions/" not in path
        and Path(path).stem.split("_")[-1] not in GERUND_NOUNS
    ]
    # A word that ends in "ing" without being a gerund (string, king) joins GERUND_NOUNS.
    assert not gerunds, "modules named by a gerund; use a noun: " + ", ".join(gerunds)
