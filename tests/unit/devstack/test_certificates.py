"""The certificate authority of the local stack."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from devstack.certificates import IDENTITIES, Authority


def _certificate(directory: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((directory / "cert.pem").read_bytes())


def test_a_certificate_has_the_dns_name_and_the_spiffe_id_of_its_service(tmp_path: Path) -> None:
    certificate = _certificate(Authority(tmp_path).issue("order"))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["order", "localhost"]
    spiffe_ids = names.get_values_for_type(x509.UniformResourceIdentifier)
    assert spiffe_ids == ["spiffe://jainshikanji.local/ns/jain-shikanji/sa/order"]


def test_every_identity_is_issued_and_its_key_is_private(tmp_path: Path) -> None:
    Authority(tmp_path).issue_all()
    for identity in IDENTITIES:
        assert stat.S_IMODE((tmp_path / identity / "key.pem").stat().st_mode) == 0o600


def test_a_valid_identity_is_kept_and_a_broken_one_is_reissued(tmp_path: Path) -> None:
    directory = Authority(tmp_path).issue("order")
    first = _certificate(directory)
    assert _certificate(Authority(tmp_path).issue("order")) == first
    (directory / "key.pem").unlink()
    assert _certificate(Authority(tmp_path).issue("order")) != first


def test_two_authorities_do_not_trust_each_other(tmp_path: Path) -> None:
    ours = Authority(tmp_path / "ours").issue("order")
    theirs = Authority(tmp_path / "theirs").issue("order")
    authority = x509.load_pem_x509_certificate((ours / "ca.pem").read_bytes())
    _certificate(ours).verify_directly_issued_by(authority)
    with pytest.raises(InvalidSignature):
        _certificate(theirs).verify_directly_issued_by(authority)


def test_an_identity_of_another_authority_is_reissued(tmp_path: Path) -> None:
    foreign = Authority(tmp_path / "theirs").issue("order")
    ours = Authority(tmp_path / "ours")
    directory = ours.issue("order")
    for name in ("cert.pem", "key.pem"):
        (directory / name).write_bytes((foreign / name).read_bytes())
    assert _certificate(ours.issue("order")) != _certificate(foreign)
