"""AuthService: what everybody may call, what an account does with itself, and what services ask."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.empty_pb2 import Empty
from jainshikanji.customer.v1 import auth_service_pb2 as pb
from jainshikanji.customer.v1 import auth_service_pb2_grpc, customer_pb2, grant_pb2, session_pb2
from jainshikanji.store.v1.staff_pb2 import StaffJob

from chassis import Call, current_call
from chassis.errors import InvalidArgument
from chassis.timestamps import timestamp_to_proto
from services.customer import wire
from services.customer.app import CustomerApp
from services.customer.client import Client, cookie
from services.customer.model import InvalidRefreshToken
from services.customer.tokens import csrf_token
from services.customer.usecases import accounts, profiles, sessions, staff
from services.customer.usecases.sessions import Device, Opened

# As long as the edge and other verifiers may rely on what they have; far below the time a key is published ahead.
_KEY_SET_CACHE = "public, max-age=300"
_NEVER_CACHE = "no-store"


class AuthServicer(auth_service_pb2_grpc.AuthServiceServicer):
    def __init__(self, app: CustomerApp) -> None:
        self._app = app

    async def Register(self, request: pb.RegisterRequest, context: Any) -> customer_pb2.Customer:
        applicant = accounts.Applicant(
            email=accounts.read_email(request.email),
            phone=wire.phone(request.phone),
            first_name=wire.text(request.first_name, "firstName"),
            last_name=wire.text(request.last_name, "lastName"),
            display_name=wire.text(request.display_name, "displayName"),
            locale=request.locale,
        )
        row = await accounts.register(self._app, applicant, request.password, _client(current_call()))
        return wire.customer(row, self._app.cipher)

    async def Login(self, request: pb.LoginRequest, context: Any) -> session_pb2.Tokens:
        call = current_call()
        device = _device(request.device, use_cookies=request.use_cookies)
        opened = await sessions.log_in(self._app, request.email, request.password, device, _client(call))
        return self._tokens(call, opened, use_cookies=request.use_cookies)

    async def Refresh(self, request: pb.RefreshRequest, context: Any) -> session_pb2.Tokens:
        call = current_call()
        kept_in_cookie = cookie(call.metadata, self._app.cookies.names.refresh)
        use_cookies = not request.refresh_token
        if use_cookies and not kept_in_cookie:
            raise InvalidArgument("refreshToken", "is required: here or in the refresh cookie")
        try:
            opened = await sessions.refresh(self._app, request.refresh_token or kept_in_cookie, _client(call))
        except InvalidRefreshToken:
            if use_cookies:
                self._app.cookies.clear(call)
            raise
        return self._tokens(call, opened, use_cookies=use_cookies)

    async def VerifyEmail(self, request: pb.VerifyEmailRequest, context: Any) -> Empty:
        await accounts.verify_email(self._app, request.email, request.code, _client(current_call()))
        return Empty()

    async def ResendVerification(self, request: pb.ResendVerificationRequest, context: Any) -> Empty:
        call = current_call()
        await accounts.resend_verification(self._app, _account(call), _client(call))
        return Empty()

    async def ForgotPassword(self, request: pb.ForgotPasswordRequest, context: Any) -> Empty:
        await accounts.forgot_password(self._app, request.email, _client(current_call()))
        return Empty()

    async def ResetPassword(self, request: pb.ResetPasswordRequest, context: Any) -> Empty:
        client = _client(current_call())
        await accounts.reset_password(self._app, request.email, request.code, request.new_password, client)
        return Empty()

    async def ChangePassword(self, request: pb.ChangePasswordRequest, context: Any) -> session_pb2.Tokens:
        call = current_call()
        opened = await accounts.change_password(
            self._app,
            _account(call),
            request.current_password,
            request.new_password,
            _device(request.device, use_cookies=request.use_cookies),
            _client(call),
        )
        return self._tokens(call, opened, use_cookies=request.use_cookies)

    async def Logout(self, request: pb.LogoutRequest, context: Any) -> Empty:
        call = current_call()
        await sessions.log_out(self._app, _account(call), _session(call))
        self._app.cookies.clear(call)
        return Empty()

    async def GetMe(self, request: pb.GetMeRequest, context: Any) -> pb.Me:
        call = current_call()
        row = await profiles.get(self._app, _account(call))
        call.set_header("cache-control", _NEVER_CACHE)
        return pb.Me(
            customer=wire.customer(row, self._app.cipher),
            roles=sorted(call.caller.roles),
            grants=[
                grant_pb2.StaffGrant(store_id=str(grant.tenant_id), job=StaffJob.Value.Value(grant.role))
                for grant in call.caller.grants
            ],
            session_id=str(_session(call)),
            csrf_token=csrf_token(self._app.signing_key, _session(call)),
        )

    async def ListSessions(self, request: pb.ListSessionsRequest, context: Any) -> pb.ListSessionsResponse:
        call = current_call()
        page = self._app.pages.open(request)
        rows = await sessions.list_sessions(self._app, _account(call), page)
        return pb.ListSessionsResponse(
            sessions=[wire.session(row, _session(call)) for row in page.trim(rows)],
            next_page_token=page.next_token(rows, lambda row: (row.created_at.isoformat(), str(row.id))),
        )

    async def DeleteSessions(self, request: pb.DeleteSessionsRequest, context: Any) -> Empty:
        call = current_call()
        keep = _session(call) if request.keep_current else None
        await sessions.log_out_everywhere(self._app, _account(call), keep)
        if keep is None:
            self._app.cookies.clear(call)
        return Empty()

    async def DeleteSession(self, request: pb.DeleteSessionRequest, context: Any) -> Empty:
        call = current_call()
        session_id = UUID(request.id)
        await sessions.end_one(self._app, _account(call), session_id)
        if session_id == call.caller.session_id:
            self._app.cookies.clear(call)
        return Empty()

    async def AcceptInvitation(self, request: pb.AcceptInvitationRequest, context: Any) -> Empty:
        call = current_call()
        await staff.accept(self._app, _account(call), request.code, _client(call))
        return Empty()

    async def GetJwks(self, request: pb.GetJwksRequest, context: Any) -> HttpBody:
        key_set = await self._app.keyring.key_set()
        current_call().set_header("cache-control", _KEY_SET_CACHE)
        return HttpBody(content_type="application/jwk-set+json", data=key_set)

    async def InviteStaff(self, request: pb.InviteStaffRequest, context: Any) -> pb.InviteStaffResponse:
        invited = await staff.invite(
            self._app,
            request.email,
            wire.phone(request.phone),
            wire.text(request.name, "name"),
            UUID(request.store_id),
            wire.JOBS.from_proto(request.job),
        )
        return pb.InviteStaffResponse(customer_id=str(invited.customer_id), invited=invited.is_pending)

    async def ListRevokedSessions(
        self, request: pb.ListRevokedSessionsRequest, context: Any
    ) -> pb.ListRevokedSessionsResponse:
        return pb.ListRevokedSessionsResponse(session_ids=await sessions.list_revoked(self._app))

    def _tokens(self, call: Call, opened: Opened, *, use_cookies: bool) -> session_pb2.Tokens:
        """The tokens where the client wants them: never in both places, or a script could read what a cookie hides."""
        call.set_header("cache-control", _NEVER_CACHE)
        if use_cookies:
            self._app.cookies.give(call, access=opened.access, refresh=opened.refresh, csrf=opened.csrf)
        return session_pb2.Tokens(
            access_token="" if use_cookies else opened.access,
            refresh_token="" if use_cookies else opened.refresh,
            expires_in=self._app.settings.access_token_seconds,
            refresh_expires_at=timestamp_to_proto(opened.refresh_expires_at),
            csrf_token=opened.csrf,
            customer_id=str(opened.customer_id),
            session_id=str(opened.session_id),
        )


def _client(call: Call) -> Client:
    return Client.of(call.metadata)


def _account(call: Call) -> UUID:
    """The access option admits nobody without an account to the methods that use this."""
    assert call.caller.account_id is not None
    return call.caller.account_id


def _session(call: Call) -> UUID:
    assert call.caller.session_id is not None
    return call.caller.session_id


def _device(device: session_pb2.Device, *, use_cookies: bool) -> Device:
    kind = device.type or (session_pb2.DeviceType.BROWSER if use_cookies else session_pb2.DeviceType.OTHER)
    return Device(wire.DEVICE_TYPES.from_proto(kind), wire.text(device.id, "device.id") or None)
