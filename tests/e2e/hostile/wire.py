"""HTTP/1.1 and HTTP/2 with prior knowledge as raw bytes on a socket, also invalid ones that no library sends."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Self

LOOPBACK = "127.0.0.1"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
ACK = END_STREAM = 0x1
END_HEADERS = 0x4
_SECONDS = 15.0

Fields = Iterable[tuple[str | bytes, str | bytes]]


def exchange(port: int, request: bytes, seconds: float = _SECONDS) -> bytes:
    """Sends bytes and returns all data until the edge closes the connection or the timeout."""
    with socket.create_connection((LOOPBACK, port), timeout=seconds) as connection:
        connection.sendall(request)
        return read_all(connection)


def read_all(connection: socket.socket) -> bytes:
    """All data until the end, a reset or the timeout of the socket."""
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except OSError:
        pass
    return received


def request_line(method: str, path: str, *fields: str, close: bool = True) -> bytes:
    """The head of an HTTP/1.1 request."""
    ending = ("connection: close",) if close else ()
    return "\r\n".join((f"{method} {path} HTTP/1.1", "host: edge.example", *fields, *ending, "", "")).encode()


@dataclass(frozen=True)
class Answer:
    """One response on a persistent connection."""

    status: int
    headers: dict[str, str]
    body: bytes


def in_turn(port: int, requests: Sequence[bytes], source: str = LOOPBACK, seconds: float = _SECONDS) -> list[Answer]:
    """Sends requests one after another on one connection; `source` is the client's address."""
    answers: list[Answer] = []
    with socket.create_connection((LOOPBACK, port), timeout=seconds, source_address=(source, 0)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = connection.makefile("rb")
        for request in requests:
            connection.sendall(request)
            answers.append(_answer(reader))
    return answers


def _answer(reader: BinaryIO) -> Answer:
    status = int(reader.readline().split()[1])
    headers: dict[str, str] = {}
    while line := reader.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    return Answer(status, headers, reader.read(int(headers.get("content-length", "0"))))


class Http2:
    """One HTTP/2 connection. Header fields are sent unchanged, each as a literal without Huffman coding."""

    def __init__(self, port: int, seconds: float = _SECONDS) -> None:
        self.socket = socket.create_connection((LOOPBACK, port), timeout=seconds)
        self._next_stream = 1
        self._buffer = b""
        self.socket.sendall(PREFACE)
        self.send(SETTINGS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> None:
        """One frame."""
        self.socket.sendall(frame(kind, flags, stream, payload))

    def request(self, method: str, path: str, fields: Fields = (), body: bytes | None = None) -> int:
        """Sends a request and returns its stream; the stream stays open when `body` is None and not GET."""
        stream = self.open(method, path, fields, ends=body is None and method == "GET")
        if body is not None:
            self.send(DATA, END_STREAM, stream, body)
        return stream

    def open(self, method: str, path: str, fields: Fields = (), *, ends: bool = True) -> int:
        """Sends the headers of a request and returns its stream."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        pseudo = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "edge.example")]
        block = b"".join(literal(name, value) for name, value in [*pseudo, *fields])
        self.send(HEADERS, END_HEADERS | (END_STREAM if ends else 0), stream, block)
        return stream

    def reset(self, stream: int) -> None:
        self.send(RST_STREAM, 0, stream, struct.pack(">I", 8))

    def answer(self, stream: int) -> bytes:
        """The body of the answer on that stream; empty when the stream or the connection was reset instead."""
        body = b""
        while (received := self.read_frame()) is not None:
            kind, flags, on, payload = received
            if kind == GOAWAY or (on == stream and kind == RST_STREAM):
                return body
            if on == stream and kind == DATA:
                body += payload
            if on == stream and kind in {DATA, HEADERS} and flags & END_STREAM:
                return body
        return body

    def is_closed(self) -> bool:
        """Whether the edge ends the connection, read to its end."""
        while (received := self.read_frame()) is not None:
            if received[0] == GOAWAY:
                return True
        return True

    def read_frame(self) -> tuple[int, int, int, bytes] | None:
        """Kind, flags, stream and payload of the next frame; None at the end. Raises TimeoutError without one."""
        head = self._read(9)
        if head is None:
            return None
        length, kind, flags, stream = int.from_bytes(head[:3], "big"), head[3], head[4], int.from_bytes(head[5:], "big")
        payload = self._read(length)
        return None if payload is None else (kind, flags, stream & 0x7FFFFFFF, payload)

    def _read(self, size: int) -> bytes | None:
        while len(self._buffer) < size:
            try:
                piece = self.socket.recv(65536)
            except ConnectionError:
                return None
            if not piece:
                return None
            self._buffer += piece
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def literal(name: str | bytes, value: str | bytes) -> bytes:
    """A header field, never indexed, as RFC 7541 section 6.2.3 writes it."""
    return b"\x10" + _text(name) + _text(value)


def _text(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return _length(len(raw)) + raw


def _length(number: int) -> bytes:
    """An integer with a prefix of seven bits."""
    if number < 127:
        return bytes([number])
    encoded, number = [127], number - 127
    while number >= 128:
        encoded.append(number % 128 + 128)
        number //= 128
    return bytes([*encoded, number])


# The first header fields of an incomplete request.
GET_HEADERS = b"".join(
    literal(name, value)
    for name, value in (
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/api/products"),
        (":authority", "edge.example"),
    )
)
