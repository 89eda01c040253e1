"""What the order service does: one function, one verb."""
