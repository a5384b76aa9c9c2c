"""The graph of bench/programs/graph.ts through Dask distributed: as one graph that it is given, or as futures that take futures. Prints seconds."""

from __future__ import annotations

import sys
import time
from typing import Any, Dict, List, Tuple

import distributed


def noop(x: int, *before: int) -> int:
    return x


def parents_of(i: int, width: int, parents: int) -> List[int]:
    return [(i + n * 7) % width for n in range(parents)]


def as_graph(client: distributed.Client, layers: int, width: int, parents: int) -> List[int]:
    graph: Dict[str, Tuple[Any, ...]] = {}
    for layer in range(layers):
        for i in range(width):
            before = parents_of(i, width, parents) if layer else []
            graph[f'noop-{layer}-{i}'] = (noop, i, *(f'noop-{layer - 1}-{n}' for n in before))
    return list(client.get(graph, [f'noop-{layers - 1}-{i}' for i in range(width)]))


def as_futures(client: distributed.Client, layers: int, width: int, parents: int) -> List[int]:
    kept: List[List[distributed.Future]] = []
    for _ in range(layers):
        before = kept[-1] if kept else None
        of = [[before[n] for n in parents_of(i, width, parents)] if before else [] for i in range(width)]
        kept.append([client.submit(noop, i, *of[i], pure=False) for i in range(width)])
    return list(client.gather(kept[-1]))


if __name__ == '__main__':
    what, *numbers = sys.argv[1:]
    workers, layers, width, parents = map(int, numbers)
    run = {'graph': as_graph, 'futures': as_futures}[what]
    with distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, host='127.0.0.1', dashboard_address=None
    ) as cluster, distributed.Client(cluster) as client:
        client.gather(client.map(noop, range(100), pure=False))
        begin = time.perf_counter()
        assert run(client, layers, width, parents) == list(range(width)), 'a wrong value'
        print(time.perf_counter() - begin)
