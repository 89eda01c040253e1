"""What is built in is pinned and known, and nothing secret is in the repository or in an image."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tools import audit

CONTAINERFILE = (audit.ROOT / "Containerfile").read_text()
HASH = "--hash=sha256:" + "0" * 64
NAMED = "a value that looks made by a machine, named like a secret"
# Put together here, so that this file holds none.
PLANTED = {
    "private key": "-----BEGIN EC PRIVATE" + " KEY-----\n" + "MHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY",
    "access token": ".".join(("eyJ" + "hbGciOiJFZERTQSJ9x", "eyJ" + "zdWIiOiIxMjM0NTY3", "A" * 43)),
    "cloud key": "AKIA" + "IOSFODNN7EXAMPLE",
    "forge token": "ghp_" + "a1B2" * 9,
    "payment key": "rzp_live_" + "Ab12Cd34Ef56Gh",
    "password in a URL": "postgresql://order:" + "s3cr3tpassw0rd" + "@db:5432/order_db",
    NAMED: "".join(("INDEX_KEY=", "q7Vf2mXz9LbT4sKc1WnR8yHd3GpJ6uAe0=")),
}


def test_the_repository_and_its_locks_are_in_order() -> None:
    assert [str(finding) for finding in audit.audit()] == []


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_secret_is_found_and_an_excused_one_is_not(what: str) -> None:
    text = f"before\n{PLANTED[what]}\nafter\n"
    assert what in [finding.what for finding in audit.secrets_in("x.env", text)]
    first, *rest = PLANTED[what].split("\n")
    excused = "\n".join([f"{first}  # {audit.EXCUSE} a sample", *rest])
    assert list(audit.secrets_in("x.env", excused)) == []


def test_names_digests_and_prose_are_no_secrets() -> None:
    for text in (
        "token = access_token_of_the_customer_who_is_logged_in(session)",
        'password: "{{ .Values.postgres.passwordSecretName }}"',
        "secret_key_ref: jain-shikanji-customer-field-keys-of-release",
        "postgresql://order@127.0.0.1:5432/order_db",
        "https://user:{password}@example.com",
    ):
        assert list(audit.secrets_in("x.py", text)) == [], text


def test_a_package_without_a_hash_a_version_or_of_a_url_is_noticed() -> None:
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
    assert [(pin.name, pin.version, pin.hashes) for pin in audit.pins(right)] == [("alpha", "1.0", 2)]


def test_a_version_behind_an_advisory_and_two_versions_of_one_package_are_noticed() -> None:
    advisory = {"package": "Alpha", "id": "CVE-0", "fixed": "1.10", "what": "falls over"}
    old, new = f"alpha==1.9 \\\n    {HASH}\n", f"alpha==1.10 \\\n    {HASH}\n"
    assert list(audit.check_advisories("lock", old, [advisory]))
    assert not list(audit.check_advisories("lock", new, [advisory]))
    assert list(audit.check_agreement({"one": old, "other": new}))


def test_an_advisory_is_about_a_package_that_is_locked() -> None:
    locked = {pin.name for name in audit.LOCKS for pin in audit.pins((audit.ROOT / name).read_text())}
    assert {advisory["package"] for advisory in audit.read_advisories()} <= locked


def test_every_direct_dependency_is_pinned() -> None:
    project = tomllib.loads((audit.ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    locked = {pin.name for pin in audit.pins((audit.ROOT / "requirements.lock").read_text())}
    names = {audit.canonicalize_name(re.split(r"[\[<>=;~! ]", line)[0]) for line in wanted}
    assert names <= locked


def test_an_image_is_given_no_secret() -> None:
    for line in CONTAINERFILE.splitlines():
        if line.startswith(("ARG", "ENV", "LABEL")):
            assert not re.search(r"(?i)secret|password|token|key", line), line
    ignored = (audit.ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*", "only what is named reaches a builder"
    copied = {source for line in CONTAINERFILE.splitlines() if line.startswith("COPY") and "--from" not in line
              for source in line.split()[1:-1]}  # fmt: skip
    for name in copied:
        place = audit.ROOT / name
        files = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
        assert not [path for path in files if path.suffix in {".pem", ".key", ".env", ".p12"}], name


def test_what_the_stack_keeps_for_itself_is_not_tracked() -> None:
    ignored = (audit.ROOT / ".gitignore").read_text().splitlines()
    assert {".run/", ".run-*/", ".venv/"} <= set(ignored)
    assert not [name for name, _ in audit.tracked() if Path(name).name in {"secrets.json", "key.pem", "ca-key.pem"}]
