"""The rpcs of AuthService: registration, login, sessions, passwords, and what other services read of them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from google.api.httpbody_pb2 import HttpBody
from google.protobuf.empty_pb2 import Empty
from jainshikanji.customer.v1 import auth_service_pb2 as pb
from jainshikanji.customer.v1.auth_service_pb2_grpc import AuthServiceServicer
from jainshikanji.customer.v1.customer_pb2 import Customer
from jainshikanji.customer.v1.grant_pb2 import StaffGrant
from jainshikanji.customer.v1.session_pb2 import Tokens
from jainshikanji.store.v1.staff_pb2 import StaffJob

from chassis import Call, current_call, current_caller
from chassis.errors import InvalidArgument
from chassis.timestamps import timestamp_to_proto
from services.customer import wire
from services.customer.app import CustomerApp
from services.customer.commands import ClientInfo, RefreshSession
from services.customer.cookies import find_cookie
from services.customer.errors import InvalidRefreshToken
from services.customer.tokens import create_csrf_token
from services.customer.usecases import accounts, passwords, profiles, sessions, staff, verification
from services.customer.usecases.sessions import OpenedSession, get_session_id

# How long the edge and other verifiers may cache the key set; far below the time that a key is published in advance.
_KEY_SET_CACHE = "public, max-age=300"
_NEVER_CACHE = "no-store"


class AuthServicer(AuthServiceServicer):
    """Accounts and their sessions."""

    def __init__(self, app: CustomerApp) -> None:
        self._app = app

    async def Register(self, request: pb.RegisterRequest, context: Any) -> Customer:
        command = wire.register_account_from_proto(request, _client())
        row = await accounts.register_account(self._app, current_caller(), command)
        return wire.customer_to_proto(row, self._app.cipher)

    async def Login(self, request: pb.LoginRequest, context: Any) -> Tokens:
        opened = await sessions.log_in(self._app, current_caller(), wire.log_in_from_proto(request, _client()))
        return self._tokens_to_proto(opened, use_cookies=request.use_cookies)

    async def Refresh(self, request: pb.RefreshRequest, context: Any) -> Tokens:
        call = current_call()
        cookie = find_cookie(call.metadata, self._app.cookies.names.refresh)
        use_cookies = not request.refresh_token
        if use_cookies and not cookie:
            raise InvalidArgument("refreshToken", "is required: here or in the refresh cookie")
        command = RefreshSession(request.refresh_token or cookie, _client())
        try:
            opened = await sessions.refresh_session(self._app, call.caller, command)
        except InvalidRefreshToken:
            if use_cookies:
                self._app.cookies.clear(call)
            raise
        return self._tokens_to_proto(opened, use_cookies=use_cookies)

    async def VerifyEmail(self, request: pb.VerifyEmailRequest, context: Any) -> Empty:
        command = wire.verify_email_from_proto(request, _client())
        await verification.verify_email(self._app, current_caller(), command)
        return Empty()

    async def ResendVerification(self, request: pb.ResendVerificationRequest, context: Any) -> Empty:
        await verification.resend_verification(self._app, current_caller(), _client())
        return Empty()

    async def ForgotPassword(self, request: pb.ForgotPasswordRequest, context: Any) -> Empty:
        command = wire.request_password_reset_from_proto(request, _client())
        await passwords.request_password_reset(self._app, current_caller(), command)
        return Empty()

    async def ResetPassword(self, request: pb.ResetPasswordRequest, context: Any) -> Empty:
        command = wire.reset_password_from_proto(request, _client())
        await passwords.reset_password(self._app, current_caller(), command)
        return Empty()

    async def ChangePassword(self, request: pb.ChangePasswordRequest, context: Any) -> Tokens:
        command = wire.change_password_from_proto(request, _client())
        opened = await passwords.change_password(self._app, current_caller(), command)
        return self._tokens_to_proto(opened, use_cookies=request.use_cookies)

    async def Logout(self, request: pb.LogoutRequest, context: Any) -> Empty:
        call = current_call()
        await sessions.log_out(self._app, call.caller)
        self._app.cookies.clear(call)
        return Empty()

    async def GetMe(self, request: pb.GetMeRequest, context: Any) -> pb.Me:
        call, caller = current_call(), current_caller()
        row = await profiles.get_profile(self._app, caller, caller.account)
        call.set_header("cache-control", _NEVER_CACHE)
        session_id = get_session_id(caller)
        return pb.Me(
            customer=wire.customer_to_proto(row, self._app.cipher),
            roles=sorted(caller.roles),
            grants=[
                StaffGrant(store_id=str(grant.tenant_id), job=StaffJob.Value.Value(grant.role))
                for grant in caller.grants
            ],
            session_id=str(session_id),
            csrf_token=create_csrf_token(self._app.signing_key, session_id),
        )

    async def ListSessions(self, request: pb.ListSessionsRequest, context: Any) -> pb.ListSessionsResponse:
        caller, page = current_caller(), self._app.pages.open(request)
        rows = await sessions.list_sessions(self._app, caller, page)
        return pb.ListSessionsResponse(
            sessions=[wire.session_to_proto(row, caller.session_id) for row in page.trim(rows)],
            next_page_token=page.next_token(rows, lambda row: (row.created_at.isoformat(), str(row.id))),
        )

    async def DeleteSessions(self, request: pb.DeleteSessionsRequest, context: Any) -> Empty:
        call = current_call()
        await sessions.delete_sessions(self._app, call.caller, keep_current=request.keep_current)
        if not request.keep_current:
            self._app.cookies.clear(call)
        return Empty()

    async def DeleteSession(self, request: pb.DeleteSessionRequest, context: Any) -> Empty:
        call, session_id = current_call(), UUID(request.id)
        await sessions.delete_session(self._app, call.caller, session_id)
        if session_id == call.caller.session_id:
            self._app.cookies.clear(call)
        return Empty()

    async def AcceptInvitation(self, request: pb.AcceptInvitationRequest, context: Any) -> Empty:
        command = wire.accept_invitation_from_proto(request, _client())
        await staff.accept_invitation(self._app, current_caller(), command)
        return Empty()

    async def GetJwks(self, request: pb.GetJwksRequest, context: Any) -> HttpBody:
        key_set = await self._app.keyring.get_key_set()
        current_call().set_header("cache-control", _KEY_SET_CACHE)
        return HttpBody(content_type="application/jwk-set+json", data=key_set)

    async def InviteStaff(self, request: pb.InviteStaffRequest, context: Any) -> pb.InviteStaffResponse:
        command = wire.invite_staff_from_proto(request)
        invited = await staff.invite_staff(self._app, current_caller(), command)
        return pb.InviteStaffResponse(customer_id=str(invited.customer_id), invited=invited.is_pending)

    async def ListRevokedSessions(
        self, request: pb.ListRevokedSessionsRequest, context: Any
    ) -> pb.ListRevokedSessionsResponse:
        session_ids = await sessions.list_revoked_sessions(self._app, current_caller())
        return pb.ListRevokedSessionsResponse(session_ids=map(str, session_ids))

    def _tokens_to_proto(self, opened: OpenedSession, *, use_cookies: bool) -> Tokens:
        """The tokens, in cookies or in the body: in both, a script could read what a cookie hides."""
        call: Call = current_call()
        call.set_header("cache-control", _NEVER_CACHE)
        if use_cookies:
            self._app.cookies.set_tokens(
                call, access=opened.access_token, refresh=opened.refresh_token, csrf=opened.csrf_token
            )
        return Tokens(
            access_token="" if use_cookies else opened.access_token,
            refresh_token="" if use_cookies else opened.refresh_token,
            expires_in=self._app.settings.access_token_seconds,
            refresh_expires_at=timestamp_to_proto(opened.refresh_expires_at),
            csrf_token=opened.csrf_token,
            customer_id=str(opened.customer_id),
            session_id=str(opened.session_id),
        )


def _client() -> ClientInfo:
    return wire.client_from_metadata(current_call().metadata)
