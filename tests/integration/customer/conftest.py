"""A running customer service, people who use it, and the codes that it mails to them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import grpc
import jwt
import pytest
import pytest_asyncio
from jainshikanji.customer.v1 import auth_service_pb2 as auth
from jainshikanji.customer.v1.auth_service_pb2_grpc import AuthServiceStub
from jainshikanji.customer.v1.customer_service_pb2_grpc import CustomerServiceStub
from jainshikanji.customer.v1.session_pb2 import Tokens

from chassis.database import sql
from chassis.process.service import Process
from chassis.rpc.interceptors.identity import HEADER
from services.customer.app import CustomerApp
from services.customer.usecases import codes
from tests import harness
from tests.harness import Identity, Platform, Refused, refusal

PASSWORD = "Nimbu-Pani-1947"
OTHER_PASSWORD = "Jaljeera & mint 7"


@dataclass
class Person:
    """Somebody with a mailbox, a password and a client address of their own."""

    people: People
    email: str
    password: str = PASSWORD
    id: str = ""
    address: str = field(default_factory=lambda: f"198.{secrets.randbelow(256)}.{secrets.randbelow(256)}.7")

    @property
    def anonymous(self) -> Any:
        return self.people.auth(self.identity())

    def identity(self, tokens: Tokens | None = None) -> Identity:
        """At the edge, without or with a token, from this person's address."""
        caller = harness.nobody()
        if tokens is not None:
            caller = Identity("edge", ((HEADER, tokens.access_token.split(".")[1]),))
        return caller.sending(x_forwarded_for=self.address)

    def auth(self, tokens: Tokens) -> Any:
        return self.people.auth(self.identity(tokens))

    def customer(self, tokens: Tokens) -> Any:
        return self.people.customer(self.identity(tokens))

    async def register(self, **fields: Any) -> Person:
        request = auth.RegisterRequest(
            **{"email": self.email, "password": self.password, "first_name": "Asha", **fields}
        )
        self.id = (await self.anonymous.Register(request)).id
        return self

    async def log_in(self, password: str | None = None, **fields: Any) -> Tokens:
        request = auth.LoginRequest(email=self.email, password=password or self.password, **fields)
        tokens: Tokens = await self.anonymous.Login(request)
        return tokens

    async def refresh(self, token: str) -> Tokens:
        tokens: Tokens = await self.anonymous.Refresh(auth.RefreshRequest(refresh_token=token))
        return tokens

    async def forget(self) -> str:
        """Asks for a code that resets the password; returns it."""
        await self.anonymous.ForgotPassword(auth.ForgotPasswordRequest(email=self.email))
        return self.people.codes[-1]

    async def reset(self, code: str, password: str) -> None:
        request = auth.ResetPasswordRequest(email=self.email, code=code, new_password=password)
        await self.anonymous.ResetPassword(request)


def unused_phone() -> str:
    """An Indian mobile number that no other test uses."""
    return f"+919{secrets.randbelow(10**9):09d}"


class People:
    """Makes people who are not there yet."""

    def __init__(self, platform: Platform, process: Process, mailed: list[str]) -> None:
        self.platform, self.process, self.codes = platform, process, mailed
        self.app = cast("CustomerApp", process.app)
        self._stubs: dict[tuple[Any, Identity], Any] = {}

    def auth(self, caller: Identity) -> Any:
        return self._stub(AuthServiceStub, caller)

    def customer(self, caller: Identity) -> Any:
        return self._stub(CustomerServiceStub, caller)

    def _stub(self, stub: Any, caller: Identity) -> Any:
        key = (stub, caller)
        if key not in self._stubs:
            self._stubs[key] = self.platform.stub("customer", stub, caller)
        return self._stubs[key]

    def new(self) -> Person:
        return Person(self, f"asha.{secrets.token_hex(6)}@example.in")

    async def registered(self, **fields: Any) -> Person:
        return await self.new().register(**fields)

    async def stored(self, statement: str, **parameters: Any) -> Any:
        """What the database holds, read beside the service."""
        return await self.process.app.db.all(sql(statement), **parameters)


@pytest_asyncio.fixture
async def customer(platform: Platform) -> Process:
    return await platform.start("customer")


@pytest.fixture
def mailed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every code that is made during the test, oldest first."""
    made: list[str] = []
    generate = codes.generate

    def remember() -> str:
        made.append(generate())
        return made[-1]

    monkeypatch.setattr(codes, "generate", remember)
    return made


@pytest.fixture
def people(platform: Platform, customer: Process, mailed: list[str]) -> People:
    return People(platform, customer, mailed)


def claims(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


async def refused(call: Any) -> Refused:
    """The refusal that the call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    return refusal(failed.value)


def session_of(tokens: Tokens) -> UUID:
    return UUID(tokens.session_id)
