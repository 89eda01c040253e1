"""LoyaltyService: a message in, one use case, a message out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from jainshikanji.loyalty.v1 import (
    account_pb2,
    campaign_pb2,
    loyalty_service_pb2,
    loyalty_service_pb2_grpc,
    reward_pb2,
    tier_pb2,
)

from chassis import current_call
from services.loyalty import wire
from services.loyalty.app import LoyaltyApp
from services.loyalty.usecases import accounts, benefits, campaigns, coupons, rewards

PUBLIC_LIST_SECONDS = 60


class LoyaltyServicer(loyalty_service_pb2_grpc.LoyaltyServiceServicer):
    """The one service of the package."""

    def __init__(self, app: LoyaltyApp) -> None:
        self._app = app

    async def GetLoyaltyAccount(
        self, request: loyalty_service_pb2.GetLoyaltyAccountRequest, context: Any
    ) -> account_pb2.LoyaltyAccount:
        customer_id = UUID(request.customer_id)
        is_own = current_call().caller.account_id == customer_id
        row = await accounts.get_account(self._app, customer_id, is_own=is_own)
        return wire.account(row, self._app.settings.rupees_of_point)

    async def ListLoyaltyTransactions(
        self, request: loyalty_service_pb2.ListLoyaltyTransactionsRequest, context: Any
    ) -> loyalty_service_pb2.ListLoyaltyTransactionsResponse:
        page = self._app.pages.open(request)
        rows = await accounts.list_transactions(
            self._app,
            UUID(request.customer_id),
            kind=wire.TRANSACTION_TYPES.from_proto(request.type) if request.type else None,
            before=int(page.after[0]) if page.after else None,
            limit=page.limit,
        )
        return loyalty_service_pb2.ListLoyaltyTransactionsResponse(
            transactions=[wire.transaction(row) for row in page.trim(rows)],
            next_page_token=page.next_token(rows, lambda row: (str(row.seq),)),
        )

    async def ListRedemptions(
        self, request: loyalty_service_pb2.ListRedemptionsRequest, context: Any
    ) -> loyalty_service_pb2.ListRedemptionsResponse:
        page = self._app.pages.open(request)
        rows = await rewards.list_redemptions(
            self._app,
            UUID(request.customer_id),
            before=UUID(page.after[0]) if page.after else None,
            limit=page.limit,
        )
        return loyalty_service_pb2.ListRedemptionsResponse(
            redemptions=[wire.redemption(row) for row in page.trim(rows)],
            next_page_token=page.next_token(rows, lambda row: (str(row.id),)),
        )

    async def EarnPoints(
        self, request: loyalty_service_pb2.EarnPointsRequest, context: Any
    ) -> account_pb2.LoyaltyTransaction:
        row = await accounts.give_points(
            self._app, current_call(), request, UUID(request.customer_id), request.points, request.reason
        )
        return wire.transaction(row)

    async def RedeemReward(
        self, request: loyalty_service_pb2.RedeemRewardRequest, context: Any
    ) -> reward_pb2.Redemption:
        row = await rewards.redeem_reward(self._app, current_call(), request, UUID(request.reward_id))
        return wire.redemption(row)

    async def ListRewards(
        self, request: loyalty_service_pb2.ListRewardsRequest, context: Any
    ) -> loyalty_service_pb2.ListRewardsResponse:
        page = self._app.pages.open(request)
        rows = await rewards.list_rewards(
            self._app,
            current_call().caller,
            include_inactive=request.include_inactive,
            after=(int(page.after[0]), UUID(page.after[1])) if page.after else None,
            limit=page.limit,
        )
        return loyalty_service_pb2.ListRewardsResponse(
            rewards=[wire.reward(row) for row in page.trim(rows)],
            next_page_token=page.next_token(rows, lambda row: (str(row.points_cost), str(row.id))),
        )

    async def CreateReward(self, request: loyalty_service_pb2.CreateRewardRequest, context: Any) -> reward_pb2.Reward:
        return wire.reward(await rewards.create_reward(self._app, wire.reward_columns(request)))

    async def UpdateReward(self, request: loyalty_service_pb2.UpdateRewardRequest, context: Any) -> reward_pb2.Reward:
        row = await rewards.update_reward(self._app, UUID(request.id), wire.reward_changes(request))
        return wire.reward(row)

    async def ListCampaigns(
        self, request: loyalty_service_pb2.ListCampaignsRequest, context: Any
    ) -> loyalty_service_pb2.ListCampaignsResponse:
        page = self._app.pages.open(request)
        rows = await campaigns.list_campaigns(
            self._app,
            current_call().caller,
            include_all=request.include_all,
            kind=wire.CAMPAIGN_TYPES.from_proto(request.type) if request.type else None,
            after=(datetime.fromisoformat(page.after[0]), UUID(page.after[1])) if page.after else None,
            limit=page.limit,
        )
        return loyalty_service_pb2.ListCampaignsResponse(
            campaigns=[wire.campaign(row) for row in page.trim(rows)],
            next_page_token=page.next_token(rows, lambda row: (row.end_date.isoformat(), str(row.id))),
        )

    async def CreateCampaign(
        self, request: loyalty_service_pb2.CreateCampaignRequest, context: Any
    ) -> campaign_pb2.Campaign:
        return wire.campaign(await campaigns.create_campaign(self._app, wire.campaign_columns(request)))

    async def UpdateCampaign(
        self, request: loyalty_service_pb2.UpdateCampaignRequest, context: Any
    ) -> campaign_pb2.Campaign:
        row = await campaigns.update_campaign(self._app, UUID(request.id), wire.campaign_changes(request))
        return wire.campaign(row)

    async def GetCoupon(self, request: loyalty_service_pb2.GetCouponRequest, context: Any) -> campaign_pb2.Coupon:
        call = current_call()
        row, uses_left = await coupons.get_coupon(
            self._app, call.account, wire.normalise_code(request.code), client_address(call.metadata)
        )
        return wire.coupon(row, uses_left)

    async def ListTiers(
        self, request: loyalty_service_pb2.ListTiersRequest, context: Any
    ) -> loyalty_service_pb2.ListTiersResponse:
        current_call().set_header("cache-control", f"public, max-age={PUBLIC_LIST_SECONDS}")
        tiers = [wire.tier(row) for row in await accounts.list_tiers(self._app)]
        return loyalty_service_pb2.ListTiersResponse(tiers=tiers)

    async def UpdateTier(self, request: loyalty_service_pb2.UpdateTierRequest, context: Any) -> tier_pb2.Tier:
        row = await accounts.update_tier(self._app, wire.TIERS.from_proto(request.tier), wire.tier_changes(request))
        return wire.tier(row)

    async def QuoteBenefits(
        self, request: loyalty_service_pb2.QuoteBenefitsRequest, context: Any
    ) -> loyalty_service_pb2.Benefits:
        granted = await benefits.quote_benefits(self._app, _wish(request))
        return wire.benefits(granted.benefits, granted.coupon_code, granted.campaign_id)

    async def ReserveBenefits(
        self, request: loyalty_service_pb2.ReserveBenefitsRequest, context: Any
    ) -> loyalty_service_pb2.Benefits:
        granted = await self._app.run_shielded(
            benefits.reserve_benefits(self._app, UUID(request.order_id), _wish(request))
        )
        return wire.benefits(granted.benefits, granted.coupon_code, granted.campaign_id)

    async def ReleaseBenefits(
        self, request: loyalty_service_pb2.ReleaseBenefitsRequest, context: Any
    ) -> loyalty_service_pb2.ReleaseBenefitsResponse:
        await self._app.run_shielded(benefits.release_benefits(self._app, UUID(request.order_id)))
        return loyalty_service_pb2.ReleaseBenefitsResponse()


def client_address(metadata: Mapping[str, str]) -> str:
    """Where the edge saw the client. Of x-forwarded-for only the last entry is the edge's own."""
    return metadata.get("x-envoy-external-address") or metadata.get("x-forwarded-for", "").rpartition(",")[2].strip()


def _wish(request: wire.Wishing) -> benefits.Wish:
    return benefits.Wish(
        UUID(request.customer_id),
        UUID(request.store_id),
        wire.normalise_code(request.coupon_code),
        request.points,
        wire.cart(request),
    )
