"""Rules and tables of the customer service."""
