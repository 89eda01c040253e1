"""The list of arrows against contracts and code, and what the chart makes of it."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml

from chassis.events.bus import PACKAGE, publisher
from devstack.postgres import DATABASES
from services.identity import IDENTITY
from tests.contract.contracts import rpcs
from tests.deploy.chart import RENDERS, SETS, Object, of_kind, rendered
from tools.deploy import CHART, CLUSTER, ROOT, architecture, nats_users, values

ARROWS = architecture()
STUB = re.compile(r"(?:\.stub\(|BatchedCall\(\s*peers,)\s*\"([a-z]+)\"")


@cache
def sources(service: str) -> list[str]:
    return [file.read_text() for file in (ROOT / "services" / service).rglob("*.py")]


def clients_in_code(service: str) -> set[str]:
    """Whom the service's code, or the chassis in its process, asks."""
    texts = [*sources(service), (ROOT / "services" / "identity.py").read_text()]
    return {peer for text in texts for peer in STUB.findall(text)}


def admitted_by_contracts(service: str) -> set[str]:
    return {
        rpc.package.removeprefix(f"{PACKAGE}.").removesuffix(".v1")
        for rpc in rpcs()
        if service in rpc.access.services or "*" in rpc.access.services
    }


def declared(service: str) -> Any:
    return importlib.import_module(f"services.{service}.__main__").SERVICE


def test_the_list_names_the_services_and_their_databases() -> None:
    assert {name: facts["database"] for name, facts in ARROWS.items()} == DATABASES


@pytest.mark.parametrize("service", ARROWS)
def test_calls_are_those_of_the_code_and_the_contracts_admit_them(service: str) -> None:
    assert set(ARROWS[service]["calls"]) == clients_in_code(service)
    assert set(ARROWS[service]["calls"]) <= admitted_by_contracts(service)


def test_contracts_admit_the_services_that_call_and_no_others() -> None:
    differences = {}
    for rpc in rpcs():
        admitted = set(rpc.access.services) & set(ARROWS)
        if admitted:
            single = rpc.method.name.removeprefix("Batch")
            call = re.compile(rf"\.{rpc.method.name}\(|BatchedCall\([^)]*\"{single}\"")
            calling = {name for name in ARROWS if any(map(call.search, sources(name)))}
            if calling != admitted:
                differences[rpc.method.full_name] = (admitted, calling)
    assert differences == {}


@pytest.mark.parametrize("service", ARROWS)
def test_streams_that_are_heard_are_those_of_the_handler_tables(service: str) -> None:
    heard = {publisher(event.DESCRIPTOR.full_name) for event in declared(service).handlers}
    assert set(ARROWS[service]["hears"]) == heard


@pytest.mark.parametrize("service", ARROWS)
def test_events_that_are_overheard_are_those_of_the_listeners(service: str) -> None:
    listened = {event.DESCRIPTOR.full_name for event in (*declared(service).listeners, IDENTITY.revoked_event)}
    assert set(ARROWS[service]["overhears"]) == listened


def peers(rule: Object, direction: str) -> Iterator[str]:
    for peer in rule.get(direction, ()):
        labels = peer.get("podSelector", {}).get("matchLabels", {})
        yield labels.get("app.kubernetes.io/name", "")


@pytest.mark.parametrize(("name", "is_install"), RENDERS)
def test_policies_open_exactly_the_arrows(name: str, is_install: bool) -> None:
    policies = of_kind(rendered(name, is_install=is_install), "NetworkPolicy")
    for service, facts in ARROWS.items():
        spec = policies[service]["spec"]
        mesh_in = [rule for rule in spec["ingress"] if rule["ports"] == [{"protocol": "TCP", "port": 50051}]]
        callers = {caller for caller, theirs in ARROWS.items() if service in theirs["calls"]} | {"edge", "operator"}
        assert [set(peers(rule, "from")) for rule in mesh_in] == [callers]
        mesh_out = [rule for rule in spec["egress"] if rule["ports"] == [{"protocol": "TCP", "port": 50051}]]
        assert [set(peers(rule, "to")) for rule in mesh_out] == [set(facts["calls"])]
        assert all(rule.get("from") for rule in spec["ingress"]), "a rule without peers lets everybody in"
        assert all(rule.get("to") for rule in spec["egress"]), "a rule without peers lets out to everywhere"
    assert "ingress" not in policies["default-deny"]["spec"]
    assert "egress" not in policies["default-deny"]["spec"]
    [out] = [rule for rule in policies["edge"]["spec"]["egress"] if rule["ports"][0]["port"] == 50051]
    assert set(peers(out, "to")) == set(ARROWS)


@pytest.mark.parametrize("name", SETS)
def test_only_named_addresses_outside_are_reached(name: str) -> None:
    outside = {
        policy_name: [
            peer["ipBlock"]["cidr"]
            for rule in policy["spec"].get("egress", ())
            for peer in rule["to"]
            if "ipBlock" in peer
        ]
        for policy_name, policy in of_kind(rendered(name), "NetworkPolicy").items()
    }
    found = {key: cidrs for key, cidrs in outside.items() if cidrs}
    if name == "laptop":
        # The API server is no pod and has no name that a policy knows.
        assert found == {"secrets": ["0.0.0.0/0"]}
    else:
        assert found == {"payment": ["203.0.113.0/24"], "notification": ["198.51.100.25/32"]}


def test_a_login_of_nats_publishes_its_own_stream_and_hears_what_it_consumes() -> None:
    users = {user["user"]: user["permissions"] for user in nats_users()}
    assert set(users) == {*ARROWS, "streams"}
    for service, facts in ARROWS.items():
        events = {subject for subject in users[service]["publish"] if subject.startswith(PACKAGE)}
        assert events == {f"{PACKAGE}.{service}.v1.>"}
        acknowledged = {subject.split(".")[2].lower() for subject in users[service]["publish"] if "$JS.ACK" in subject}
        assert acknowledged == set(facts["hears"])
        assert not any("CREATE" in subject or "DELETE" in subject for subject in users[service]["publish"])
        assert set(users[service]["subscribe"]) == {f"_INBOX.{service}.>", f"deliver.{service}.>", *facts["overhears"]}


def test_the_operators_cluster_has_the_same_databases_and_logins() -> None:
    found = [one for one in yaml.safe_load_all((CLUSTER / "postgresql.yaml").read_text()) if one]
    databases = {one["spec"]["owner"]: one["spec"]["name"] for one in found if one["kind"] == "Database"}
    assert databases == DATABASES
    cluster = next(one for one in found if one["kind"] == "Cluster")["spec"]
    assert {role["name"]: role["passwordSecret"]["name"] for role in cluster["managed"]["roles"]} == {
        name: f"{name}-database" for name in ARROWS
    }
    admitted = [line.split() for line in cluster["postgresql"]["pg_hba"]]
    assert [line[1:3] for line in admitted[:-1]] == [[database, login] for login, database in DATABASES.items()]
    assert admitted[-1][0:2] == ["host", "all"]
    assert admitted[-1][-1] == "reject"
    assert admitted[-1][2].split(",") == list(ARROWS)
    assert cluster["instances"] == 3


def test_the_operators_cluster_has_connections_for_all_that_may_ask() -> None:
    found = [one for one in yaml.safe_load_all((CLUSTER / "postgresql.yaml").read_text()) if one]
    most = int(
        next(one for one in found if one["kind"] == "Cluster")["spec"]["postgresql"]["parameters"]["max_connections"]
    )
    poolers = {one["metadata"]["name"]: one["spec"] for one in found if one["kind"] == "Pooler"}
    for pooler in poolers.values():
        parameters = pooler["pgbouncer"]["parameters"]
        assert int(parameters["max_client_conn"]) == chart_values()["database"]["maxConnections"]
        kept = pooler["instances"] * int(parameters["default_pool_size"]) * len(ARROWS)
        # Relays that listen, twice while the lease changes hands, and migrations; then the operators' own.
        assert kept + 3 * len(ARROWS) + 40 <= most
    assert chart_values()["database"]["host"] in poolers
    assert values("high-availability")["database"]["readHost"] in poolers


def chart_values() -> Any:
    return yaml.safe_load((CHART / "values.yaml").read_text())
