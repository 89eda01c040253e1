"""Supply-chain audit without a network: pinned packages, known vulnerabilities, secrets in the repository.

python -m tools.audit              lock files, advisories, secrets in files; exits with 1 when there are findings
python -m tools.audit --history    secrets in every commit too

Advisories are read from advisories.toml. With a network, `pip-audit` on the same lock files knows more.
"""

from __future__ import annotations

import argparse
import math
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements.dev.lock", "requirements.services.lock", "envoy/requirements.lock")
ADVISORIES = Path(__file__).with_name("advisories.toml")
# A line with this comment is skipped: the value has the form of a secret and is none. The comment says why.
SUPPRESSION = "not a secret:"
# Test values in the form of a secret, which are in old commits too, where no comment can be added.
TEST_VALUES = ("p%40ss%2Fword%25",)

_PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==(?P<version>[^\s;\\]+)(?P<rest>[^\\\n]*(?:\\\n[^\\\n]*)*)$",
    re.MULTILINE,
)
_SOURCE = re.compile(r"https?://|git\+|--(?:extra-)?index-url|--find-links|-e ")

# Secrets with a recognisable format.
FORMATS = {
    "private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s*\n[A-Za-z0-9+/=]{20}"),
    "access token": re.compile(r"eyJ[\w-]{15,}\.eyJ[\w-]{15,}\.[\w-]{20,}"),
    "cloud key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}\b"),
    "forge token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{40,}|glpat-[\w-]{20})"),
    "payment key": re.compile(r"\b(?:sk|rk)_live_\w{16,}|\brzp_live_\w{10,}|\bwhsec_[A-Za-z0-9+/]{24,}"),
    "chat or mail key": re.compile(r"\bxox[abprs]-[\w-]{10,}|\bSG\.[\w-]{16,}\.[\w-]{16,}"),
    "registry token": re.compile(r"\bpypi-AgE[\w-]{50,}|\bnpm_[A-Za-z0-9]{36}\b"),
    "password in a URL": re.compile(r"\b[a-z][a-z0-9+]*://[^\s:/@'\"{}$<>]+:[^\s:/@'\"{}$<>]{6,}@[\w.-]+"),
}
# A variable named like a secret, with a value of high entropy: a generated key.
_NAMED = re.compile(
    r"(?i)\b[\w.-]*(?:secret|passw(?:or)?d|token|api_?key|private_?key|signing_?key|index_?key|field_?keys)\w*"
    r"[\"']?\s*[:=]\s*[\"']?(?P<value>[A-Za-z0-9+/_=.-]{24,})"
)
_MIN_ENTROPY = 4.2
_SKIPPED_SUFFIXES = {".lock", ".binpb", ".svg", ".png", ".ico"}


@dataclass(frozen=True)
class Finding:
    """One problem and its location."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True)
class Pin:
    """One package of a lock file."""

    name: str
    version: str
    hashes: int


def parse_lock(text: str) -> list[Pin]:
    """Every package that a lock file pins, with the number of its hashes."""
    return [
        Pin(canonicalize_name(match["name"]), match["version"], match["rest"].count("--hash=sha256:"))
        for match in _PIN.finditer(text)
    ]


def check_lock(name: str, text: str) -> Iterator[Finding]:
    """A lock file pins every package to one version by hash and names no registry."""
    for pin in parse_lock(text):
        if not pin.hashes:
            yield Finding(name, f"{pin.name} has no hash")
    rest = "\n".join(line for line in _PIN.sub("", text).splitlines() if not line.lstrip().startswith("#"))
    yield from (Finding(name, f"not pinned: {line}") for line in rest.splitlines() if line.strip())
    yield from (Finding(name, f"names a registry or URL: {match[0]}") for match in _SOURCE.finditer(text))


def check_agreement(locks: dict[str, str]) -> Iterator[Finding]:
    """A package has the same version in all lock files: the images ship what the tests ran with."""
    first: dict[str, tuple[str, str]] = {}
    for name, text in locks.items():
        for pin in parse_lock(text):
            where, version = first.setdefault(pin.name, (name, pin.version))
            if version != pin.version:
                yield Finding(name, f"{pin.name} is {pin.version} here and {version} in {where}")


def check_advisories(name: str, text: str, advisories: list[dict[str, str]]) -> Iterator[Finding]:
    """No pinned version is older than the one that fixed a known vulnerability."""
    by_package: dict[str, list[dict[str, str]]] = {}
    for advisory in advisories:
        by_package.setdefault(canonicalize_name(advisory["package"]), []).append(advisory)
    for pin in parse_lock(text):
        for advisory in by_package.get(pin.name, ()):
            if Version(pin.version) < Version(advisory["fixed"]):
                problem = f"{advisory['id']}, {advisory['what']}; fixed in {advisory['fixed']}"
                yield Finding(name, f"{pin.name} {pin.version}: {problem}")


def read_advisories() -> list[dict[str, str]]:
    found: list[dict[str, str]] = tomllib.loads(ADVISORIES.read_text())["advisory"]
    return found


def find_secrets(name: str, text: str) -> Iterator[Finding]:
    """Values in the form of a secret, except on lines with a suppression comment."""
    for number, line in _number_lines(text):
        if SUPPRESSION in line or any(value in line for value in TEST_VALUES):
            continue
        for what, pattern in FORMATS.items():
            if pattern.search(line):
                yield Finding(f"{name}:{number}", what)
        named = _NAMED.search(line)
        if named and compute_entropy(named["value"]) > _MIN_ENTROPY and _is_mixed(named["value"]):
            yield Finding(f"{name}:{number}", "a high-entropy value in a variable named like a secret")


def _number_lines(text: str) -> Iterator[tuple[int, str]]:
    """Line number and line; the BEGIN line of a PEM block comes with the line after it."""
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        yield number, line if "BEGIN" not in line else "\n".join(lines[number - 1 : number + 1])


def compute_entropy(value: str) -> float:
    """Shannon entropy in bits per character."""
    counts = Counter(value)
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())


def _is_mixed(value: str) -> bool:
    """Whether the value has lower case, upper case and digits; names in code rarely have all three."""
    return all(re.search(kind, value) for kind in ("[a-z]", "[A-Z]", "[0-9]"))


def read_files() -> Iterator[tuple[str, str]]:
    """Name and text of each file that Git tracks or would track."""
    listed = _run_git("ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    for name in filter(None, listed):
        path = ROOT / name
        if path.suffix not in _SKIPPED_SUFFIXES and path.is_file():
            yield name, path.read_text(errors="replace")


def read_history() -> Iterator[tuple[str, str]]:
    """Commit with file name, and each line that the commit added."""
    log = _run_git("log", "--all", "--no-color", "--unified=0", "--format=commit %H", "--patch")
    commit, name = "", ""
    for line in log.splitlines():
        if line.startswith("commit "):
            commit = line[7:15]
        elif line.startswith("+++ b/"):
            name = line[6:]
        elif line.startswith("+") and Path(name).suffix not in _SKIPPED_SUFFIXES:
            yield f"{commit} {name}", line[1:]


def _run_git(*arguments: str) -> str:
    run = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True)
    return run.stdout.decode(errors="replace")


def run_audit(*, with_history: bool = False) -> list[Finding]:
    """All findings."""
    locks = {name: (ROOT / name).read_text() for name in LOCKS}
    advisories = read_advisories()
    found = [*check_agreement(locks)]
    for name, text in locks.items():
        found += [*check_lock(name, text), *check_advisories(name, text, advisories)]
    for read in (read_files, read_history) if with_history else (read_files,):
        for name, text in read():
            found += find_secrets(name, text)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--history", action="store_true", help="search every commit for secrets too")
    found = run_audit(with_history=parser.parse_args().history)
    for finding in found:
        print(finding)
    packages = len({pin.name for name in LOCKS for pin in parse_lock((ROOT / name).read_text())})
    print(f"{packages} packages, {len(read_advisories())} advisories, {len(found)} findings")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
