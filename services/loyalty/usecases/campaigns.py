"""Campaigns: create, change, list."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from psycopg.errors import UniqueViolation

from chassis import Caller
from chassis.database.rows import column_values, parameters
from chassis.errors import NotFound, PermissionDenied
from chassis.rpc.pagination import Page
from services.loyalty.app import LoyaltyApp
from services.loyalty.commands import ListCampaigns, UpdateCampaign
from services.loyalty.errors import CodeTaken, UsageLimitBelowUsage
from services.loyalty.model.benefits import Terms
from services.loyalty.model.campaigns import check_campaign
from services.loyalty.queries import campaigns as queries
from services.loyalty.rows import CampaignRow, NewCampaign


async def list_campaigns(app: LoyaltyApp, caller: Caller, command: ListCampaigns, page: Page) -> list[CampaignRow]:
    """A page of campaigns, ending soonest first, with one row more than the page shows. Raises PermissionDenied."""
    if command.include_all and not caller.is_admin:
        raise PermissionDenied
    end, campaign_id = (datetime.fromisoformat(page.after[0]), UUID(page.after[1])) if page.after else (None, None)
    query = queries.list_campaigns(include_all=command.include_all)
    return await app.db.all(query, type=command.kind, end=end, id=campaign_id, limit=page.limit)


async def create_campaign(app: LoyaltyApp, caller: Caller, new: NewCampaign) -> CampaignRow:
    """Creates a campaign. Raises InvalidArgument, CodeTaken."""
    check_campaign(Terms.from_row(new), new.code, new.start_date, new.end_date)
    try:
        row = await app.db.one(queries.INSERT_CAMPAIGN, **parameters(new))
    except UniqueViolation:
        raise CodeTaken(new.code or "") from None
    assert row is not None
    return row


async def update_campaign(app: LoyaltyApp, caller: Caller, command: UpdateCampaign) -> CampaignRow:
    """Changes a campaign. Raises NotFound, InvalidArgument, UsageLimitBelowUsage."""
    changes = column_values(command.changes)
    async with app.db.transaction() as tx:
        row = await tx.one(queries.LOCK_CAMPAIGN, id=command.campaign_id)
        if row is None:
            raise NotFound
        changed = row._replace(**changes)
        check_campaign(Terms.from_row(changed), changed.code, changed.start_date, changed.end_date)
        if changed.usage_limit is not None and changed.usage_limit < row.current_usage:
            raise UsageLimitBelowUsage(row.current_usage)
        if changes:
            await tx.run(queries.update_campaign(frozenset(command.changes)), campaign=row.id, **changes)
        updated = await tx.one(queries.GET_CAMPAIGN, id=row.id)
        assert updated is not None
        return updated
