"""Every statement of loyalty. Guards stand in the statements themselves, so that they hold under concurrency.

Rows are locked in one order everywhere: reservation, accounts (sorted), lots, reward or campaign.
"""
