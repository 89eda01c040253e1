"""Mutual TLS under churn: connections come in crowds, and certificates are renewed under way."""

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

CROWD, ROUNDS = 30, 10


@pytest.fixture
async def replica(platform: Platform, tmp_path: Path) -> Any:
    """A replica of store with certificate files of its own."""
    await platform.start("store")
    shutil.copytree(platform.certificates / "store", tmp_path / "store")
    process = await platform.launch("store", tls_dir=tmp_path / "store")
    yield process
    await process.stop()


async def ask(platform: Platform, replica: Process) -> None:
    """One call on a connection of its own."""
    stub = platform.stub_at(replica.mesh_port, "store", DeadLetterServiceStub, Identity("operator"))
    channel = platform._channels.pop()
    await stub.ListDeadLetters(pb.ListDeadLettersRequest(page_size=1))
    await channel.close(None)


async def test_crowds_of_handshakes_are_all_served(platform: Platform, replica: Process) -> None:
    for _ in range(ROUNDS):
        await asyncio.gather(*(ask(platform, replica) for _ in range(CROWD)))


async def test_a_renewed_certificate_is_shown_without_a_restart(
    platform: Platform, replica: Process, tmp_path: Path
) -> None:
    await ask(platform, replica)
    stranger = Authority(tmp_path / "stranger").issue("store")
    for name in ("ca.pem", "cert.pem", "key.pem"):
        shutil.copyfile(stranger / name, tmp_path / "store" / f".{name}")
        (tmp_path / "store" / f".{name}").replace(tmp_path / "store" / name)
    with pytest.raises(Exception, match=r"UNAVAILABLE|DEADLINE"):
        await ask(platform, replica)
