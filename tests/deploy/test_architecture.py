"""files/architecture.yaml matches contracts and code, and the chart derives policies and permissions from it."""

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

DEPENDENCIES = architecture()
STUB = re.compile(r"(?:\.stub\(|BatchedCall\(\s*channels,)\s*\"([a-z]+)\"")


@cache
def sources(service: str) -> list[str]:
    return [file.read_text() for file in (ROOT / "services" / service).rglob("*.py")]


def clients_in_code(service: str) -> set[str]:
    """Services that the code of a service calls, or that the chassis calls in its process."""
    texts = [*sources(service), (ROOT / "services" / "identity.py").read_text()]
    return {peer for text in texts for peer in STUB.findall(text)}


def allowed_by_contracts(service: str) -> set[str]:
    return {
        rpc.package.removeprefix(f"{PACKAGE}.").removesuffix(".v1")
        for rpc in rpcs()
        if service in rpc.access.services or "*" in rpc.access.services
    }


def declared(service: str) -> Any:
    return importlib.import_module(f"services.{service}.__main__").SERVICE


def _compare(key: str, service: str, in_code: set[str]) -> None:
    """Fails with the names that helm/jain-shikanji/files/architecture.yaml lacks or has in excess."""
    in_file = set(DEPENDENCIES[service][key])
    missing, excess = sorted(in_code - in_file), sorted(in_file - in_code)
    assert in_file == in_code, f"`{key}` of {service} in architecture.yaml: missing {missing}, not in the code {excess}"


def test_services_and_databases_are_complete() -> None:
    assert {name: facts["database"] for name, facts in DEPENDENCIES.items()} == DATABASES


@pytest.mark.parametrize("service", DEPENDENCIES)
def test_calls_match_the_code_and_the_contracts_allow_them(service: str) -> None:
    _compare("calls", service, clients_in_code(service))
    assert set(DEPENDENCIES[service]["calls"]) <= allowed_by_contracts(service)


def test_contracts_allow_exactly_the_services_that_call() -> None:
    differences = {}
    for rpc in rpcs():
        allowed = set(rpc.access.services) & set(DEPENDENCIES)
        if allowed:
            single = rpc.method.name.removeprefix("Batch")
            call = re.compile(rf"\.{rpc.method.name}\(|BatchedCall\([^)]*\"{single}\"")
            calling = {name for name in DEPENDENCIES if any(map(call.search, sources(name)))}
            if calling != allowed:
                differences[rpc.method.full_name] = f"allows {sorted(allowed)}, called by {sorted(calling)}"
    assert differences == {}, differences


@pytest.mark.parametrize("service", DEPENDENCIES)
def test_consumed_streams_match_the_handler_tables(service: str) -> None:
    consumed = {publisher(event.DESCRIPTOR.full_name) for event in declared(service).handlers}
    _compare("consumes", service, consumed)


@pytest.mark.parametrize("service", DEPENDENCIES)
def test_subscribed_events_match_the_listeners(service: str) -> None:
    subscribed = {event.DESCRIPTOR.full_name for event in (*declared(service).listeners, IDENTITY.revoked_event)}
    _compare("subscribes", service, subscribed)


def peers(rule: Object, direction: str) -> Iterator[str]:
    """Components that a rule of a network policy allows."""
    for peer in rule.get(direction, ()):
        labels = peer.get("podSelector", {}).get("matchLabels", {})
        yield labels.get("app.kubernetes.io/name", "")


@pytest.mark.parametrize(("name", "is_install"), RENDERS)
def test_policies_allow_exactly_the_declared_dependencies(name: str, is_install: bool) -> None:
    policies = of_kind(rendered(name, is_install=is_install), "NetworkPolicy")
    for service, facts in DEPENDENCIES.items():
        spec = policies[service]["spec"]
        mesh_in = [rule for rule in spec["ingress"] if rule["ports"] == [{"protocol": "TCP", "port": 50051}]]
        callers = {caller for caller, theirs in DEPENDENCIES.items() if service in theirs["calls"]} | {
            "edge",
            "operator",
        }
        assert [set(peers(rule, "from")) for rule in mesh_in] == [callers]
        mesh_out = [rule for rule in spec["egress"] if rule["ports"] == [{"protocol": "TCP", "port": 50051}]]
        assert [set(peers(rule, "to")) for rule in mesh_out] == [set(facts["calls"])]
        assert all(rule.get("from") for rule in spec["ingress"]), "a rule without peers allows every source"
        assert all(rule.get("to") for rule in spec["egress"]), "a rule without peers allows every destination"
    assert "ingress" not in policies["default-deny"]["spec"]
    assert "egress" not in policies["default-deny"]["spec"]
    [out] = [rule for rule in policies["edge"]["spec"]["egress"] if rule["ports"][0]["port"] == 50051]
    assert set(peers(out, "to")) == set(DEPENDENCIES)


@pytest.mark.parametrize("name", SETS)
def test_egress_to_external_addresses_is_listed(name: str) -> None:
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
        # The API server is not a pod, so a policy can allow it only by address.
        assert found == {"secrets": ["0.0.0.0/0"]}
    else:
        assert found == {"payment": ["203.0.113.0/24"], "notification": ["198.51.100.25/32"]}


def test_a_nats_login_publishes_to_its_own_stream_and_reads_what_it_consumes() -> None:
    users = {user["user"]: user["permissions"] for user in nats_users()}
    assert set(users) == {*DEPENDENCIES, "streams"}
    for service, facts in DEPENDENCIES.items():
        events = {subject for subject in users[service]["publish"] if subject.startswith(PACKAGE)}
        assert events == {f"{PACKAGE}.{service}.v1.>"}
        acknowledged = {subject.split(".")[2].lower() for subject in users[service]["publish"] if "$JS.ACK" in subject}
        assert acknowledged == set(facts["consumes"])
        assert not any("CREATE" in subject or "DELETE" in subject for subject in users[service]["publish"])
        assert set(users[service]["subscribe"]) == {f"_INBOX.{service}.>", f"deliver.{service}.>", *facts["subscribes"]}


def test_cloudnativepg_has_the_same_databases_and_logins() -> None:
    found = [one for one in yaml.safe_load_all((CLUSTER / "postgresql.yaml").read_text()) if one]
    databases = {one["spec"]["owner"]: one["spec"]["name"] for one in found if one["kind"] == "Database"}
    assert databases == DATABASES
    cluster = next(one for one in found if one["kind"] == "Cluster")["spec"]
    assert {role["name"]: role["passwordSecret"]["name"] for role in cluster["managed"]["roles"]} == {
        name: f"{name}-database" for name in DEPENDENCIES
    }
    rules = [line.split() for line in cluster["postgresql"]["pg_hba"]]
    assert [line[1:3] for line in rules[:-1]] == [[database, login] for login, database in DATABASES.items()]
    assert rules[-1][0:2] == ["host", "all"]
    assert rules[-1][-1] == "reject"
    assert rules[-1][2].split(",") == list(DEPENDENCIES)
    assert cluster["instances"] == 3


def test_cloudnativepg_accepts_the_connections_of_all_clients() -> None:
    found = [one for one in yaml.safe_load_all((CLUSTER / "postgresql.yaml").read_text()) if one]
    most = int(
        next(one for one in found if one["kind"] == "Cluster")["spec"]["postgresql"]["parameters"]["max_connections"]
    )
    poolers = {one["metadata"]["name"]: one["spec"] for one in found if one["kind"] == "Pooler"}
    for pooler in poolers.values():
        parameters = pooler["pgbouncer"]["parameters"]
        assert int(parameters["max_client_conn"]) == chart_values()["database"]["maxConnections"]
        pooled = pooler["instances"] * int(parameters["default_pool_size"]) * len(DEPENDENCIES)
        # LISTEN of the relays, twice while a lease moves, and migrations; then the operator and the poolers.
        assert pooled + 3 * len(DEPENDENCIES) + 40 <= most
    assert chart_values()["database"]["host"] in poolers
    assert values("high-availability")["database"]["readHost"] in poolers


def chart_values() -> Any:
    return yaml.safe_load((CHART / "values.yaml").read_text())
