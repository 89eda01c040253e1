"""Errors of the customer service that its callers see."""

from __future__ import annotations

from chassis.errors import AlreadyExists, Conflict, InvalidArgument, ResourceExhausted, Unauthenticated

MAX_ADDRESSES = 20
MAX_FAVORITES = 500


class AccountAlreadyExists(AlreadyExists):
    """The email address or the phone number belongs to an account; the answer does not say which."""

    def __init__(self) -> None:
        super().__init__("an account with this email or phone exists already")


class PhoneAlreadyRegistered(AlreadyExists):
    """Another account has this phone number."""

    def __init__(self) -> None:
        super().__init__("another account has this phone")


class AccountInactive(Conflict):
    """An administrator has deactivated the account."""

    def __init__(self) -> None:
        super().__init__("the account is not active")


class TooManyAddresses(Conflict):
    """The customer has the maximum number of addresses."""

    def __init__(self) -> None:
        super().__init__(f"a customer has at most {MAX_ADDRESSES} addresses", limit=str(MAX_ADDRESSES))


class TooManyFavorites(Conflict):
    """The customer has the maximum number of favorites."""

    def __init__(self) -> None:
        super().__init__(f"a customer has at most {MAX_FAVORITES} favorites", limit=str(MAX_FAVORITES))


class InvalidCredentials(Unauthenticated):
    """Unknown email, wrong password or inactive account; the answer does not say which."""

    def __init__(self) -> None:
        super().__init__("email or password is wrong")


class InvalidRefreshToken(Unauthenticated):
    """Unknown, used or expired refresh token, or its session has ended; the answer does not say which."""

    def __init__(self) -> None:
        super().__init__("the refresh token is not valid; log in again")


class InvalidCode(InvalidArgument):
    """Unknown account, wrong, used or expired code, or too many attempts; the answer does not say which."""

    def __init__(self) -> None:
        super().__init__("code", "is wrong, used or expired")


class WrongPassword(InvalidArgument):
    """The current password is wrong."""

    def __init__(self) -> None:
        super().__init__("currentPassword", "is not the password of the account")


class WeakPassword(InvalidArgument):
    """The new password is easy to guess; the violation says why."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)


class TooManyAttempts(ResourceExhausted):
    """Too many passwords, codes or emails in the current window."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("too many attempts; try again later", retry_after)
