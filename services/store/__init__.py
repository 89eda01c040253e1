"""Stores: where they are, when they are open, where they deliver, who works in them.

Owns `store_management_db`: stores, operating hours and their exceptions, delivery zones, staff.
Publishes StoreCreated, StoreUpdated, StaffGranted, StaffRevoked.
Hears CustomerErased (staff records of an erased account lose their personal data).
Calls customer (invitations of staff).
"""
