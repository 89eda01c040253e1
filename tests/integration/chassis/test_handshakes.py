"""Mutual TLS: many concurrent handshakes, and certificates that are renewed at run time."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
from jainshikanji.operations.v1 import dead_letter_service_pb2 as pb
from jainshikanji.operations.v1.dead_letter_service_pb2_grpc import DeadLetterServiceStub

from chassis.process.service import Process
from devstack.certificates import Authority
from tests.harness import Identity, Platform

CONNECTIONS, ROUNDS = 30, 10


@pytest.fixture
async def replica(platform: Platform, tmp_path: Path) -> Any:
    """A replica of store with its own certificate files."""
    await platform.start("store")
    shutil.copytree(platform.certificates / "store", tmp_path / "store")
    process = await platform.launch("store", tls_dir=tmp_path / "store")
    yield process
    await process.stop()


async def call_once(platform: Platform, replica: Process) -> None:
    """One call on a new connection."""
    stub = platform.stub_at(replica.mesh_port, "store", DeadLetterServiceStub, Identity("operator"))
    channel = platform._channels.pop()
    await stub.ListDeadLetters(pb.ListDeadLettersRequest(page_size=1))
    await channel.close(None)


async def test_many_concurrent_handshakes_succeed(platform: Platform, replica: Process) -> None:
    for _ in range(ROUNDS):
        await asyncio.gather(*(call_once(platform, replica) for _ in range(CONNECTIONS)))


async def test_a_replaced_certificate_is_presented_without_a_restart(
    platform: Platform, replica: Process, tmp_path: Path
) -> None:
    await call_once(platform, replica)
    foreign = Authority(tmp_path / "foreign").issue("store")
    for name in ("ca.pem", "cert.pem", "key.pem"):
        shutil.copyfile(foreign / name, tmp_path / "store" / f".{name}")
        (tmp_path / "store" / f".{name}").replace(tmp_path / "store" / name)
    with pytest.raises(Exception, match=r"UNAVAILABLE|DEADLINE"):
        await call_once(platform, replica)
