"""Culm: works on the local queue of a server that runs already, which has as many slots as there are workers elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from figures import System, arguments, print_figures

import culm

if TYPE_CHECKING:
    from figures import Array


@culm.work
def noop(x: int) -> int:
    return x


@culm.work
def nap(x: int) -> int:
    time.sleep(0.010)
    return x


@culm.work
def look(x: int, array: Array) -> float:
    return float(array[x])


if __name__ == '__main__':
    _, sizes = arguments()
    system = System(
        version=culm.__version__,
        call=noop,
        no_ops=lambda items: noop.map(items).result(),
        naps=lambda items: nap.map(items).result(),
        looks=lambda items, array: look.map(items, array=array).result(),
    )
    print_figures(system, sizes)
