"""A failed name resolution is repeated within seconds; gRPC alone waits up to two minutes."""

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


class NameServer(threading.Thread):
    """Responds as the DNS of a cluster does for a headless service: NXDOMAIN, or the address of this machine."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((LOOPBACK, 0))
        self.port = self._socket.getsockname()[1]
        self.has_address = False
        self.queries = 0

    def run(self) -> None:
        while True:
            query, client = self._socket.recvfrom(512)
            if query == b"end":
                return
            end = query.index(b"\0", HEADER) + 5
            question, kind = query[HEADER:end], int.from_bytes(query[end - 4 : end - 2], "big")
            answer = b""
            if self.has_address and kind == ADDRESS:
                answer = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4" + socket.inet_aton(LOOPBACK)
            self.queries += kind == ADDRESS
            code = b"\x81\x80" if self.has_address else b"\x81\x83"
            counts = b"\0\1" + (b"\0\1" if answer else b"\0\0") + b"\0\0\0\0"
            self._socket.sendto(query[:2] + code + counts + question + answer, client)

    def end(self) -> None:
        self._socket.sendto(b"end", (LOOPBACK, self.port))
        self.join()
        self._socket.close()


@pytest.fixture
def names() -> Iterator[NameServer]:
    found = NameServer()
    found.start()
    yield found
    found.end()


async def test_calls_resolve_the_name_of_an_unreachable_service_again(
    platform: Platform, names: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "RESOLVE_AGAIN_SECONDS", 0.2)
    process = await platform.start("store")
    target = f"dns://{LOOPBACK}:{names.port}/store.:{process.mesh_port}"
    calls = Channels(IdentityFiles(platform.certificates / "operator"), {"store": target}, "dns:///{service}:1")

    async def call_once() -> None:
        await calls.stub("store", DeadLetterServiceStub).ListDeadLetters(pb.ListDeadLettersRequest(page_size=1))

    until = time.monotonic() + 4.0
    while time.monotonic() < until:
        with pytest.raises(Unavailable):
            await call_once()
        await asyncio.sleep(0.05)
    assert names.queries > 6, "gRPC alone resolves three times in this time"
    names.has_address = True
    until = time.monotonic() + 10.0
    while True:
        try:
            await call_once()
            break
        except Unavailable:
            assert time.monotonic() < until, "the name has an address and is not resolved"
            await asyncio.sleep(0.05)
    await calls.close()
