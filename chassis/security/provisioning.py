"""Makes the Secrets that an empty cluster lacks: an authority, a certificate per identity, passwords and keys.

Everything is made once. What exists stays as it is, certificates excepted: one that soon expires, or that another
authority signed, is made anew, and the services read it without a restart. A cluster with cert-manager, an operator for
PostgreSQL and a vault needs none of this.

The plan is a JSON file (`PLAN`), rendered by the chart: which Secrets there are and of which kind. The service account
may write exactly those: server-side apply names the Secret in the request, so RBAC can name it too.
"""

from __future__ import annotations

import base64
import datetime
import json
import os
import secrets
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import structlog
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from chassis.security.certificates import Authority, Pair, spiffe_id

log = structlog.get_logger(__name__)

PLAN = Path("/etc/provisioning/plan.json")
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
MANAGER = "jain-shikanji-provisioning"
_ATTEMPTS = 30
_KEY_BYTES = 32

Data = dict[str, bytes]


class Plan(BaseModel):
    """What there must be. Names are those of Secrets; `{...}` of the chart are already filled in."""

    model_config = ConfigDict(extra="forbid")

    namespace: str
    trust_domain: str
    authority: str = Field(description="Secret of the authority's own certificate and key")
    certificates: dict[str, str] = Field(description="identity -> Secret")
    certificate_days: PositiveInt = 825
    renew_days: PositiveInt = Field(275, description="a certificate that is good for fewer days is made anew")
    databases: dict[str, str] = Field(description="login -> Secret with username and password")
    nats: dict[str, str] = Field(description="login -> Secret with a password")
    keys: dict[str, str] = Field(description="service -> Secret with its keys")
    accounts: dict[str, str] = Field(default_factory=dict, description="mailbox -> Secret with username and password")
    labels: dict[str, str] = Field(default_factory=dict)


class Store(Protocol):
    """Where Secrets are."""

    def read(self, name: str) -> Data | None: ...

    def write(self, name: str, kind: str, data: Data, labels: dict[str, str]) -> None: ...


class ClusterUnreachable(RuntimeError):
    """The API server refused or did not answer; the text says what it said."""


class ClusterSecrets:
    """Secrets of one namespace, by the API server and this pod's service account."""

    def __init__(self, namespace: str, server: str, account: Path = ACCOUNT) -> None:
        self._base = f"{server}/api/v1/namespaces/{namespace}/secrets"
        self._account = account
        trust = account / "ca.crt"
        self._context = ssl.create_default_context(cafile=str(trust)) if server.startswith("https") else None

    def read(self, name: str) -> Data | None:
        found = self._ask("GET", f"{self._base}/{name}")
        if found is None:
            return None
        return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}

    def write(self, name: str, kind: str, data: Data, labels: dict[str, str]) -> None:
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "labels": labels},
            "type": kind,
            "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
        }
        self._ask("PATCH", f"{self._base}/{name}?fieldManager={MANAGER}&force=true", secret)

    def _ask(self, verb: str, url: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """The answer as JSON, None for a Secret that is not there. Waits a little for a server that is busy."""
        for attempt in range(_ATTEMPTS):
            request = urllib.request.Request(  # noqa: S310 - the cluster's own API server
                url,
                method=verb,
                data=json.dumps(body).encode() if body else None,
                headers={
                    "authorization": f"Bearer {(self._account / 'token').read_text().strip()}",
                    "content-type": "application/apply-patch+yaml",
                    "accept": "application/json",
                },
            )
            try:
                with urllib.request.urlopen(request, context=self._context, timeout=10) as answer:  # noqa: S310
                    found: dict[str, Any] = json.load(answer)
                    return found
            except urllib.error.HTTPError as error:
                if error.code == 404 and verb == "GET":  # noqa: PLR2004 - HTTP
                    return None
                if error.code < 500 and error.code != 429:  # noqa: PLR2004 - HTTP
                    raise ClusterUnreachable(f"{verb} {url}: {error.code} {error.read().decode()}") from error
                log.info("the API server is busy", attempt=attempt, status=error.code)
            except OSError as error:
                log.info("the API server does not answer", attempt=attempt, error=str(error))
            time.sleep(1.0)
        raise ClusterUnreachable(f"{verb} {url}: no answer")


def provision(plan: Plan, store: Store) -> None:
    """Makes what is missing. Repeating it changes nothing until a certificate comes near its end."""
    _make_certificates(plan, store)
    for login, name in [*plan.databases.items(), *plan.nats.items(), *plan.accounts.items()]:
        _once(plan, store, name, "kubernetes.io/basic-auth", partial(_login, login))
    for name in plan.keys.values():
        _once(plan, store, name, "Opaque", _keys)


def _once(plan: Plan, store: Store, name: str, kind: str, make: Callable[[], Data]) -> None:
    if store.read(name) is None:
        store.write(name, kind, make(), plan.labels)
        log.info("made", name=name)


def _login(login: str) -> Data:
    # NATS reads a password that begins with a digit as a number.
    return {"username": login.encode(), "password": f"p{secrets.token_hex(24)}".encode()}


def _keys() -> Data:
    return {
        "field-keys": f"1:{_random_key()}".encode(),
        "index-key": _random_key().encode(),
        "signing-key": _random_key().encode(),
    }


def _random_key() -> str:
    return base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def _make_certificates(plan: Plan, store: Store) -> None:
    found = store.read(plan.authority)
    authority = Authority(Pair(found["tls.crt"], found["tls.key"])) if found else Authority.found("Jain Shikanji mesh")
    if found is None:
        store.write(plan.authority, "kubernetes.io/tls", _tls(authority.pair, authority), plan.labels)
    soon = datetime.timedelta(days=plan.renew_days)
    for identity, name in plan.certificates.items():
        uri = spiffe_id(plan.trust_domain, plan.namespace, identity)
        present = store.read(name) or {}
        if authority.has_issued(Pair(present.get("tls.crt", b""), present.get("tls.key", b"")), uri=uri, good_for=soon):
            continue
        dns_names = [identity, f"{identity}.{plan.namespace}.svc", "localhost"]
        pair = authority.issue(identity, uri=uri, dns_names=dns_names, days=plan.certificate_days)
        store.write(name, "kubernetes.io/tls", _tls(pair, authority), plan.labels)
        log.info("made", name=name, identity=uri)


def _tls(pair: Pair, authority: Authority) -> Data:
    return {"ca.crt": authority.pair.certificate, "tls.crt": pair.certificate, "tls.key": pair.key}


def main() -> None:
    plan = Plan.model_validate_json(PLAN.read_text())
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    address = f"[{host}]" if ":" in host else host
    provision(plan, ClusterSecrets(plan.namespace, f"https://{address}:{port}"))
