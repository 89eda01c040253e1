"""The rpcs of the loyalty service: request to command, one use case, row to response."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from jainshikanji.loyalty.v1 import loyalty_service_pb2 as pb
from jainshikanji.loyalty.v1.account_pb2 import LoyaltyAccount, LoyaltyTransaction
from jainshikanji.loyalty.v1.campaign_pb2 import Campaign, Coupon
from jainshikanji.loyalty.v1.loyalty_service_pb2_grpc import LoyaltyServiceServicer
from jainshikanji.loyalty.v1.reward_pb2 import Redemption, Reward
from jainshikanji.loyalty.v1.tier_pb2 import Tier

from chassis import current_call, current_caller
from chassis.rpc.client_address import find_client_address
from chassis.rpc.idempotency import Claim
from services.loyalty import wire
from services.loyalty.app import LoyaltyApp
from services.loyalty.usecases import accounts, benefits, campaigns, coupons, rewards

PUBLIC_LIST_SECONDS = 60


class LoyaltyServicer(LoyaltyServiceServicer):
    """Accounts, rewards, campaigns, tiers, and benefits of orders."""

    def __init__(self, app: LoyaltyApp) -> None:
        self._app = app

    async def GetLoyaltyAccount(self, request: pb.GetLoyaltyAccountRequest, context: Any) -> LoyaltyAccount:
        row = await accounts.get_account(self._app, current_caller(), UUID(request.customer_id))
        return wire.account_to_proto(row, self._app.settings.rupees_of_point)

    async def ListLoyaltyTransactions(
        self, request: pb.ListLoyaltyTransactionsRequest, context: Any
    ) -> pb.ListLoyaltyTransactionsResponse:
        page, command = self._app.pages.open(request), wire.list_transactions_from_proto(request)
        rows = await accounts.list_transactions(self._app, current_caller(), command, page)
        return pb.ListLoyaltyTransactionsResponse(
            transactions=map(wire.transaction_to_proto, page.trim(rows)),
            next_page_token=page.next_token(rows, lambda row: (str(row.seq),)),
        )

    async def ListRedemptions(self, request: pb.ListRedemptionsRequest, context: Any) -> pb.ListRedemptionsResponse:
        page = self._app.pages.open(request)
        rows = await rewards.list_redemptions(self._app, current_caller(), UUID(request.customer_id), page)
        return pb.ListRedemptionsResponse(
            redemptions=map(wire.redemption_to_proto, page.trim(rows)),
            next_page_token=page.next_token(rows, lambda row: (str(row.id),)),
        )

    async def EarnPoints(self, request: pb.EarnPointsRequest, context: Any) -> LoyaltyTransaction:
        call = current_call()
        command = wire.give_points_from_proto(request, Claim.of(call) if call.idempotency_key else None)
        return wire.transaction_to_proto(await accounts.give_points(self._app, call.caller, command))

    async def RedeemReward(self, request: pb.RedeemRewardRequest, context: Any) -> Redemption:
        call = current_call()
        command = wire.redeem_reward_from_proto(request, Claim.of(call))
        return wire.redemption_to_proto(await rewards.redeem_reward(self._app, call.caller, command))

    async def ListRewards(self, request: pb.ListRewardsRequest, context: Any) -> pb.ListRewardsResponse:
        page = self._app.pages.open(request)
        rows = await rewards.list_rewards(self._app, current_caller(), page, include_inactive=request.include_inactive)
        return pb.ListRewardsResponse(
            rewards=map(wire.reward_to_proto, page.trim(rows)),
            next_page_token=page.next_token(rows, lambda row: (str(row.points_cost), str(row.id))),
        )

    async def CreateReward(self, request: pb.CreateRewardRequest, context: Any) -> Reward:
        new = wire.new_reward_from_proto(request)
        return wire.reward_to_proto(await rewards.create_reward(self._app, current_caller(), new))

    async def UpdateReward(self, request: pb.UpdateRewardRequest, context: Any) -> Reward:
        command = wire.update_reward_from_proto(request)
        return wire.reward_to_proto(await rewards.update_reward(self._app, current_caller(), command))

    async def ListCampaigns(self, request: pb.ListCampaignsRequest, context: Any) -> pb.ListCampaignsResponse:
        page, command = self._app.pages.open(request), wire.list_campaigns_from_proto(request)
        rows = await campaigns.list_campaigns(self._app, current_caller(), command, page)
        return pb.ListCampaignsResponse(
            campaigns=map(wire.campaign_to_proto, page.trim(rows)),
            next_page_token=page.next_token(rows, lambda row: (row.end_date.isoformat(), str(row.id))),
        )

    async def CreateCampaign(self, request: pb.CreateCampaignRequest, context: Any) -> Campaign:
        new = wire.new_campaign_from_proto(request)
        return wire.campaign_to_proto(await campaigns.create_campaign(self._app, current_caller(), new))

    async def UpdateCampaign(self, request: pb.UpdateCampaignRequest, context: Any) -> Campaign:
        command = wire.update_campaign_from_proto(request)
        return wire.campaign_to_proto(await campaigns.update_campaign(self._app, current_caller(), command))

    async def GetCoupon(self, request: pb.GetCouponRequest, context: Any) -> Coupon:
        call, code = current_call(), wire.normalise_code(request.code)
        row, uses_left = await coupons.get_coupon(self._app, call.caller, code, find_client_address(call.metadata))
        return wire.coupon_to_proto(row, uses_left)

    async def ListTiers(self, request: pb.ListTiersRequest, context: Any) -> pb.ListTiersResponse:
        current_call().set_header("cache-control", f"public, max-age={PUBLIC_LIST_SECONDS}")
        rows = await accounts.list_tiers(self._app, current_caller())
        return pb.ListTiersResponse(tiers=map(wire.tier_to_proto, rows))

    async def UpdateTier(self, request: pb.UpdateTierRequest, context: Any) -> Tier:
        command = wire.update_tier_from_proto(request)
        return wire.tier_to_proto(await accounts.update_tier(self._app, current_caller(), command))

    async def QuoteBenefits(self, request: pb.QuoteBenefitsRequest, context: Any) -> pb.Benefits:
        command = wire.use_benefits_from_proto(request)
        return wire.benefits_to_proto(await benefits.quote_benefits(self._app, current_caller(), command))

    async def ReserveBenefits(self, request: pb.ReserveBenefitsRequest, context: Any) -> pb.Benefits:
        command, order_id = wire.use_benefits_from_proto(request), UUID(request.order_id)
        work = benefits.reserve_benefits(self._app, current_caller(), order_id, command)
        return wire.benefits_to_proto(await self._app.run_shielded(work))

    async def ReleaseBenefits(self, request: pb.ReleaseBenefitsRequest, context: Any) -> pb.ReleaseBenefitsResponse:
        work = benefits.release_benefits(self._app, current_caller(), UUID(request.order_id))
        await self._app.run_shielded(work)
        return pb.ReleaseBenefitsResponse()
