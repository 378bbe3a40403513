//! Integration tests: the real binary against the embedded origin, servers that misbehave, and nginx.
