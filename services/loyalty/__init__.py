"""Points, tiers, rewards, campaigns and coupons.

Owns `loyalty_db`: the append-only ledger of points, accounts with their balance and tier, campaigns with their usage,
the catalogue of rewards and what customers bought from it.
Publishes PointsEarned, PointsRedeemed, PointsReversed, PointsReturned, PointsExpired, TierChanged.
Hears OrderConfirmed (uses what an order holds), OrderCancelled (gives it back), OrderDelivered (earns),
RefundProcessed (reverses in proportion), CustomerRegistered (opens an account), CustomerErased.
"""
