"""GraphRAG takes one config object and asks the factory for its storages."""

from ._storage.factory import StorageFactory, _register_backends
from .config import GraphRAGConfig


class GraphRAG:
    def __init__(self, config: GraphRAGConfig | None = None) -> None:
        self.config = config or GraphRAGConfig()
        _register_backends()
        for namespace in ("full_docs", "text_chunks", "community_reports", "llm_response_cache"):
            storage = StorageFactory.create_kv_storage(
                backend=self.config.storage.kv_backend,
                namespace=namespace,
                global_config=self.config.to_dict(),
            )
            setattr(self, namespace, storage)
