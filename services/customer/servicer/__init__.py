"""The rpcs of the customer service: request to command, one use case, row to response."""
