"""What happens to every call before a servicer sees it, shown on a running service."""

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
from tests.harness import Identity, Platform, refusal

OPERATOR = Identity("operator")


@pytest.fixture
async def store(platform: Platform) -> Process:
    return await platform.start("store")


def letters(platform: Platform, caller: Identity) -> Any:
    return platform.stub("store", DeadLetterServiceStub, caller)


async def test_a_named_service_is_admitted(platform: Platform, store: Process) -> None:
    answer = await letters(platform, OPERATOR).ListDeadLetters(pb.ListDeadLettersRequest())
    assert answer.next_page_token == ""


@pytest.mark.parametrize(
    "caller", [harness.service("order"), harness.nobody(), harness.customer(ids.new_id()), harness.admin()], ids=str
)
async def test_an_internal_method_is_closed_to_everybody_else(
    platform: Platform, store: Process, caller: Identity
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await letters(platform, caller).ListDeadLetters(pb.ListDeadLettersRequest())
    assert refusal(failed.value).code is grpc.StatusCode.PERMISSION_DENIED


async def test_a_service_cannot_speak_for_an_account(platform: Platform, store: Process) -> None:
    forged = Identity("order", harness.admin().metadata)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await letters(platform, forged).ListDeadLetters(pb.ListDeadLettersRequest())
    assert refusal(failed.value).code is grpc.StatusCode.PERMISSION_DENIED


async def test_a_certificate_of_another_authority_does_not_connect(
    platform: Platform, store: Process, tmp_path: Any
) -> None:
    Authority(tmp_path).issue("operator")
    stranger = Platform.__new__(Platform)
    stranger.certificates, stranger._channels = tmp_path, []
    stub = stranger.stub_at(platform.ports["store"], "store", DeadLetterServiceStub, OPERATOR)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await stub.ListDeadLetters(pb.ListDeadLettersRequest(), timeout=3)
    assert failed.value.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
    await stranger._channels[0].close(None)


async def test_a_broken_rule_is_answered_with_the_field_as_the_client_wrote_it(
    platform: Platform, store: Process
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await letters(platform, OPERATOR).GetDeadLetter(pb.GetDeadLetterRequest(event_id="x"))
    refused = refusal(failed.value)
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refused.reason == "INVALID_ARGUMENT"
    assert refused.violations == {"eventId": "must be a valid UUID"}


@pytest.mark.parametrize("raw", [b"\x12\x02\xff\xfe", b"\xff\xff\xff", b"\x12\x05ab"])
async def test_bytes_that_are_no_message_are_bad_input_and_not_a_fault(
    platform: Platform, store: Process, raw: bytes
) -> None:
    stub = letters(platform, OPERATOR)
    channel = platform._channels[-1]
    call = channel.unary_unary(f"/{DEAD_LETTERS}/ListDeadLetters")
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call(raw)
    assert refusal(failed.value).code is grpc.StatusCode.INVALID_ARGUMENT
    assert (await stub.ListDeadLetters(pb.ListDeadLettersRequest())) is not None


async def test_nul_is_refused_by_the_name_of_its_field(platform: Platform, store: Process) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await letters(platform, OPERATOR).ListDeadLetters(pb.ListDeadLettersRequest(page_token="a\0b"))
    assert refusal(failed.value).violations == {"pageToken": "must not contain NUL"}


async def test_a_fault_tells_the_client_nothing_but_the_request_id(
    platform: Platform, store: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: Any, event_id: str) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(DeadLetterServicer, "_find", fail)
    caller = OPERATOR.sending(x_request_id="req-1")
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await letters(platform, caller).GetDeadLetter(pb.GetDeadLetterRequest(event_id=str(ids.new_id())))
    refused = refusal(failed.value)
    assert refused.code is grpc.StatusCode.INTERNAL
    assert refused.message == "internal error"
    assert refused.metadata == {"request_id": "req-1"}


async def test_a_missing_thing_is_not_found(platform: Platform, store: Process) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await letters(platform, OPERATOR).GetDeadLetter(pb.GetDeadLetterRequest(event_id=str(ids.new_id())))
    assert refusal(failed.value).reason == "NOT_FOUND"


async def test_the_plaintext_port_serves_health_and_nothing_else(store: Process) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{store.health_port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await DeadLetterServiceStub(channel).ListDeadLetters(pb.ListDeadLettersRequest())
    assert failed.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_the_mesh_port_speaks_no_plaintext(platform: Platform, store: Process) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{platform.ports['store']}") as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await DeadLetterServiceStub(channel).ListDeadLetters(pb.ListDeadLettersRequest(), timeout=3)


DEAD_LETTERS = "jainshikanji.operations.v1.DeadLetterService"
