"""One function, one verb, one transaction."""
