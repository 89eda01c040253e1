"""Every route, asked from outside as every kind of caller, against what its `access` option says.

The one inside is tests/integration/access: there the callers are peers of the mesh. Here they come through the edge
with tokens signed by customer's own key, of accounts and stores that do not exist, so that nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest

from tests.e2e.hostile.conftest import Victim
from tests.e2e.hostile.forging import Forger
from tests.e2e.hostile.routes import Route, routes
from tests.e2e.platform import Platform

JOBS = ("MANAGER", "CHEF", "CASHIER", "DELIVERY", "SUPPORT")
KINDS: dict[str, frozenset[str]] = {
    "nobody": frozenset(),
    "customer": frozenset({"CUSTOMER"}),
    **{job.lower(): frozenset({"CUSTOMER", job}) for job in JOBS},
    "admin": frozenset({"CUSTOMER", "ADMIN"}),
}
DENIALS = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED"}


@pytest.fixture(scope="module")
def tokens(forger: Forger, victim: Victim) -> dict[str, str | None]:
    """One token a kind; a job is one in a store that is not there."""

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


def due(route: Route, kind: str) -> int | None:
    """The denial that the option demands; None for a caller that it admits."""
    if route.method.is_public or route.method.callers & KINDS[kind]:
        return None
    return 403 if KINDS[kind] else 401


def test_every_route_answers_every_caller_as_its_option_says(
    platform: Platform, tokens: dict[str, str | None], capsys: pytest.CaptureFixture[str]
) -> None:
    found = list(routes())
    with ThreadPoolExecutor(max_workers=4) as pool:
        answers = list(pool.map(lambda route: list(ask(platform, route, tokens)), found))
    differences = [difference for answer in answers for difference in answer if difference]
    checked = len(found) * len(KINDS)
    with capsys.disabled():
        print(f"\n{len(found)} routes x {len(KINDS)} callers from outside: {checked} checked, "
              f"{len(differences)} differences")  # fmt: skip
    assert not differences, "\n".join(differences)


def ask(platform: Platform, route: Route, tokens: dict[str, str | None]) -> Iterator[str]:
    """A difference per kind of caller; empty where the answer is as it should be."""
    for kind, token in tokens.items():
        # What an admitted caller is told about an empty request is no matter of access, and changes nothing.
        answer = route.send(platform.http, token, {"date": "2030-01-31"}, empty=True)
        wanted = due(route, kind)
        denied = answer.status_code if answer.status_code in DENIALS else None
        if _is_credential_answer(route, answer):
            denied = None
        if denied != wanted:
            yield f"{route} as {kind}: {answer.status_code}, due was {wanted or 'no denial'}: {answer.text[:200]}"
        elif wanted is not None and DENIALS[wanted] not in answer.text:
            yield f"{route} as {kind}: {answer.text[:200]}"
        else:
            yield ""


def _is_credential_answer(route: Route, answer: httpx.Response) -> bool:
    """A public way in that refuses what the body claims: a matter of the password or code, not of who asks."""
    return route.method.is_public and answer.status_code == httpx.codes.UNAUTHORIZED
