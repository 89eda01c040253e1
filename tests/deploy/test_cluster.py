"""The laptop set at run time: the command and environment of each container, with real servers."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nats
import psycopg
import pytest
from nats.errors import Error
from nats.js import JetStreamContext

from chassis.events.bus import inbox, stream_name
from devstack.ports import LOOPBACK
from tests.deploy.cluster import Cluster, http_status
from tools.deploy import architecture

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """State after the first install: Secrets, servers, schemas, streams, nine services, the edge."""
    directory = Path(tempfile.mkdtemp(prefix="jain-shikanji-chart-"))
    directory.chmod(0o755)
    found = Cluster(directory)
    try:
        found.make_secrets()
        found.start_postgres()
        found.start_nats()
        migrations = [found.start_job("first-migrations", name) for name in architecture()]
        for process in migrations:
            output, _ = process.communicate(timeout=120)
            assert process.returncode == 0, output
        streams = found.run("first-streams", "streams")
        assert streams.returncode == 0, streams.stdout + streams.stderr
        for name in architecture():
            found.serve(name)
        found.start_edge()
        for name in architecture():
            found.wait_ready(name)
        yield found
    finally:
        found.close()
        shutil.rmtree(directory, ignore_errors=True)


def test_every_service_passes_its_probes(cluster: Cluster) -> None:
    for name in architecture():
        assert cluster.probe(name, "live")
        assert cluster.probe(name)
    deadline = time.monotonic() + 30
    while http_status(f"{cluster.edge_url}/healthz") != 200:
        assert time.monotonic() < deadline, "the edge does not reach all services"
        time.sleep(0.2)


def test_helm_test_passes_with_the_account_of_the_administrator(cluster: Cluster) -> None:
    made = cluster.run("administrator", "administrator", as_service="customer")
    assert made.returncode == 0, made.stdout + made.stderr
    assert "the administrator was created" in made.stdout
    again = cluster.run("administrator", "administrator", as_service="customer")
    assert again.returncode == 0, again.stdout + again.stderr
    checked = cluster.run("check", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "the account can log in" in checked.stdout
    assert "there is no store: the quote is rejected" in checked.stdout


def test_repeated_jobs_change_nothing(cluster: Cluster) -> None:
    before = len(cluster.secrets.writes)
    cluster.make_secrets()
    assert len(cluster.secrets.writes) == before, "existing Secrets are not changed"
    assert cluster.run("first-streams", "streams").returncode == 0
    repeated = cluster.run("first-migrations", "review")
    assert repeated.returncode == 0, repeated.stdout + repeated.stderr


def test_permissions_of_the_logins_allow_an_event_from_outbox_to_consumer(cluster: Cluster) -> None:
    """customer publishes a registration; loyalty, which has another login, creates a loyalty account for it."""
    email = f"asha.{time.monotonic_ns()}@customers.example"
    body = {"email": email, "password": "correct horse battery", "firstName": "Asha", "locale": "en-IN"}
    request = urllib.request.Request(  # noqa: S310 - loopback
        f"{cluster.edge_url}/api/auth/register",
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - loopback
        customer_id = json.load(response)["id"]
    deadline = time.monotonic() + 30
    query = "SELECT count(*) FROM loyalty_accounts WHERE customer_id = %s"
    while True:
        with psycopg.connect(cluster.postgres.admin_url("loyalty_db")) as connection:
            row = connection.execute(query, (customer_id,)).fetchone()
        if row is not None and row[0] == 1:
            return
        assert time.monotonic() < deadline, (cluster.directory / "loyalty.log").read_text()[-3000:]
        time.sleep(0.1)


def test_postgresql_accepts_the_arguments_of_the_chart(cluster: Cluster) -> None:
    [container] = cluster.pods["postgres"].containers
    program, data = cluster.postgres.program("postgres"), cluster.postgres.data
    for argument in container["args"]:
        name, _, value = argument.removeprefix("-c").partition("=")
        result = subprocess.run(
            [str(program), "-C", name, "-D", str(data), *container["args"]], capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr
        assert result.stdout.strip(), name
        assert name in {"shared_buffers", "log_min_duration_statement"} or result.stdout.strip() == value


def test_a_login_can_connect_only_to_its_own_database(cluster: Cluster) -> None:
    password = (cluster.secrets.directory / "review-database" / "password").read_text()
    for service, facts in architecture().items():
        url = f"postgresql://review:{password}@{LOOPBACK}:{cluster.postgres.port}/{facts['database']}"
        if service == "review":
            psycopg.connect(url).close()
        else:
            with pytest.raises(psycopg.OperationalError, match="permission denied"):
                psycopg.connect(url)


async def _login(cluster: Cluster, user: str) -> tuple[nats.NATS, list[str]]:
    errors: list[str] = []

    async def on_error(error: Exception) -> None:
        errors.append(str(error))

    password = (cluster.secrets.directory / f"{user}-nats" / "password").read_text()
    url = f"nats://{LOOPBACK}:{cluster.ports['nats']}"
    client = await nats.connect(url, user=user, password=password, inbox_prefix=inbox(user), error_cb=on_error)
    return client, errors


async def test_a_nats_login_cannot_publish_for_another_service_or_read_other_streams(cluster: Cluster) -> None:
    client, errors = await _login(cluster, "review")
    try:
        js: JetStreamContext = client.jetstream(timeout=1.0)
        with pytest.raises(Error):
            await js.publish("jainshikanji.payment.v1.PaymentCompleted", b"forged")
        with pytest.raises(Error):
            await js.stream_info(stream_name("payment"))
        with pytest.raises(Error):
            await js.add_consumer(stream_name("order"), durable_name="review-2")
        await client.subscribe("jainshikanji.payment.v1.>")
        await client.subscribe("_INBOX.payment.>")
        deadline = time.monotonic() + 10
        while len([text for text in errors if "permissions violation" in text.lower()]) < 5:
            assert time.monotonic() < deadline, errors
            await asyncio.sleep(0.05)
    finally:
        await client.close()


async def test_nats_rejects_connections_without_a_login(cluster: Cluster) -> None:
    with pytest.raises(Error):
        await nats.connect(
            f"nats://{LOOPBACK}:{cluster.ports['nats']}", max_reconnect_attempts=0, allow_reconnect=False
        )


def test_services_and_edge_export_metrics(cluster: Cluster) -> None:
    for place in ("order:metrics", "edge:metrics"):
        url = f"http://{LOOPBACK}:{cluster.ports[place]}/metrics"
        with urllib.request.urlopen(url, timeout=5) as response:
            text = response.read().decode()
        assert (
            "rpc_server_duration_seconds" if place.startswith("order") else "envoy_http_downstream_rq_total"
        ) in text
    admin = f"http://{LOOPBACK}:{cluster.ports['edge:metrics']}/quitquitquit"
    assert http_status(admin) == 404


def test_certificates_rotate_without_a_restart(cluster: Cluster) -> None:
    """Services present new certificates of the same authority without a restart, and calls continue to succeed."""
    plan = json.loads(cluster.configs["secrets-plan"]["data"]["plan.json"])
    for name in ("order", "edge"):
        shutil.rmtree(cluster.secrets.directory / plan["certificates"][name])
    before = _serial(cluster, "order")
    cluster.make_secrets()
    deadline = time.monotonic() + 20
    while _serial(cluster, "order") == before:
        assert time.monotonic() < deadline, "the service still presents the old certificate"
        time.sleep(0.2)
    assert cluster.run("check", "check").returncode == 0


def _serial(cluster: Cluster, name: str) -> bytes:
    """Certificate that a service presents to a client of the mesh."""
    import ssl

    context = ssl.create_default_context(cafile=str(cluster.directory / "tls" / "operator" / "ca.pem"))
    context.load_cert_chain(
        cluster.directory / "tls" / "operator" / "cert.pem", cluster.directory / "tls" / "operator" / "key.pem"
    )
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection((LOOPBACK, cluster.ports[f"{name}:grpc"]), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=name) as secured,
    ):
        return secured.getpeercert(binary_form=True) or b""


def test_the_operator_pod_lists_dead_letters(cluster: Cluster) -> None:
    import sys

    from tests.deploy.cluster import ROOT, image_environment

    pod = cluster.pods["operator"]
    variables = cluster.variables(pod, pod.containers[0], "operator")
    variables["ORDER_TLS_DIR"] = str(cluster.directory / "tls" / "operator")
    variables["ORDER_PEERS"] = cluster.replaced("order")["ORDER_PEERS"]
    listed = subprocess.run(
        [sys.executable, "-m", "services", "order", "dead-letters", "list"],
        env={**image_environment(), **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert listed.returncode == 0, listed.stdout + listed.stderr


def test_the_edge_finishes_requests_in_flight_before_it_stops(cluster: Cluster) -> None:
    """A request whose second half arrives after SIGTERM gets its response before the edge stops."""
    body = json.dumps({"email": "unknown@customers.example", "password": "x" * 12}).encode()
    headers = ("host: edge", "content-type: application/json", f"content-length: {len(body)}")
    head = "\r\n".join(("POST /api/auth/login HTTP/1.1", *headers, "", ""))
    with socket.create_connection((LOOPBACK, cluster.ports["edge:http"]), timeout=20) as connection:
        connection.sendall(head.encode() + body[:10])
        time.sleep(0.5)
        codes: list[int] = []
        stopping = threading.Thread(target=lambda: codes.append(cluster.stop("edge")))
        stopping.start()
        time.sleep(1.5)
        assert not codes, "the edge stopped while a request was in flight"
        connection.sendall(body[10:])
        response = connection.recv(65536).decode()
    stopping.join(timeout=30)
    assert response.startswith("HTTP/1.1 401"), response
    assert codes == [0]


def test_a_service_exits_with_zero_after_sigterm(cluster: Cluster) -> None:
    assert cluster.stop("review") == 0
