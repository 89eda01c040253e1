"""Authentication with the platform's access tokens, verified as at its edge."""

from __future__ import annotations

import json
from functools import cache
from typing import Annotated, Any
from uuid import UUID

import jwt
from fastapi import Depends, Header, HTTPException

from bench.baseline.settings import settings

_ALGORITHM = "EdDSA"


@cache
def _read_keys() -> dict[str, jwt.PyJWK]:
    published = json.loads(settings().jwks.read_text())["keys"]
    return {key["kid"]: jwt.PyJWK(key, algorithm=_ALGORITHM) for key in published}


async def _authenticate(authorization: Annotated[str, Header()] = "") -> UUID:
    """The account of the token; 401 without a valid one. Async, because FastAPI runs plain functions in threads."""
    token = authorization.removeprefix("Bearer ")
    try:
        key = _read_keys()[jwt.get_unverified_header(token)["kid"]]
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[_ALGORITHM],
            audience=settings().token_audience,
            issuer=settings().token_issuer,
        )
    except (jwt.InvalidTokenError, KeyError) as error:
        raise HTTPException(401, "authentication required") from error
    return UUID(claims["sub"])


Caller = Annotated[UUID, Depends(_authenticate)]
