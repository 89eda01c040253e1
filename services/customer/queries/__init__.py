"""Every statement of the service, compiled once, by noun.

Whatever changes several rows of an account takes the account's row first (FOR NO KEY UPDATE, or an UPDATE of it), so
that two of them never wait for each other.
"""
