"""A peer whose name was not there is found again at once: grpc alone would wait for up to two minutes."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from jainshikanji.operations.v1 import dead_letter_service_pb2 as pb
from jainshikanji.operations.v1.dead_letter_service_pb2_grpc import DeadLetterServiceStub

from chassis.errors import Unavailable
from chassis.rpc import channels
from chassis.rpc.channels import Channels
from chassis.security.tls import IdentityFiles
from devstack.ports import LOOPBACK
from tests.harness import Platform

HEADER, ADDRESS = 12, 1


class Names(threading.Thread):
    """Answers names as a cluster does for a headless service: not there, or this machine."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((LOOPBACK, 0))
        self.port = self._socket.getsockname()[1]
        self.is_there = False
        self.asked = 0

    def run(self) -> None:
        while True:
            query, asker = self._socket.recvfrom(512)
            if query == b"end":
                return
            end = query.index(b"\0", HEADER) + 5
            question, kind = query[HEADER:end], int.from_bytes(query[end - 4 : end - 2], "big")
            answer = b""
            if self.is_there and kind == ADDRESS:
                answer = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(LOOPBACK)
            self.asked += kind == ADDRESS
            code = b"\x81\x80" if self.is_there else b"\x81\x83"
            counts = b"\0\1" + (b"\0\1" if answer else b"\0\0") + b"\0\0\0\0"
            self._socket.sendto(query[:2] + code + counts + question + answer, asker)

    def end(self) -> None:
        self._socket.sendto(b"end", (LOOPBACK, self.port))
        self.join()
        self._socket.close()


@pytest.fixture
def names() -> Iterator[Names]:
    found = Names()
    found.start()
    yield found
    found.end()


async def test_a_peer_that_was_away_is_looked_up_again_by_the_next_calls(
    platform: Platform, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "LOOK_AGAIN_SECONDS", 0.2)
    process = await platform.start("store")
    target = f"dns://{LOOPBACK}:{names.port}/store.:{process.mesh_port}"
    calls = Channels(IdentityFiles(platform.certificates / "operator"), {"store": target}, "dns:///{service}:1")

    async def ask() -> None:
        await calls.stub("store", DeadLetterServiceStub).ListDeadLetters(pb.ListDeadLettersRequest(page_size=1))

    until = time.monotonic() + 4.0
    while time.monotonic() < until:
        with pytest.raises(Unavailable):
            await ask()
        await asyncio.sleep(0.05)
    assert names.asked > 6, "grpc alone asks three times in this time"
    names.is_there = True
    until = time.monotonic() + 10.0
    while True:
        try:
            await ask()
            break
        except Unavailable:
            assert time.monotonic() < until, "the peer is there and is not found"
            await asyncio.sleep(0.05)
    await calls.close()
