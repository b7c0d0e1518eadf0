"""valkey-glide, the official client of Valkey, used well: one multiplexed connection, its work done in
Rust."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.endpoint import Endpoint

from .base import KV, Contestant
from .expert import ExpertStorage

REQUEST_TIMEOUT_MS = 30_000  # its default of 250 ms is too short for some megabytes
IN_FLIGHT = 4096  # its default of 1,000 refuses the 1,001st concurrent call


def trusting(authority: str | None) -> Any:
    """The configuration of TLS, None where none is spoken."""
    import glide

    if not authority:
        return None
    roots = glide.TlsAdvancedConfiguration(root_pem_cacerts=Path(authority).read_bytes())
    return glide.AdvancedGlideClientConfiguration(tls_config=roots)


class Glide(Contestant):
    name = "valkey-glide + orjson"
    imports = "import glide, orjson"

    async def open(self, endpoint: Endpoint) -> None:
        import glide

        if endpoint.socket:
            place = glide.NodeAddress(unix_socket_path=endpoint.socket)
        else:
            place = glide.NodeAddress("127.0.0.1", endpoint.port)
        self._client = await glide.GlideClient.create(
            glide.GlideClientConfiguration(
                [place],
                request_timeout=REQUEST_TIMEOUT_MS,
                inflight_requests_limit=IN_FLIGHT,
                use_tls=endpoint.authority is not None,
                advanced_config=trusting(endpoint.authority),
            )
        )

    def storage(self, namespace: str) -> KV:
        return _Storage(namespace, self._client)

    async def close(self) -> None:
        await self._client.close()


class _Storage(ExpertStorage):
    def __init__(self, namespace: str, client: Any) -> None:
        import glide

        super().__init__(namespace, client)
        self._batch = glide.Batch
        self._expiry = glide.ExpirySet(glide.ExpiryType.SEC, self.ttl)

    async def exist(self, keys: list[str]) -> list[int]:
        batch = self._batch(is_atomic=False)
        for key in keys:
            batch.exists([key])
        found: list[int] = await self._client.exec(batch, raise_on_error=True)
        return found

    async def set_expiring(self, key: str, encoded: bytes) -> None:
        await self._client.set(key, encoded, expiry=self._expiry)

    async def set_all_expiring(self, rows: dict[str, bytes]) -> None:
        batch = self._batch(is_atomic=True)
        for key, encoded in rows.items():
            batch.set(key, encoded, expiry=self._expiry)
        await self._client.exec(batch, raise_on_error=True)
