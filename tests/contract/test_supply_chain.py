"""Supply chain: packages are pinned by hash, package sets are complete, no secret is in the repository or an image."""

from __future__ import annotations

import ast
import importlib.metadata
import itertools
import re
import tomllib
from pathlib import Path

import pytest

from devstack import environment
from tools import audit

CONTAINERFILE = (audit.ROOT / "Containerfile").read_text()
HASH = "--hash=sha256:" + "0" * 64
NAMED = "a high-entropy value in a variable named like a secret"
# Code that runs with the package set of `make up`.
DEV_CODE = (
    "chassis",
    "services",
    "devstack",
    "bench",
    "envoy",
    "tests/unit",
    "tests/integration",
    "tests/e2e",
    "tests/chaos",
)
# Concatenated at run time, so that this file contains no secret itself.
SECRETS = {
    "private key": "-----BEGIN EC PRIVATE" + " KEY-----\n" + "MHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY",
    "access token": ".".join(("eyJ" + "hbGciOiJFZERTQSJ9x", "eyJ" + "zdWIiOiIxMjM0NTY3", "A" * 43)),
    "cloud key": "AKIA" + "IOSFODNN7EXAMPLE",
    "forge token": "ghp_" + "a1B2" * 9,
    "payment key": "rzp_live_" + "Ab12Cd34Ef56Gh",
    "password in a URL": "postgresql://order:" + "s3cr3tpassw0rd" + "@db:5432/order_db",
    NAMED: "".join(("INDEX_KEY=", "q7Vf2mXz9LbT4sKc1WnR8yHd3GpJ6uAe0=")),
}


def test_the_audit_of_the_repository_has_no_findings() -> None:
    assert [str(finding) for finding in audit.run_audit()] == []


@pytest.mark.parametrize("what", SECRETS)
def test_a_secret_is_found_unless_a_comment_suppresses_it(what: str) -> None:
    text = f"before\n{SECRETS[what]}\nafter\n"
    assert what in [finding.what for finding in audit.find_secrets("x.env", text)]
    first, *rest = SECRETS[what].split("\n")
    suppressed = "\n".join([f"{first}  # {audit.SUPPRESSION} a sample", *rest])
    assert list(audit.find_secrets("x.env", suppressed)) == []


def test_names_templates_and_urls_without_password_are_not_secrets() -> None:
    for text in (
        "token = access_token_of_the_customer_who_is_logged_in(session)",
        'password: "{{ .Values.postgres.passwordSecretName }}"',
        "secret_key_ref: jain-shikanji-customer-field-keys-of-release",
        "postgresql://order@127.0.0.1:5432/order_db",
        "https://user:{password}@example.com",
    ):
        assert list(audit.find_secrets("x.py", text)) == [], text


def test_a_package_without_hash_or_exact_version_or_from_a_url_is_found() -> None:
    for wrong in (
        "alpha==1.0\n",
        f"alpha>=1.0 \\\n    {HASH}\n",
        f"alpha @ https://example.com/alpha.whl \\\n    {HASH}\n",
        "--index-url https://example.com/simple\n",
        "-e .\n",
    ):
        assert list(audit.check_lock("lock", wrong)), wrong
    right = f"# of x\nalpha[more]==1.0 ; sys_platform == 'linux' \\\n    {HASH} \\\n    {HASH}\n    # via x\n"
    assert list(audit.check_lock("lock", right)) == []
    assert [(pin.name, pin.version, pin.hashes) for pin in audit.parse_lock(right)] == [("alpha", "1.0", 2)]


def test_a_vulnerable_version_and_two_versions_of_one_package_are_found() -> None:
    advisory = {"package": "Alpha", "id": "CVE-0", "fixed": "1.10", "what": "falls over"}
    old, new = f"alpha==1.9 \\\n    {HASH}\n", f"alpha==1.10 \\\n    {HASH}\n"
    assert list(audit.check_advisories("lock", old, [advisory]))
    assert not list(audit.check_advisories("lock", new, [advisory]))
    assert list(audit.check_agreement({"one": old, "other": new}))


def test_every_advisory_is_about_a_locked_package() -> None:
    locked = {pin.name for name in audit.LOCKS for pin in audit.parse_lock((audit.ROOT / name).read_text())}
    assert {advisory["package"] for advisory in audit.read_advisories()} <= locked


@pytest.mark.parametrize(
    ("lock", "extras"),
    [
        ("requirements.services.lock", []),
        ("requirements.dev.lock", ["dev"]),
        ("requirements.lock", ["dev", "check"]),
    ],
)
def test_a_lock_pins_every_direct_dependency_of_its_package_set(lock: str, extras: list[str]) -> None:
    project = tomllib.loads((audit.ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    locked = {pin.name for pin in audit.parse_lock((audit.ROOT / lock).read_text())}
    names = {audit.canonicalize_name(re.split(r"[\[<>=;~! ]", line)[0]) for line in wanted}
    assert names <= locked


def test_each_package_set_contains_the_one_before_it() -> None:
    locks = [each.lock for each in environment.PACKAGE_SETS]
    pins = [{(pin.name, pin.version) for pin in audit.parse_lock(lock.read_text())} for lock in locks]
    assert all(smaller < larger for smaller, larger in itertools.pairwise(pins))


def test_what_make_up_runs_imports_no_package_of_the_check_set() -> None:
    """Local stack, benchmark, code generation and the tests that run with the small package set."""
    dev, everything = (
        {pin.name for pin in audit.parse_lock(each.lock.read_text())} for each in environment.PACKAGE_SETS
    )
    modules = {
        module
        for module, packages in importlib.metadata.packages_distributions().items()
        if {audit.canonicalize_name(package) for package in packages} <= everything - dev
    }
    paths = [path for name in DEV_CODE for path in sorted((audit.ROOT / name).rglob("*.py"))]
    paths += [path for path in (audit.ROOT / "tools").glob("*.py") if path.name != "deploy.py"]
    for path in paths:
        imported = {name.split(".")[0] for name in imported_modules(path)}
        assert not imported & modules, f"{path.relative_to(audit.ROOT)} imports {imported & modules}"
        assert "tools.deploy" not in imported_modules(path), f"{path.relative_to(audit.ROOT)} needs the chart tools"


def imported_modules(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return found | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


def test_the_containerfile_passes_no_secret_to_an_image() -> None:
    for line in CONTAINERFILE.splitlines():
        if line.startswith(("ARG", "ENV", "LABEL")):
            assert not re.search(r"(?i)secret|password|token|key", line), line
    ignored = (audit.ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*", "only listed files are in the build context"
    copied = {source for line in CONTAINERFILE.splitlines() if line.startswith("COPY") and "--from" not in line
              for source in line.split()[1:-1]}  # fmt: skip
    for name in copied:
        place = audit.ROOT / name
        files = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
        assert not [path for path in files if path.suffix in {".pem", ".key", ".env", ".p12"}], name


def test_data_of_the_local_stack_is_not_tracked() -> None:
    ignored = (audit.ROOT / ".gitignore").read_text().splitlines()
    assert {".run/", ".run-*/", ".venv/"} <= set(ignored)
    assert not [name for name, _ in audit.read_files() if Path(name).name in {"secrets.json", "key.pem", "ca-key.pem"}]
