"""Campaigns: what administrators create and change, and which are listed."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from psycopg.errors import UniqueViolation

from chassis import Caller
from chassis.database import Row
from chassis.errors import NotFound, PermissionDenied
from services.loyalty.app import LoyaltyApp
from services.loyalty.model.campaigns import check_campaign
from services.loyalty.model.refusals import CodeTaken, UsageLimitBelowUsage
from services.loyalty.queries import campaigns as q
from services.loyalty.usecases.coupons import terms_of


async def list_campaigns(
    app: LoyaltyApp,
    caller: Caller,
    *,
    include_all: bool,
    kind: str | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Row]:
    """Campaigns that run and are listed, or for administrators all, ending soonest first. Raises PermissionDenied."""
    if include_all and not caller.is_admin:
        raise PermissionDenied
    end, campaign_id = after or (None, None)
    page = q.ALL_CAMPAIGNS if include_all else q.LISTED_CAMPAIGNS
    return await app.db.all(page, type=kind, end=end, id=campaign_id, limit=limit)


async def create_campaign(app: LoyaltyApp, values: dict[str, Any]) -> Row:
    """Writes a campaign from its columns. Raises InvalidArgument, CodeTaken."""
    row = SimpleNamespace(**values)
    check_campaign(terms_of(row), row.code, row.start_date, row.end_date)
    try:
        campaign_id = await app.db.value(q.INSERT_CAMPAIGN, **values)
    except UniqueViolation:
        raise CodeTaken(values["code"]) from None
    return await app.db.one(q.CAMPAIGN, id=campaign_id)


async def update_campaign(app: LoyaltyApp, campaign_id: UUID, changes: dict[str, Any]) -> Row:
    """Sets the columns in `changes`. Raises NotFound, InvalidArgument, UsageLimitBelowUsage."""
    async with app.db.transaction() as tx:
        row = await tx.one(q.LOCK_CAMPAIGN, id=campaign_id)
        if row is None:
            raise NotFound
        wanted = row._replace(**changes)
        check_campaign(terms_of(wanted), wanted.code, wanted.start_date, wanted.end_date)
        if wanted.usage_limit is not None and wanted.usage_limit < row.current_usage:
            raise UsageLimitBelowUsage(row.current_usage)
        if changes:
            await tx.run(q.update_campaign(tuple(sorted(changes))), campaign=campaign_id, **changes)
        return await tx.one(q.CAMPAIGN, id=campaign_id)
