"""Proto in, one use case, proto out."""
