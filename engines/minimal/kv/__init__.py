"""KV beyond the pool: prefix cache and host tier."""
