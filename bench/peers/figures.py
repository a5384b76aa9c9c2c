"""What every program of this folder measures of its system, in the same way, and prints as one JSON object.

Arguments: workers, calls one at a time, calls in a small map, in a large one, bytes of the argument that calls share.
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, NamedTuple, Sequence

import numpy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[numpy.float64]

Items = Sequence[int]


class Sizes(NamedTuple):
    calls: int
    few: int
    many: int
    array_bytes: int

    def tenth(self) -> Sizes:
        return Sizes(*(max(1, size // 10) for size in self[:3]), self.array_bytes)


class System(NamedTuple):
    """A system whose workers are up. Each member waits for the values, and gives them in order."""

    version: str
    #: One call of a function that gives its argument back.
    call: Callable[[int], int]
    #: Such a call for each item.
    no_ops: Callable[[Items], Sequence[int]]
    #: The same, of a function that sleeps for 10 ms.
    naps: Callable[[Items], Sequence[int]]
    #: A call for each item that is given the array too, and gives the element at that place.
    looks: Callable[[Items, Array], Sequence[float]]


def arguments() -> tuple[int, Sizes]:
    workers, *sizes = map(int, sys.argv[1:])
    return workers, Sizes(*sizes)


def print_figures(system: System, sizes: Sizes) -> None:
    """Everything is done once before at a tenth of its size: functions are known to all workers then."""
    _measured(system, sizes.tenth())
    print(json.dumps(_measured(system, sizes)))


def _measured(system: System, sizes: Sizes) -> Dict[str, Any]:
    few, many = range(sizes.few), range(sizes.many)
    # Another one each time: what is stored by its content is not there yet.
    array = numpy.random.default_rng().random(sizes.array_bytes // 8)
    return {
        'version': system.version,
        'callMs': [1000 * _seconds(lambda x=x: [system.call(x)], [x]) for x in range(sizes.calls)],
        'fewSeconds': _seconds(lambda: system.no_ops(few), few),
        'manySeconds': _seconds(lambda: system.no_ops(many), many),
        'napsSeconds': _seconds(lambda: system.naps(few), few),
        'commonSeconds': _seconds(lambda: system.looks(few, array), array[: len(few)].tolist()),
    }


def _seconds(act: Callable[[], Sequence[Any]], expected: Sequence[Any]) -> float:
    begin = time.perf_counter()
    values: List[Any] = list(act())
    seconds = time.perf_counter() - begin
    assert values == list(expected), 'a wrong value'
    return seconds
