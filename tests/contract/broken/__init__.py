"""Storages with one deliberate fault each; the suite must fail on every one of them."""
