"""Domain errors. A use case raises one; the errors interceptor converts it to `google.rpc.Status`.

    DomainError
    ├── InvalidArgument      400   a field is invalid; carries the field violations
    ├── Unauthenticated      401
    ├── PermissionDenied     403
    ├── NotFound             404   missing or not visible to the caller: one fixed body, no subclasses
    ├── Conflict             409   the current state, stock, price or a limit does not allow it; do not retry unchanged
    │   └── StaleEtag              the resource has changed since its etag was read
    ├── AlreadyExists        409
    ├── ResourceExhausted    429   carries retry_after in seconds
    ├── Unavailable          503   a retry may succeed; never stored under an idempotency key
    └── RemoteError                the error of another service, passed on unchanged

The reason of an error is its class name in UPPER_SNAKE. It must be a value of `ErrorReason` in the contracts, where its
meaning for clients is written; a contract test compares both.
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
MAX_VIOLATIONS = 20


def _upper_snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()


class DomainError(Exception):
    """Why a request failed. `message` is for people, `metadata` holds facts for programs."""

    code: grpc.StatusCode = grpc.StatusCode.UNKNOWN
    reason: str = "DOMAIN_ERROR"
    # Whether the same request fails in the same way again, so that the error may be stored under an idempotency key.
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
        """The error as a message."""
        return status_pb2.Status(code=self.code.value[0], message=self.message, details=self.details())


class InvalidArgument(DomainError):
    """A request that cannot succeed unchanged, with one or more violations of `field` and `description`.

    Only the first MAX_VIOLATIONS are sent: they travel in a header, and an oversized header ends the connection.
    """

    code = grpc.StatusCode.INVALID_ARGUMENT

    def __init__(self, field: str, description: str, *more: tuple[str, str]) -> None:
        super().__init__("the request is not valid")
        self.violations = [(field, description), *more]

    def details(self) -> Sequence[any_pb2.Any]:
        bad_request = error_details_pb2.BadRequest(
            field_violations=[
                error_details_pb2.BadRequest.FieldViolation(field=field, description=description)
                for field, description in self.violations[:MAX_VIOLATIONS]
            ]
        )
        return [*super().details(), _pack(bad_request)]


class Unauthenticated(DomainError):
    """The caller has no valid session."""

    code = grpc.StatusCode.UNAUTHENTICATED

    def __init__(self, message: str = "authentication required", **metadata: str) -> None:
        super().__init__(message, **metadata)


class PermissionDenied(DomainError):
    """The caller is known and not permitted to do this."""

    code = grpc.StatusCode.PERMISSION_DENIED

    def __init__(self, message: str = "not permitted", **metadata: str) -> None:
        super().__init__(message, **metadata)


class NotFound(DomainError):
    """Not found, or not visible to the caller. One fixed body, so that the two cannot be distinguished."""

    code = grpc.StatusCode.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("not found")


class Conflict(DomainError):
    """The current state does not allow the operation. Repeating the request unchanged does not help."""

    code = grpc.StatusCode.ABORTED


class StaleEtag(Conflict):
    """The resource has changed since its etag was read; `etag` is the current one."""

    def __init__(self, current: str) -> None:
        super().__init__("the resource has changed since it was read; read it again", etag=current)


class AlreadyExists(DomainError):
    """The resource exists already."""

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
    """A dependency does not respond; the same request may succeed later."""

    code = grpc.StatusCode.UNAVAILABLE
    deterministic = False

    def __init__(self, message: str = "temporarily unavailable", **metadata: str) -> None:
        super().__init__(message, **metadata)


class RemoteError(DomainError):
    """The error of another service, passed to the client unchanged; `code` and `reason` are those of that service."""

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
# Codes that concern the transport or the health of the called service, not the request.
_TRANSPORT = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
}


def from_rpc(error: grpc.aio.AioRpcError, service: str) -> DomainError:
    """The error of a failed call: that of the service, or Unavailable when the service did not respond."""
    status = status_from_rpc(error)
    if status is None or error.code() in _TRANSPORT:
        return _not_available(service)
    return RemoteError(status)


def from_status(status: status_pb2.Status, service: str) -> DomainError:
    """The error of one result of a batch: the same as for a failed call."""
    return _not_available(service) if _CODES.get(status.code) in _TRANSPORT else RemoteError(status)


def _not_available(service: str) -> Unavailable:
    return Unavailable(f"{service} is not available", peer=service)


def status_from_rpc(error: grpc.aio.AioRpcError) -> status_pb2.Status | None:
    """The `google.rpc.Status` of a failed call; None when it has none."""
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_HEADER:
            return status_pb2.Status.FromString(value if isinstance(value, bytes) else value.encode())
    return None


def restore(status: status_pb2.Status) -> DomainError:
    """The error of a stored status, exactly as it was."""
    return RemoteError(status)


async def abort(context: grpc.aio.ServicerContext[object, object], error: DomainError) -> NoReturn:
    """Ends the call with the status and the details of the error."""
    status = error.status()
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
