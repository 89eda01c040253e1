"""Accounts of everybody: customers, staff and administrators.

Owns accounts with their passwords, sessions, signing keys, addresses, food preferences, favorites and the grants of
staff. Publishes CustomerRegistered, CustomerVerified, CustomerErased and SessionRevoked. Hears of staff from store, of
points and tiers from loyalty, and of delivered orders from order.
"""
