"""What the service does: one function, one verb, one transaction."""
