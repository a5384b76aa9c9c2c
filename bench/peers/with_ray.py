"""Ray: tasks of one core each on a node of this machine, and `ray.put` for what all calls share.

The variables are read when it is imported: no usage statistics, and sockets on the loopback address only.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Sequence

os.environ.update(RAY_USAGE_STATS_ENABLED='0', RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER='0')

import ray
from figures import System, arguments, print_figures

if TYPE_CHECKING:
    from figures import Array, Items


@ray.remote
def noop(x: int) -> int:
    return x


@ray.remote
def nap(x: int) -> int:
    time.sleep(0.010)
    return x


@ray.remote
def look(x: int, array: Array) -> float:
    return float(array[x])


def looks(items: Items, array: Array) -> Sequence[float]:
    stored = ray.put(array)
    return ray.get([look.remote(x, stored) for x in items])


if __name__ == '__main__':
    workers, sizes = arguments()
    ray.init(
        address='local', num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level='error'
    )
    system = System(
        version=ray.__version__,
        call=lambda x: ray.get(noop.remote(x)),
        no_ops=lambda items: ray.get([noop.remote(x) for x in items]),
        naps=lambda items: ray.get([nap.remote(x) for x in items]),
        looks=looks,
    )
    print_figures(system, sizes)
    ray.shutdown()
