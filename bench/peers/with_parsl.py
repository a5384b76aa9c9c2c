"""Parsl: one block of the high-throughput executor, which fetches ahead as is advised for many short tasks; a file for what all calls share, since Parsl sends
arguments with each of them.
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Any, Sequence

import numpy
import parsl
from figures import System, arguments, print_figures
from parsl.config import Config
from parsl.data_provider.files import File
from parsl.executors import HighThroughputExecutor
from parsl.providers import LocalProvider

if TYPE_CHECKING:
    from figures import Array, Items

#: For each worker.
AHEAD = 50


@parsl.python_app
def noop(x: int) -> int:
    return x


@parsl.python_app
def nap(x: int) -> int:
    import time

    time.sleep(0.010)
    return x


@parsl.python_app
def look(x: int, file: Any) -> float:
    import numpy

    return float(numpy.load(file.filepath)[x])


def system_in(folder: str) -> System:
    def looks(items: Items, array: Array) -> Sequence[float]:
        path = os.path.join(folder, 'array.npy')
        numpy.save(path, array)
        file = File(path)
        return [call.result() for call in [look(x, file) for x in items]]

    return System(
        version=parsl.__version__,
        call=lambda x: noop(x).result(),
        no_ops=lambda items: [call.result() for call in [noop(x) for x in items]],
        naps=lambda items: [call.result() for call in [nap(x) for x in items]],
        looks=looks,
    )


def configuration(workers: int, folder: str) -> Config:
    executor = HighThroughputExecutor(
        address='127.0.0.1',
        max_workers_per_node=workers,
        cores_per_worker=0.01,  # so that as many are started where there are fewer cores
        prefetch_capacity=AHEAD * workers,
        encrypted=False,
        provider=LocalProvider(init_blocks=1, min_blocks=1, max_blocks=1),
    )
    return Config(executors=[executor], strategy='none', usage_tracking=0, run_dir=folder, initialize_logging=False)


if __name__ == '__main__':
    workers, sizes = arguments()
    with tempfile.TemporaryDirectory() as folder, parsl.load(configuration(workers, folder)):
        print_figures(system_in(folder), sizes)
