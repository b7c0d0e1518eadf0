from .factory import StorageFactory, _register_backends

__all__ = ["StorageFactory", "_register_backends"]
