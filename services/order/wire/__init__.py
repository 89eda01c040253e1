"""Between rows and messages: `words` and scalars, `carts` in, `orders` out, `happenings` to the bus."""
