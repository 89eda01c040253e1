"""The interceptors of a running service: identity, access, validation and errors."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from jainshikanji.operations.v1 import dead_letter_service_pb2 as pb
from jainshikanji.operations.v1.dead_letter_service_pb2_grpc import DeadLetterServiceStub

from chassis import ids
from chassis.events.dead_letters import DeadLetterServicer
from chassis.process.service import Process
from devstack.certificates import Authority
from tests import harness
from tests.harness import Identity, Platform, rpc_error

OPERATOR = Identity("operator")


@pytest.fixture
async def store(platform: Platform) -> Process:
    return await platform.start("store")


def dead_letters(platform: Platform, caller: Identity) -> Any:
    return platform.stub("store", DeadLetterServiceStub, caller)


async def test_a_service_that_the_option_lists_is_allowed(platform: Platform, store: Process) -> None:
    answer = await dead_letters(platform, OPERATOR).ListDeadLetters(pb.ListDeadLettersRequest())
    assert answer.next_page_token == ""


@pytest.mark.parametrize(
    "caller", [harness.service("order"), harness.anonymous(), harness.customer(ids.new_id()), harness.admin()], ids=str
)
async def test_an_internal_method_rejects_every_other_caller(
    platform: Platform, store: Process, caller: Identity
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await dead_letters(platform, caller).ListDeadLetters(pb.ListDeadLettersRequest())
    assert rpc_error(failed.value).code is grpc.StatusCode.PERMISSION_DENIED


async def test_a_service_cannot_act_for_an_account(platform: Platform, store: Process) -> None:
    forged = Identity("order", harness.admin().metadata)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await dead_letters(platform, forged).ListDeadLetters(pb.ListDeadLettersRequest())
    assert rpc_error(failed.value).code is grpc.StatusCode.PERMISSION_DENIED


async def test_a_certificate_of_another_authority_does_not_connect(
    platform: Platform, store: Process, tmp_path: Any
) -> None:
    Authority(tmp_path).issue("operator")
    foreign = Platform.__new__(Platform)
    foreign.certificates, foreign._channels = tmp_path, []
    stub = foreign.stub_at(platform.ports["store"], "store", DeadLetterServiceStub, OPERATOR)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await stub.ListDeadLetters(pb.ListDeadLettersRequest(), timeout=3)
    assert failed.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
    await foreign._channels[0].close(None)


async def test_a_violation_has_the_json_name_of_the_field(platform: Platform, store: Process) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await dead_letters(platform, OPERATOR).GetDeadLetter(pb.GetDeadLetterRequest(event_id="x"))
    error = rpc_error(failed.value)
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.reason == "INVALID_ARGUMENT"
    assert error.violations == {"eventId": "must be a valid UUID"}


@pytest.mark.parametrize("raw", [b"\x12\x02\xff\xfe", b"\xff\xff\xff", b"\x12\x05ab"])
async def test_a_malformed_message_is_an_invalid_argument(platform: Platform, store: Process, raw: bytes) -> None:
    stub = dead_letters(platform, OPERATOR)
    channel = platform._channels[-1]
    call = channel.unary_unary(f"/{DEAD_LETTERS}/ListDeadLetters")
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call(raw)
    assert rpc_error(failed.value).code is grpc.StatusCode.INVALID_ARGUMENT
    assert (await stub.ListDeadLetters(pb.ListDeadLettersRequest())) is not None


async def test_nul_in_a_text_is_rejected_with_its_field(platform: Platform, store: Process) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await dead_letters(platform, OPERATOR).ListDeadLetters(pb.ListDeadLettersRequest(page_token="a\0b"))
    assert rpc_error(failed.value).violations == {"pageToken": "must not contain NUL"}


async def test_an_internal_error_contains_only_the_request_id(
    platform: Platform, store: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: Any, event_id: str) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(DeadLetterServicer, "_find", fail)
    caller = OPERATOR.sending(x_request_id="req-1")
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await dead_letters(platform, caller).GetDeadLetter(pb.GetDeadLetterRequest(event_id=str(ids.new_id())))
    error = rpc_error(failed.value)
    assert error.code is grpc.StatusCode.INTERNAL
    assert error.message == "internal error"
    assert error.metadata == {"request_id": "req-1"}


async def test_a_missing_dead_letter_is_not_found(platform: Platform, store: Process) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await dead_letters(platform, OPERATOR).GetDeadLetter(pb.GetDeadLetterRequest(event_id=str(ids.new_id())))
    assert rpc_error(failed.value).reason == "NOT_FOUND"


async def test_the_plaintext_port_serves_health_and_nothing_else(store: Process) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{store.health_port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await DeadLetterServiceStub(channel).ListDeadLetters(pb.ListDeadLettersRequest())
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_the_mesh_port_accepts_no_plaintext(platform: Platform, store: Process) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{platform.ports['store']}") as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await DeadLetterServiceStub(channel).ListDeadLetters(pb.ListDeadLettersRequest(), timeout=3)


DEAD_LETTERS = "jainshikanji.operations.v1.DeadLetterService"
