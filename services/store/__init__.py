"""Stores: locations, opening hours, delivery zones and staff.

Owns `store_management_db`: stores, operating hours and their exceptions, delivery zones, staff.
Publishes StoreCreated, StoreUpdated, StaffGranted, StaffRevoked.
Consumes CustomerErased (staff records of an erased account lose their personal data).
Calls customer (invitations of staff).
"""
