"""The values of a map by the arguments that gave them."""

from __future__ import annotations

import sys
from typing import Any, Dict, Hashable, Iterable, Iterator, Mapping, Tuple, TypeVar

V = TypeVar('V')


class ByArgs(Mapping[Any, V]):
    """A mapping whose keys are arguments, which may be dicts, lists and arrays.

    Keys are the same when they are equal, whatever the order of their names: `{'a': 1, 'b': 2}` is `{'b': 2, 'a': 1}`,
    1 is 1.0, and a number of NumPy is that number; True and False are no numbers. Of equal keys the last value counts.
    """

    def __init__(self, pairs: Iterable[Tuple[Any, V]]) -> None:
        self._pairs: Dict[Hashable, Tuple[Any, V]] = {}
        for key, value in pairs:
            self._pairs[_frozen(key)] = (key, value)

    def __getitem__(self, key: Any) -> V:
        found = self._pairs.get(_frozen(key))
        if found is None:
            raise KeyError(key)
        return found[1]

    def __contains__(self, key: object) -> bool:
        return _frozen(key) in self._pairs

    def __iter__(self) -> Iterator[Any]:
        return (key for key, _ in self._pairs.values())

    def __len__(self) -> int:
        return len(self._pairs)

    def __repr__(self) -> str:
        return f'ByArgs({list(self.items())!r})'


def _frozen(value: Any) -> Hashable:
    """What stands for a value as a key: equal values have equal ones."""
    numpy = sys.modules.get('numpy')
    if numpy is not None and isinstance(value, numpy.generic):
        value = value.item()
    if isinstance(value, bool):
        return ('bool', value)
    if isinstance(value, float) and value != value:
        return ('nan',)
    if isinstance(value, dict):
        return ('dict', frozenset((_frozen(name), _frozen(item)) for name, item in value.items()))
    if isinstance(value, (set, frozenset)):
        return ('set', frozenset(map(_frozen, value)))
    if isinstance(value, (list, tuple)):
        return (type(value).__name__, *map(_frozen, value))
    if isinstance(value, bytearray):
        return bytes(value)
    if numpy is not None and isinstance(value, numpy.ndarray):
        return ('array', value.shape, value.dtype.str, value.tobytes())
    return value  # type: ignore[no-any-return]
