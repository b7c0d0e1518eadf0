"""Clustering, by the native module; see the package."""

import graspologic_native
import networkx


def hierarchical_leiden(graph: networkx.Graph, max_cluster_size: int, random_seed: int) -> list:
    """The clusters of every level, as objects with `node`, `cluster` and `level`."""
    edges = [(str(a), str(b), float(weight)) for a, b, weight in graph.edges(data="weight", default=1.0)]
    if not edges:
        return []  # the native function refuses a graph without edges
    return graspologic_native.hierarchical_leiden(edges, max_cluster_size=max_cluster_size, seed=random_seed)
