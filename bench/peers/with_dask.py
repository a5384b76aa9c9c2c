"""Dask distributed: a LocalCluster of processes with a thread each, `client.map`, and `scatter` for what all calls share.

`pure=False`: otherwise equal calls are one, and take the value that is there.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Sequence

import distributed
from figures import System, arguments, print_figures

if TYPE_CHECKING:
    from figures import Array, Items


def noop(x: int) -> int:
    return x


def nap(x: int) -> int:
    time.sleep(0.010)
    return x


def look(x: int, array: Array) -> float:
    return float(array[x])


def system_of(client: distributed.Client) -> System:
    def looks(items: Items, array: Array) -> Sequence[float]:
        everywhere = client.scatter(array, broadcast=True)
        return client.gather(client.map(look, items, array=everywhere, pure=False))

    return System(
        version=distributed.__version__,
        call=lambda x: client.submit(noop, x, pure=False).result(),
        no_ops=lambda items: client.gather(client.map(noop, items, pure=False)),
        naps=lambda items: client.gather(client.map(nap, items, pure=False)),
        looks=looks,
    )


if __name__ == '__main__':
    workers, sizes = arguments()
    with distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, host='127.0.0.1', dashboard_address=None
    ) as cluster, distributed.Client(cluster) as client:
        print_figures(system_of(client), sizes)
