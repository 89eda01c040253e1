"""Refusals as types. A use case raises one; the errors interceptor turns it into `google.rpc.Status`.

    DomainError
    ├── InvalidArgument      400   a field is wrong; carries the field violations
    ├── Unauthenticated      401
    ├── PermissionDenied     403
    ├── NotFound             404   missing and foreign look the same: fixed body, no subclasses
    ├── Conflict             409   state, stock, price or a limit does not allow it; do not retry unchanged
    │   └── StaleEtag              somebody wrote in between
    ├── AlreadyExists        409
    ├── ResourceExhausted    429   carries retry_after in seconds
    ├── Unavailable          503   worth a retry; never stored as the answer to an idempotency key
    └── RemoteError                another service's refusal, passed on unchanged

The reason of a refusal is its class name in UPPER_SNAKE and is part of the public contract.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, NoReturn

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2

DOMAIN = "jainshikanji"
STATUS_HEADER = "grpc-status-details-bin"
MOST_VIOLATIONS = 20


def _upper_snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()


class DomainError(Exception):
    """Why a request is not done. `message` is for the caller; `metadata` holds facts a program may read."""

    code: grpc.StatusCode = grpc.StatusCode.UNKNOWN
    reason: str = "REFUSAL"
    # Whether the same request gets the same answer again, so that an idempotency key may keep it.
    deterministic: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.reason = _upper_snake(cls.__name__)

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = metadata

    def details(self) -> Sequence[any_pb2.Any]:
        return [_pack(error_details_pb2.ErrorInfo(reason=self.reason, domain=DOMAIN, metadata=self.metadata))]

    def status(self) -> status_pb2.Status:
        """The refusal as it goes over the wire."""
        return status_pb2.Status(code=self.code.value[0], message=self.message, details=self.details())


class InvalidArgument(DomainError):
    """A request that can never succeed as it is. One violation by `field` and `description`, or many.

    The first MOST_VIOLATIONS are told: they travel in a header, and a longer one ends the connection for everybody.
    """

    code = grpc.StatusCode.INVALID_ARGUMENT

    def __init__(self, field: str, description: str, *more: tuple[str, str]) -> None:
        super().__init__("the request is not valid")
        self.violations = [(field, description), *more]

    def details(self) -> Sequence[any_pb2.Any]:
        bad_request = error_details_pb2.BadRequest(
            field_violations=[
                error_details_pb2.BadRequest.FieldViolation(field=field, description=description)
                for field, description in self.violations[:MOST_VIOLATIONS]
            ]
        )
        return [*super().details(), _pack(bad_request)]


class Unauthenticated(DomainError):
    """Nobody is logged in, or not any more."""

    code = grpc.StatusCode.UNAUTHENTICATED

    def __init__(self, message: str = "authentication required", **metadata: str) -> None:
        super().__init__(message, **metadata)


class PermissionDenied(DomainError):
    """The caller is known and may not do this."""

    code = grpc.StatusCode.PERMISSION_DENIED

    def __init__(self, message: str = "not permitted", **metadata: str) -> None:
        super().__init__(message, **metadata)


class NotFound(DomainError):
    """There is no such thing for this caller. One fixed body, so that a foreign object cannot be told from none."""

    code = grpc.StatusCode.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("not found")


class Conflict(DomainError):
    """The state of things does not allow it. Repeating the request unchanged does not help."""

    code = grpc.StatusCode.ABORTED


class StaleEtag(Conflict):
    """Somebody wrote after the etag was read; metadata has the etag of today."""

    def __init__(self, current: str) -> None:
        super().__init__("it has changed since it was read; read it again", etag=current)


class AlreadyExists(DomainError):
    """What should be made is there already."""

    code = grpc.StatusCode.ALREADY_EXISTS


class ResourceExhausted(DomainError):
    """Too many attempts; `retry_after` in seconds."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    deterministic = False

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    def details(self) -> Sequence[any_pb2.Any]:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(round(self.retry_after * 1000))
        return [*super().details(), _pack(error_details_pb2.RetryInfo(retry_delay=delay))]


class Unavailable(DomainError):
    """Something this service needs does not answer now; the same request may succeed later."""

    code = grpc.StatusCode.UNAVAILABLE
    deterministic = False

    def __init__(self, message: str = "temporarily unavailable", **metadata: str) -> None:
        super().__init__(message, **metadata)


class RemoteError(DomainError):
    """Another service refused. Goes to the client as the peer gave it; `peer_reason` tells which refusal it was."""

    def __init__(self, status: status_pb2.Status) -> None:
        super().__init__(status.message)
        self._status = status
        self.code = _CODES.get(status.code, grpc.StatusCode.UNKNOWN)
        info = _error_info(status)
        self.reason = info.reason
        self.metadata = dict(info.metadata)

    def status(self) -> status_pb2.Status:
        return self._status


_CODES = {code.value[0]: code for code in grpc.StatusCode}
# Answers of a peer that say something about the transport or the peer's health, not about the request.
_TRANSPORT = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
}


def from_rpc(error: grpc.aio.AioRpcError, peer: str) -> DomainError:
    """What a failed call to `peer` means here: its refusal, or Unavailable when the call did not get an answer."""
    status = status_from_rpc(error)
    if status is None or error.code() in _TRANSPORT:
        return _not_available(peer)
    return RemoteError(status)


def from_status(status: status_pb2.Status, peer: str) -> DomainError:
    """What a refusal within an answer of `peer` means here: the same as that of a failed call."""
    return _not_available(peer) if _CODES.get(status.code) in _TRANSPORT else RemoteError(status)


def _not_available(peer: str) -> Unavailable:
    return Unavailable(f"{peer} is not available", peer=peer)


def status_from_rpc(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    """The `google.rpc.Status` that a failed call carries; None when it has none."""
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_HEADER:
            return status_pb2.Status.FromString(value if isinstance(value, bytes) else value.encode())
    return None


def restore(status: status_pb2.Status) -> DomainError:
    """A refusal that was kept as its Status, raised again exactly as it was."""
    return RemoteError(status)


async def abort(context: grpc.aio.ServicerContext[object, object], refusal: DomainError) -> NoReturn:
    """Ends the call with the refusal's status and details."""
    status = refusal.status()
    await context.abort(
        _CODES.get(status.code, grpc.StatusCode.UNKNOWN),
        status.message,
        ((STATUS_HEADER, status.SerializeToString()),),
    )
    raise AssertionError("abort does not return")


def _error_info(status: status_pb2.Status) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
    return info


def _pack(
    message: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo,
) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
