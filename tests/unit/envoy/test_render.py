"""The edge's configuration follows from the contracts and from nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2
from jainshikanji.options.v1 import access_pb2
from pydantic import ValidationError

from chassis.process.settings import TRUST_DOMAIN
from devstack.certificates import NAMESPACE
from tests.contract.edge_services import renderer

Caller = access_pb2.Access.Caller
Rpc = descriptor_pb2.MethodDescriptorProto


def _rpc(name: str, path: str = "", *callers: Caller.Value.ValueType, service: str = "", **options: Any) -> Rpc:
    rpc = Rpc(name=name, **options)
    access = access_pb2.Access(callers=callers, services=[service] if service else [])
    rpc.options.Extensions[access_pb2.access].CopyFrom(access)
    if path:
        rpc.options.Extensions[annotations_pb2.http].get = path
    return rpc


def _set(*rpcs: Rpc, package: str = "jainshikanji.order.v1") -> Any:
    service = descriptor_pb2.ServiceDescriptorProto(name="OrderService", method=rpcs)
    file = descriptor_pb2.FileDescriptorProto(name="order.proto", package=package, service=[service])
    return descriptor_pb2.FileDescriptorSet(file=[file])


def test_the_edge_and_its_peers_are_of_one_trust_domain() -> None:
    fields = renderer.EdgeSettings.model_fields
    assert (fields["trust_domain"].default, fields["namespace"].default) == (TRUST_DOMAIN, NAMESPACE)


def test_an_rpc_without_access_fails_the_build() -> None:
    with pytest.raises(renderer.RenderError, match="has no access option"):
        renderer.methods(_set(Rpc(name="GetOrder")))


@pytest.mark.parametrize(
    "rpc", [_rpc("GetOrder", "/api/orders/{id}", service="payment"), _rpc("GetOrder", "", Caller.PUBLIC)]
)
def test_a_rest_path_and_outside_callers_come_together(rpc: Rpc) -> None:
    with pytest.raises(renderer.RenderError, match="or neither"):
        renderer.methods(_set(rpc))


def test_internal_rpcs_and_foreign_packages_get_no_route() -> None:
    assert renderer.methods(_set(_rpc("Reserve", service="order"))) == []
    foreign = _set(_rpc("List", "/api/x", Caller.PUBLIC), package="jainshikanji.operations.v1")
    assert renderer.methods(foreign) == []


def test_policies_name_methods_and_fold_wider_callers() -> None:
    found = renderer.methods(
        _set(
            _rpc("A", "/api/a", Caller.PUBLIC, Caller.ADMIN),
            _rpc("B", "/api/b", Caller.CUSTOMER, Caller.ADMIN),
            _rpc("C", "/api/c", Caller.MANAGER, Caller.ADMIN),
        )
    )
    policies = renderer.policies(found)
    assert list(policies) == ["admin-manager", "customer", "public"]
    exact = policies["admin-manager"]["permissions"][0]["url_path"]["path"]["exact"]
    assert exact == "/jainshikanji.order.v1.OrderService/C"
    assert policies["public"]["principals"] == [{"any": True}]
    assert len(policies["admin-manager"]["principals"]) == 2


def test_only_reads_are_tried_again_when_a_service_is_unavailable() -> None:
    read = _rpc("Get", "/api/g", Caller.PUBLIC)
    read.options.idempotency_level = descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS
    settings = renderer.EdgeSettings()
    routes = [
        renderer.method_route(m, settings) for m in renderer.methods(_set(read, _rpc("Put", "/api/p", Caller.PUBLIC)))
    ]
    retried = ["unavailable" in route["route"]["retry_policy"]["retry_on"] for route in routes]
    assert retried == [True, False]


def test_a_stream_has_no_total_timeout_but_an_end() -> None:
    stream = _rpc("Watch", "/api/w", Caller.PUBLIC, server_streaming=True)
    route = renderer.method_route(renderer.methods(_set(stream))[0], renderer.EdgeSettings())
    assert route["route"]["timeout"] == "0s"
    assert route["route"]["max_stream_duration"] == {"max_stream_duration": "900s"}
    assert route["request_headers_to_add"] == []


def test_a_path_that_the_edge_relies_on_must_exist() -> None:
    with pytest.raises(renderer.RenderError, match=r"jwks\.json"):
        renderer.render(renderer.EdgeSettings(), _set(_rpc("A", "/api/a", Caller.PUBLIC)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"cookies": "loopback"},
        {"cookies": "loopback", "listen_address": "10.0.0.1"},
        {"targets": {"ordre": ["localhost:1"]}},
        {"origins": ["shop.example"]},
        {"listen_port": 0},
        {"limits": 5},
        {"public_per_minute": 0},
    ],
)
def test_settings_that_would_be_dangerous_or_mistaken_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        renderer.EdgeSettings(**wrong)


def test_cookie_names_follow_the_mode() -> None:
    secure, plain = renderer.EdgeSettings(), renderer.EdgeSettings(cookies="loopback", listen_address="127.0.0.1")
    assert (secure.access_cookie, secure.refresh_cookie) == ("__Host-at", "__Secure-rt")
    assert (plain.access_cookie, plain.refresh_cookie) == ("at", "rt")


def test_certificates_are_read_through_files_that_envoy_watches() -> None:
    secrets = renderer.secrets(renderer.EdgeSettings(tls_dir=Path("/etc/tls"), listener_tls_dir=Path("/etc/public")))
    assert set(secrets) == {"sds-identity.yaml", "sds-authority.yaml", "sds-listener.yaml"}
    identity = yaml.safe_load(secrets["sds-identity.yaml"])["resources"][0]
    assert identity["tls_certificate"]["private_key"] == {"filename": "/etc/tls/key.pem"}
