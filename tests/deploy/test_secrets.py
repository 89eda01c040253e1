"""The job that makes Secrets, against a server that answers as the API server does and refuses what the Role does."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate
import pytest

from chassis.security.certificates import Authority
from chassis.security.provisioning import ClusterSecrets, ClusterUnreachable, Plan, provision
from devstack.ports import LOOPBACK
from tests.deploy.chart import Object, of_kind, rendered
from tools.deploy import KUBERNETES, NAMESPACE

TOKEN = "of-the-service-account"


class ApiServer(ThreadingHTTPServer):
    """Secrets of one namespace, for one account whose role names them. The first request finds it busy."""

    daemon_threads = True

    def __init__(self, directory: Path, role: Object) -> None:
        super().__init__((LOOPBACK, 0), Handler)
        [self.rule] = role["rules"]
        self.secrets: dict[str, Object] = {}
        self.writes: list[str] = []
        self.busy = 1
        authority = Authority.found("cluster")
        pair = authority.issue("apiserver", uri="spiffe://cluster/apiserver", dns_names=["localhost"], days=1)
        for name, content in {
            "ca.crt": authority.pair.certificate,
            "tls.crt": pair.certificate,
            "tls.key": pair.key,
        }.items():
            (directory / name).write_bytes(content)
        (directory / "token").write_text(TOKEN + "\n")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "tls.crt", directory / "tls.key")
        self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.server_address[1]}"

    def may(self, verb: str, name: str) -> bool:
        return verb in self.rule["verbs"] and name in self.rule["resourceNames"]


class Handler(BaseHTTPRequestHandler):
    server: ApiServer

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self, status: int, body: Object) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _name(self, *verbs: str) -> str | None:
        """The Secret that is asked for; None, and the refusal is sent, when this account may not."""
        path, name = urlsplit(self.path).path.rsplit("/", 1)
        if self.server.busy:
            self.server.busy -= 1
            self._answer(503, {"message": "the server is currently unable to handle the request"})
        elif self.headers["authorization"] != f"Bearer {TOKEN}":
            self._answer(401, {"message": "Unauthorized"})
        elif path != f"/api/v1/namespaces/{NAMESPACE}/secrets" or not all(
            self.server.may(verb, name) for verb in verbs
        ):
            self._answer(403, {"message": f'secrets "{name}" is forbidden'})
        else:
            return name
        return None

    def do_GET(self) -> None:
        name = self._name("get")
        if name is not None:
            found = self.server.secrets.get(name)
            self._answer(200 if found else 404, found or {"message": f'secrets "{name}" not found'})

    def do_PATCH(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        # Applying what is not there also asks for the right to create, with the name.
        name = self._name("patch", "create")
        if name is None:
            return
        query = parse_qs(urlsplit(self.path).query)
        if self.headers["content-type"] != "application/apply-patch+yaml":
            self._answer(415, {"message": "the media type is not supported"})
        elif "fieldManager" not in query or body["metadata"]["name"] != name:
            self._answer(400, {"message": "fieldManager is required for apply patch, and the name must match"})
        else:
            kubernetes_validate.validate(body, KUBERNETES, strict=True)
            self.server.secrets[name] = body
            self.server.writes.append(name)
            self._answer(201, body)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiServer]:
    server = ApiServer(tmp_path, of_kind(rendered("laptop"), "Role")["secrets"])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def planned() -> Plan:
    return Plan.model_validate_json(of_kind(rendered("laptop"), "ConfigMap")["secrets-plan"]["data"]["plan.json"])


def test_what_the_role_names_is_made_once_and_read_back(api: ApiServer, tmp_path: Path) -> None:
    store = ClusterSecrets(NAMESPACE, api.url, account=tmp_path)
    provision(planned(), store)
    assert sorted(api.writes) == sorted(api.rule["resourceNames"])
    login = store.read("order-database")
    assert login is not None
    assert login["username"] == b"order"
    provision(planned(), store)
    assert len(api.writes) == len(api.secrets), "a second run writes nothing"


def test_what_the_role_does_not_name_is_refused_with_what_the_server_says(api: ApiServer, tmp_path: Path) -> None:
    store = ClusterSecrets(NAMESPACE, api.url, account=tmp_path)
    with pytest.raises(ClusterUnreachable, match=r'403.*secrets \\"somebody-elses\\" is forbidden'):
        store.write("somebody-elses", "Opaque", {"key": b"value"}, {})
    with pytest.raises(ClusterUnreachable, match="403"):
        ClusterSecrets("another-namespace", api.url, account=tmp_path).read("order-database")


def test_a_server_of_another_authority_is_not_spoken_to(
    api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.security.provisioning._ATTEMPTS", 1)
    (tmp_path / "ca.crt").write_bytes(Authority.found("another").pair.certificate)
    with pytest.raises(ClusterUnreachable, match="no answer"):
        ClusterSecrets(NAMESPACE, api.url, account=tmp_path).read("order-database")
