"""The certificates of a development mesh: an authority of its own and one identity per service.

authority = Authority(Path("/tmp/somewhere"))
authority.issue("order")     # /tmp/somewhere/order/{ca,cert,key}.pem
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devstack.files import write_private
from devstack.postgres import DATABASES

TRUST_DOMAIN = "jainshikanji.local"
NAMESPACE = "jain-shikanji"
SERVICES = tuple(DATABASES)
IDENTITIES = (*SERVICES, "edge", "operator")

_AUTHORITY_DAYS = 3650
_IDENTITY_DAYS = 90
_RENEW_DAYS = 14
# Clocks of two containers may differ.
_BACKDATED = datetime.timedelta(minutes=5)


def spiffe_id(identity: str) -> str:
    """The name that peers check: spiffe://jainshikanji.local/ns/jain-shikanji/sa/order."""
    return f"spiffe://{TRUST_DOMAIN}/ns/{NAMESPACE}/sa/{identity}"


class Authority:
    """Signs identities below one directory. Two authorities do not trust each other, so a test can make a stranger."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()
        self._certificate_file = self.directory / "authority" / "ca.pem"
        self._key_file = self.directory / "authority" / "ca-key.pem"
        if not (self._certificate_file.exists() and self._key_file.exists()):
            self._found()
        self._key = _read_key(self._key_file)
        self._certificate = x509.load_pem_x509_certificate(self._certificate_file.read_bytes())

    def issue_all(self, identities: Iterable[str] = IDENTITIES) -> None:
        """Makes what is missing or expires within two weeks."""
        for identity in identities:
            self.issue(identity)

    def issue(self, identity: str) -> Path:
        """The directory of the identity with ca.pem, cert.pem and key.pem; made, or renewed when it soon expires."""
        directory = self.directory / identity
        if not self._is_good(directory):
            key = ec.generate_private_key(ec.SECP256R1())
            # The certificate comes last: whoever sees it finds the key that belongs to it.
            write_private(directory / "ca.pem", _pem(self._certificate))
            write_private(directory / "key.pem", _key_pem(key))
            write_private(directory / "cert.pem", _pem(self._sign(identity, key)))
        return directory

    def _is_good(self, directory: Path) -> bool:
        try:
            certificate = x509.load_pem_x509_certificate((directory / "cert.pem").read_bytes())
            certificate.verify_directly_issued_by(self._certificate)
            key = _read_key(directory / "key.pem")
        except (FileNotFoundError, ValueError, TypeError, InvalidSignature):
            return False
        soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=_RENEW_DAYS)
        return certificate.not_valid_after_utc > soon and key.public_key() == certificate.public_key()

    def _found(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Jain Shikanji development authority")])
        certificate = (
            _builder(name, name, key, _AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        write_private(self._key_file, _key_pem(key))
        write_private(self._certificate_file, _pem(certificate))

    def _sign(self, identity: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, identity)])
        names = x509.SubjectAlternativeName(
            [
                x509.DNSName(identity),
                x509.DNSName("localhost"),
                x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
                x509.UniformResourceIdentifier(spiffe_id(identity)),
            ]
        )
        usages = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
        issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            _builder(name, self._certificate.subject, key, _IDENTITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(usages, critical=False)
            .add_extension(names, critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(issuer_key, critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path} is not a key on an elliptic curve")
    return key


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
