"""The call that a servicer answers: its caller, its deadline, and the headers of its response."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from google.protobuf.message import Message

from chassis.contract import Method
from chassis.errors import Unauthenticated


@dataclass(frozen=True, slots=True)
class Grant:
    """One role within one tenant, as the token states it."""

    tenant_id: UUID
    role: str


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rows of a resource the caller may see: all, those it owns, those of its tenants."""

    everything: bool = False
    owner: UUID | None = None
    tenants: list[UUID] = field(default_factory=list)

    def params(self) -> dict[str, Any]:
        """Parameters of a statement that is limited to the scope: `everything`, `owner`, `tenants`."""
        return {"everything": self.everything, "owner": self.owner, "tenants": self.tenants}


@dataclass(frozen=True, slots=True)
class Caller:
    """An account that calls through the edge, a service that calls for itself, or an anonymous client.

    `scope` depends on the method: the access interceptor sets it.
    """

    account_id: UUID | None = None
    session_id: UUID | None = None
    roles: frozenset[str] = frozenset()
    grants: tuple[Grant, ...] = ()
    service: str | None = None
    scope: Scope = field(default_factory=Scope)

    @property
    def account(self) -> UUID:
        """The id of the account. Raises Unauthenticated without one; methods for accounts always have one."""
        if self.account_id is None:
            raise Unauthenticated
        return self.account_id

    @property
    def is_admin(self) -> bool:
        """Whether the account is an administrator of the platform."""
        return "ADMIN" in self.roles

    def __str__(self) -> str:
        """Identifies the caller in idempotency keys and page tokens; holds no personal data."""
        return str(self.account_id or self.service or "anonymous")


ANONYMOUS = Caller()


@dataclass(slots=True)
class Call:
    """One rpc in progress. Interceptors fill it; servicers read it with `current_call()`."""

    method: Method
    context: Any
    metadata: dict[str, str]
    raw_request: bytes
    request: Message | None = None
    request_id: str = ""
    caller: Caller = ANONYMOUS
    # Unix time in seconds; None without a deadline.
    deadline: float | None = None
    response_headers: list[tuple[str, str]] = field(default_factory=list)

    @property
    def idempotency_key(self) -> str:
        """The Idempotency-Key header; the contract says which methods require it."""
        return self.metadata.get("idempotency-key", "")

    def set_header(self, name: str, value: str) -> None:
        """Adds a response header; the same name twice gives two headers."""
        self.response_headers.append((name, value))


_current: ContextVar[Call] = ContextVar("call")


def current_call() -> Call:
    """The call that this task answers. Raises LookupError outside of one."""
    return _current.get()


def current_caller() -> Caller:
    """The caller of the call that this task answers. Raises LookupError outside of one."""
    return _current.get().caller


def find_current_call() -> Call | None:
    """The call that this task answers; None in periodic jobs and event handlers."""
    return _current.get(None)


def set_current_call(call: Call) -> None:
    """Makes the call current for this task and the tasks that it starts."""
    _current.set(call)
