"""What payment does, by noun: payments, attempts, notices (webhooks), refunds, orders (their ends), saved methods."""
