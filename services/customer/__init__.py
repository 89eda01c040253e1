"""Accounts of customers, staff and administrators.

Owns `customer_db`: accounts with their passwords, sessions, signing keys, addresses, preferences, favorites, and the
grants of staff.
Publishes CustomerRegistered, CustomerVerified, CustomerErased, SessionRevoked.
Consumes StaffGranted, StaffRevoked (roles), PointsEarned, PointsRedeemed, PointsReversed, PointsReturned,
PointsExpired, TierChanged, OrderDelivered (copies in the profile).
"""
