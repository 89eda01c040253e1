"""Points, tiers, rewards, campaigns and coupons.

Owns `loyalty_db`: the append-only ledger of points, accounts with their balance and tier, campaigns with their usage,
the catalogue of rewards and their purchases.
Publishes PointsEarned, PointsRedeemed, PointsReversed, PointsReturned, PointsExpired, TierChanged.
Consumes OrderConfirmed (redeems the reservation), OrderCancelled (returns it), OrderDelivered (earns points),
RefundProcessed (reverses them in proportion), CustomerRegistered (opens an account), CustomerErased.
"""
