"""Every route, called by every kind of external caller through the edge, compared with its `access` option.

tests/integration/access does the same in the mesh. Here the tokens are signed with the key of the customer service, for
accounts and stores that do not exist, so that nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest

from tests.e2e.hostile.conftest import Victim
from tests.e2e.hostile.forger import Forger
from tests.e2e.hostile.routes import Route, routes
from tests.e2e.platform import Platform

JOBS = ("MANAGER", "CHEF", "CASHIER", "DELIVERY", "SUPPORT")
KINDS: dict[str, frozenset[str]] = {
    "anonymous": frozenset(),
    "customer": frozenset({"CUSTOMER"}),
    **{job.lower(): frozenset({"CUSTOMER", job}) for job in JOBS},
    "admin": frozenset({"CUSTOMER", "ADMIN"}),
}
DENIALS = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED"}


@pytest.fixture(scope="module")
def tokens(forger: Forger, victim: Victim) -> dict[str, str | None]:
    """A token for each kind of caller; grants are for a store that does not exist."""

    def token(roles: frozenset[str]) -> str:
        jobs = sorted(roles & set(JOBS))
        claims = forger.claims(
            victim.session.token,
            sub=str(uuid4()),
            sid=str(uuid4()),
            admin="ADMIN" in roles,
            roles=sorted(roles),
            grants=[{"store_id": str(uuid4()), "job": job} for job in jobs],
        )
        return forger.signed(claims)

    return {kind: token(roles) if roles else None for kind, roles in KINDS.items()}


def expected_denial(route: Route, kind: str) -> int | None:
    """The status that the option requires; None for an allowed caller."""
    if route.method.is_public or route.method.callers & KINDS[kind]:
        return None
    return 403 if KINDS[kind] else 401


def test_every_route_allows_exactly_the_callers_of_its_option(
    platform: Platform, tokens: dict[str, str | None], capsys: pytest.CaptureFixture[str]
) -> None:
    found = list(routes())
    with ThreadPoolExecutor(max_workers=4) as pool:
        answers = list(pool.map(lambda route: list(call_as_each(platform, route, tokens)), found))
    differences = [difference for answer in answers for difference in answer if difference]
    checked = len(found) * len(KINDS)
    with capsys.disabled():
        print(f"\n{len(found)} routes x {len(KINDS)} external callers: {checked} checked, "
              f"{len(differences)} differences")  # fmt: skip
    assert not differences, "\n".join(differences)


def call_as_each(platform: Platform, route: Route, tokens: dict[str, str | None]) -> Iterator[str]:
    """A difference for each kind of caller; empty when there is none."""
    for kind, token in tokens.items():
        # The request is empty and changes nothing; an allowed caller may get any other error.
        answer = route.send(platform.http, token, {"date": "2030-01-31"}, empty=True)
        wanted = expected_denial(route, kind)
        denied = answer.status_code if answer.status_code in DENIALS else None
        if _is_credential_answer(route, answer):
            denied = None
        if denied != wanted:
            yield f"{route} as {kind}: {answer.status_code}, expected {wanted or 'no denial'}: {answer.text[:200]}"
        elif wanted is not None and DENIALS[wanted] not in answer.text:
            yield f"{route} as {kind}: {answer.text[:200]}"
        else:
            yield ""


def _is_credential_answer(route: Route, answer: httpx.Response) -> bool:
    """A public method that rejects the password or the code in the body, not the caller."""
    return route.method.is_public and answer.status_code == httpx.codes.UNAUTHORIZED
