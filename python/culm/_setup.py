"""Values that are made once per process and kept warm."""

from __future__ import annotations

import functools
import threading
from typing import Callable, Generic, List, TypeVar

T = TypeVar('T')


class Setup(Generic[T]):
    """A value that is made when it is first asked for. Made by `@setup`."""

    def __init__(self, make: Callable[[], T]) -> None:
        from inspect import iscoroutinefunction

        if not callable(make):
            raise TypeError(f'@setup is for functions, and this is {make!r}')
        if iscoroutinefunction(make):
            raise TypeError(f'@setup is for plain functions, and {make.__name__} is a coroutine function')
        functools.update_wrapper(self, make)
        self._make = make
        self._made: List[T] = []
        self._lock = threading.RLock()

    def __call__(self) -> T:
        """The value; threads that ask at once wait for the one that makes it. An error is not remembered."""
        if not self._made:
            with self._lock:
                if not self._made:
                    self._made.append(self._make())
        return self._made[0]

    def __repr__(self) -> str:
        return f'<setup {getattr(self._make, "__name__", self._make)}>'


def setup(make: Callable[[], T]) -> Setup[T]:
    """Marks a function whose value is made once per process and kept warm.

        @setup
        def model():
            return load('weights.bin')

        @work
        def predict(x):
            return model()(x)

    A process runs many jobs of one owner and one version of the source, one after the other; so the value must not hold
    what belongs to one of them: no files of a working folder, no results, no handles of calls.
    """
    return Setup(make)
