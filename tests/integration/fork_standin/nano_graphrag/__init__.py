"""A stand-in for the nano-graphrag that builds its storages through a factory."""

from .graphrag import GraphRAG

__all__ = ["GraphRAG"]
