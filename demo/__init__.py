"""The demo: nano-graphrag's own indexing and querying on RedisKVStorage, without a network or a key.

Not part of the package. `make demo` prepares the environment and runs it; __main__.py has the story it tells.
"""
