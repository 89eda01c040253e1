"""Secrets of a cluster are generated once, and certificates are renewed before they expire."""

from __future__ import annotations

import datetime

from cryptography import x509

from chassis.security.certificates import Authority, Pair, spiffe_id
from chassis.security.encryption import FieldCipher, decode_key
from chassis.security.provisioning import Data, Plan, provision

PLAN = Plan(
    namespace="kitchen",
    trust_domain="example.local",
    authority="mesh-authority",
    certificates={"order": "order-tls"},
    databases={"order": "order-database"},
    nats={"order": "order-nats"},
    keys={"order": "order-keys"},
    accounts={"admin@example.local": "administrator"},
)


class SecretStore:
    """Secrets in memory."""

    def __init__(self) -> None:
        self.secrets: dict[str, Data] = {}
        self.kinds: dict[str, str] = {}

    def read(self, name: str) -> Data | None:
        return self.secrets.get(name)

    def write(self, name: str, kind: str, data: Data, labels: dict[str, str]) -> None:
        self.secrets[name], self.kinds[name] = data, kind


def test_all_secrets_of_the_plan_are_generated_once() -> None:
    store = SecretStore()
    provision(PLAN, store)
    assert set(store.secrets) == {
        "mesh-authority", "order-tls", "order-database", "order-nats", "order-keys", "administrator",
    }  # fmt: skip
    assert store.kinds["order-database"] == "kubernetes.io/basic-auth"
    assert store.kinds["order-tls"] == "kubernetes.io/tls"
    before = dict(store.secrets)
    provision(PLAN, store)
    assert store.secrets == before


def test_a_missing_secret_is_generated_again_and_the_others_are_kept() -> None:
    store = SecretStore()
    provision(PLAN, store)
    before = dict(store.secrets)
    del store.secrets["order-nats"]
    provision(PLAN, store)
    assert store.secrets["order-nats"] != before["order-nats"]
    assert store.secrets["order-keys"] == before["order-keys"]


def test_certificates_have_the_spiffe_id_and_the_dns_name() -> None:
    store = SecretStore()
    provision(PLAN, store)
    certificate = x509.load_pem_x509_certificate(store.secrets["order-tls"]["tls.crt"])
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://example.local/ns/kitchen/sa/order"]
    assert "order" in names.get_values_for_type(x509.DNSName)
    authority = x509.load_pem_x509_certificate(store.secrets["order-tls"]["ca.crt"])
    certificate.verify_directly_issued_by(authority)


def test_an_expiring_certificate_is_renewed_by_the_same_authority() -> None:
    store = SecretStore()
    provision(PLAN, store)
    before = dict(store.secrets)
    provision(PLAN.model_copy(update={"renew_days": PLAN.certificate_days + 1}), store)
    assert store.secrets["order-tls"]["tls.crt"] != before["order-tls"]["tls.crt"]
    assert store.secrets["mesh-authority"] == before["mesh-authority"]


def test_a_certificate_of_another_authority_or_name_is_not_kept() -> None:
    mine, foreign = Authority.create("mine"), Authority.create("foreign")
    uri = spiffe_id("example.local", "kitchen", "order")
    day = datetime.timedelta(days=1)
    good = mine.issue("order", uri=uri, dns_names=["order"], days=30)
    assert mine.has_issued(good, uri=uri, good_for=day)
    assert not foreign.has_issued(good, uri=uri, good_for=day)
    assert not mine.has_issued(good, uri=uri + "x", good_for=day)
    assert not mine.has_issued(good, uri=uri, good_for=31 * day)
    assert not mine.has_issued(Pair(b"", b""), uri=uri, good_for=day)
    other = mine.issue("order", uri=uri, dns_names=["order"], days=30)
    assert not mine.has_issued(Pair(good.certificate, other.key), uri=uri, good_for=day)


def test_the_generated_keys_have_the_format_of_the_settings() -> None:
    store = SecretStore()
    provision(PLAN, store)
    keys = {name: value.decode() for name, value in store.secrets["order-keys"].items()}
    cipher = FieldCipher.parse(keys["field-keys"], keys["index-key"])
    assert cipher.decrypt(cipher.encrypt("a@example.com", "customers.email"), "customers.email") == "a@example.com"
    assert len(decode_key(keys["signing-key"])) == 32


def test_passwords_begin_with_a_letter() -> None:
    store = SecretStore()
    provision(PLAN, store)
    for name in ("order-database", "order-nats", "administrator"):
        assert store.secrets[name]["password"][:1].isalpha()
