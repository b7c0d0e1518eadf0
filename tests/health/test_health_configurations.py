"""The environment files of the health runs: every name is one that is read, and Redis works for real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values
from servers import Server

HERE = Path(__file__).parent
FILES = ["config_redis.env", "config_neo4j_qdrant_redis.env"]

NUMBERS = {  # read by int() or float()
    *[
        "REDIS_MAX_CONNECTIONS",
        "REDIS_CONNECTION_TIMEOUT",
        "REDIS_SOCKET_TIMEOUT",
        "REDIS_HEALTH_CHECK_INTERVAL",
    ],
    *["REDIS_TTL_LLM_RESPONSE_CACHE", "REDIS_TTL_COMMUNITY_REPORTS"],
    *["REDIS_TTL_TEXT_CHUNKS", "REDIS_TTL_FULL_DOCS"],
    *["NEO4J_MAX_CONNECTION_POOL_SIZE", "NEO4J_CONNECTION_TIMEOUT"],
    *["NEO4J_MAX_TRANSACTION_RETRY_TIME", "NEO4J_BATCH_SIZE"],
    *["LLM_MAX_TOKENS", "LLM_MAX_CONCURRENT", "LLM_TEMPERATURE", "LLM_REQUEST_TIMEOUT"],
    *["EMBEDDING_DIMENSION", "EMBEDDING_BATCH_SIZE", "EMBEDDING_MAX_CONCURRENT"],
    *["CHUNKING_SIZE", "CHUNKING_OVERLAP", "ENTITY_MAX_GLEANING", "ENTITY_SUMMARY_MAX_TOKENS"],
    *["GRAPH_CLUSTERING_SEED", "GRAPH_MAX_CLUSTER_SIZE", "QUERY_SIMILARITY_THRESHOLD"],
    *["TEST_DATA_LINES", "HEALTH_CHECK_INSERT_TIMEOUT"],
}
FLAGS = {"LLM_CACHE_ENABLED", "QUERY_ENABLE_LOCAL", "QUERY_ENABLE_GLOBAL", "QUERY_ENABLE_NAIVE_RAG"}
TEXTS = {
    *["STORAGE_KV_BACKEND", "STORAGE_GRAPH_BACKEND", "STORAGE_VECTOR_BACKEND"],
    *["REDIS_URL", "REDIS_PASSWORD", "QDRANT_URL", "QDRANT_API_KEY", "QDRANT_NAMESPACE_PREFIX"],
    *["NEO4J_URL", "NEO4J_USERNAME", "NEO4J_PASSWORD", "NEO4J_DATABASE", "NEO4J_GRAPH_NAMESPACE"],
    *["LLM_PROVIDER", "LLM_MODEL", "EMBEDDING_PROVIDER", "EMBEDDING_MODEL"],
    *["CHUNKING_STRATEGY", "CHUNKING_TOKENIZER", "CHUNKING_TOKENIZER_MODEL"],
    *["ENTITY_STRATEGY", "GRAPH_CLUSTERING_ALGORITHM"],
}


def read(name: str) -> dict[str, str]:
    """The file as the health runs read it, with python-dotenv."""
    return {key: value or "" for key, value in dotenv_values(HERE / name).items()}


@pytest.mark.parametrize("name", FILES)
def test_every_variable_is_one_that_a_health_run_reads(name: str) -> None:
    assert set(read(name)) <= NUMBERS | FLAGS | TEXTS


@pytest.mark.parametrize("name", FILES)
def test_every_value_has_the_form_that_is_read(name: str) -> None:
    for key, value in read(name).items():
        if key in NUMBERS:
            assert float(value) >= 0, key
        elif key in FLAGS:
            assert value in ("true", "false"), key
        else:
            assert value == value.strip(), key
            assert value, key


@pytest.mark.parametrize(
    ("name", "graph", "vector"),
    [("config_redis.env", "networkx", "nano"), ("config_neo4j_qdrant_redis.env", "neo4j", "qdrant")],
)
def test_the_files_choose_their_backends(name: str, graph: str, vector: str) -> None:
    values = read(name)
    assert values["STORAGE_KV_BACKEND"] == "redis"
    assert values["STORAGE_GRAPH_BACKEND"] == graph
    assert values["STORAGE_VECTOR_BACKEND"] == vector


@pytest.fixture
def answers(server: Server, tmp_path: Path) -> dict[str, Any]:
    """A run of round_trip.py with config_redis.env; only the server's address is the test's own."""
    inherited = {key: os.environ[key] for key in ("PATH", "HOME", "PYTHONPATH") if key in os.environ}
    environment = {**inherited, **read("config_redis.env"), "REDIS_URL": server.url}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(HERE / "round_trip.py"), str(tmp_path)],
        env=environment, cwd=HERE.parent.parent, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    loaded: dict[str, Any] = json.loads(done.stdout)
    return loaded


def test_a_health_run_configured_by_the_environment_passes(answers: dict[str, Any], server: Server) -> None:
    ids = {
        "full_docs": "doc-1",
        "text_chunks": "chunk-1",
        "community_reports": "0",
        "llm_response_cache": "abc123",
    }
    assert set(answers) == set(ids)
    for namespace, answer in answers.items():
        assert answer == {
            "is_healthy": True,
            "backup_is_complete": True,
            "reads_back": True,
            "ids": [ids[namespace]],
            "stats_are_plain": True,
            "raw": {"exists": 1, "values": ["1", "2"], "deleted": 2},
        }
    with server.client() as client:
        lives = {namespace: client.ttl(f"nano_graphrag:{namespace}:{id}") for namespace, id in ids.items()}
    values = read("config_redis.env")
    for namespace, left in lives.items():
        seconds = int(values[f"REDIS_TTL_{namespace.upper()}"])
        assert left == pytest.approx(seconds or -1, abs=30 if seconds else 0)
