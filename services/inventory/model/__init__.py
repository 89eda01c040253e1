"""Rules and tables of the inventory service."""
