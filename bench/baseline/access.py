"""Who calls: the platform's own access tokens, verified here as its edge does."""

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
def _keys() -> dict[str, jwt.PyJWK]:
    published = json.loads(settings().jwks.read_text())["keys"]
    return {key["kid"]: jwt.PyJWK(key, algorithm=_ALGORITHM) for key in published}


async def _caller(authorization: Annotated[str, Header()] = "") -> UUID:
    """The account whose token it is; 401 without a valid one. Not a plain function: that would run in a thread."""
    token = authorization.removeprefix("Bearer ")
    try:
        key = _keys()[jwt.get_unverified_header(token)["kid"]]
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


Caller = Annotated[UUID, Depends(_caller)]
