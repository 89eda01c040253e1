"""What comes from elsewhere and what must not go out, checked without a network.

python -m tools.audit              pins, advisories and secrets; ends with 1 when something is wrong
python -m tools.audit --history    secrets in every version of every file that git has, too

Advisories are those of advisories.toml, a list that is read and not fetched; where a network may be used, `pip-audit`
over the same locks knows more.
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
LOCKS = ("requirements.lock", "requirements.services.lock", "envoy/requirements.lock")
ADVISORIES = Path(__file__).with_name("advisories.toml")
# On a line of its own or behind a value: it looks like a secret and is none. Say why.
EXCUSE = "not a secret:"
# Made up by a test that needs something of a secret's shape; also in commits, which no remark can reach any more.
INVENTED = ("p%40ss%2Fword%25",)

_PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?==(?P<version>[^\s;\\]+)(?P<rest>[^\\\n]*(?:\\\n[^\\\n]*)*)$",
    re.MULTILINE,
)
_ELSEWHERE = re.compile(r"https?://|git\+|--(?:extra-)?index-url|--find-links|-e ")

# Formats that say themselves what they are.
KINDS = {
    "private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s*\n[A-Za-z0-9+/=]{20}"),
    "access token": re.compile(r"eyJ[\w-]{15,}\.eyJ[\w-]{15,}\.[\w-]{20,}"),
    "cloud key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}\b"),
    "forge token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{40,}|glpat-[\w-]{20})"),
    "payment key": re.compile(r"\b(?:sk|rk)_live_\w{16,}|\brzp_live_\w{10,}|\bwhsec_[A-Za-z0-9+/]{24,}"),
    "chat or mail key": re.compile(r"\bxox[abprs]-[\w-]{10,}|\bSG\.[\w-]{16,}\.[\w-]{16,}"),
    "registry token": re.compile(r"\bpypi-AgE[\w-]{50,}|\bnpm_[A-Za-z0-9]{36}\b"),
    "password in a URL": re.compile(r"\b[a-z][a-z0-9+]*://[^\s:/@'\"{}$<>]+:[^\s:/@'\"{}$<>]{6,}@[\w.-]+"),
}
# A word for a secret, and beside it a value without order: keys made by machines.
_NAMED = re.compile(
    r"(?i)\b[\w.-]*(?:secret|passw(?:or)?d|token|api_?key|private_?key|signing_?key|index_?key|field_?keys)\w*"
    r"[\"']?\s*[:=]\s*[\"']?(?P<value>[A-Za-z0-9+/_=.-]{24,})"
)
_DISORDER = 4.2
_SKIPPED = {".lock", ".binpb", ".svg", ".png", ".ico"}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, where, and what it is about."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True)
class Pin:
    """One package of a lock."""

    name: str
    version: str
    hashes: int


def pins(lock: str) -> list[Pin]:
    """Every package that the lock's text names, with how many hashes it has."""
    return [
        Pin(canonicalize_name(match["name"]), match["version"], match["rest"].count("--hash=sha256:"))
        for match in _PIN.finditer(lock)
    ]


def check_lock(name: str, text: str) -> Iterator[Finding]:
    """A lock pins every package to one version by hash, and names no place to get it from."""
    locked = pins(text)
    for pin in locked:
        if not pin.hashes:
            yield Finding(name, f"{pin.name} has no hash")
    rest = "\n".join(line for line in _PIN.sub("", text).splitlines() if not line.lstrip().startswith("#"))
    yield from (Finding(name, f"not pinned: {line}") for line in rest.splitlines() if line.strip())
    yield from (Finding(name, f"names a place: {match[0]}") for match in _ELSEWHERE.finditer(text))


def check_agreement(locks: dict[str, str]) -> Iterator[Finding]:
    """What two locks have both, they have in one version: what is tested is what is shipped."""
    first: dict[str, tuple[str, str]] = {}
    for name, text in locks.items():
        for pin in pins(text):
            where, version = first.setdefault(pin.name, (name, pin.version))
            if version != pin.version:
                yield Finding(name, f"{pin.name} is {pin.version}, but {version} in {where}")


def check_advisories(name: str, text: str, advisories: list[dict[str, str]]) -> Iterator[Finding]:
    """No pinned version is older than the one that mended a known weakness."""
    by_package: dict[str, list[dict[str, str]]] = {}
    for advisory in advisories:
        by_package.setdefault(canonicalize_name(advisory["package"]), []).append(advisory)
    for pin in pins(text):
        for advisory in by_package.get(pin.name, ()):
            if Version(pin.version) < Version(advisory["fixed"]):
                told = f"{advisory['id']}, {advisory['what']}; mended in {advisory['fixed']}"
                yield Finding(name, f"{pin.name} {pin.version}: {told}")


def read_advisories() -> list[dict[str, str]]:
    found: list[dict[str, str]] = tomllib.loads(ADVISORIES.read_text())["advisory"]
    return found


def secrets_in(name: str, text: str) -> Iterator[Finding]:
    """What looks like a secret, but for lines that say why it is none."""
    for number, line in _pairs(text):
        if EXCUSE in line or any(value in line for value in INVENTED):
            continue
        for what, pattern in KINDS.items():
            if pattern.search(line):
                yield Finding(f"{name}:{number}", what)
        named = _NAMED.search(line)
        if named and disorder(named["value"]) > _DISORDER and _is_mixed(named["value"]):
            yield Finding(f"{name}:{number}", "a value that looks made by a machine, named like a secret")


def _pairs(text: str) -> Iterator[tuple[int, str]]:
    """Each line with the one after it: a key begins below its heading."""
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        yield number, line if "BEGIN" not in line else "\n".join(lines[number - 1 : number + 1])


def disorder(value: str) -> float:
    """Shannon's entropy in bits a letter."""
    counts = Counter(value)
    return -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())


def _is_mixed(value: str) -> bool:
    """Letters of both cases and digits, which names in code seldom have."""
    return all(re.search(kind, value) for kind in ("[a-z]", "[A-Z]", "[0-9]"))


def tracked() -> Iterator[tuple[str, str]]:
    """Files that git tracks or would, with their text."""
    listed = _git("ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    for name in filter(None, listed):
        path = ROOT / name
        if path.suffix not in _SKIPPED and path.is_file():
            yield name, path.read_text(errors="replace")


def history() -> Iterator[tuple[str, str]]:
    """Lines that any commit added."""
    log = _git("log", "--all", "--no-color", "--unified=0", "--format=commit %H", "--patch")
    commit, name = "", ""
    for line in log.splitlines():
        if line.startswith("commit "):
            commit = line[7:15]
        elif line.startswith("+++ b/"):
            name = line[6:]
        elif line.startswith("+") and Path(name).suffix not in _SKIPPED:
            yield f"{commit} {name}", line[1:]


def _git(*arguments: str) -> str:
    run = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True)
    return run.stdout.decode(errors="replace")


def audit(*, with_history: bool = False) -> list[Finding]:
    """Everything that is wrong."""
    locks = {name: (ROOT / name).read_text() for name in LOCKS}
    advisories = read_advisories()
    found = [*check_agreement(locks)]
    for name, text in locks.items():
        found += [*check_lock(name, text), *check_advisories(name, text, advisories)]
    for source in (tracked, history) if with_history else (tracked,):
        for name, text in source():
            found += secrets_in(name, text)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--history", action="store_true", help="look through every commit too")
    found = audit(with_history=parser.parse_args().history)
    for finding in found:
        print(finding)
    packages = len({pin.name for name in LOCKS for pin in pins((ROOT / name).read_text())})
    print(f"{packages} packages, {len(read_advisories())} advisories, {len(found)} findings")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
