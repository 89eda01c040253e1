"""Every statement of the loyalty service. Guards are part of the statements, so that they hold under concurrency.

Rows are locked in one order: reservation, accounts by id, lots, reward or campaign.
"""
