"""Graph helpers; see the package."""

import networkx


def largest_connected_component(graph: networkx.Graph) -> networkx.Graph:
    return graph.subgraph(max(networkx.connected_components(graph), key=len)).copy()
