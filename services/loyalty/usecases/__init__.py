"""What loyalty does: one function, one verb, one transaction."""
