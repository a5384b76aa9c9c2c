"""The arguments that the jobs of a task share, on the runner: read once, and given to each job anew."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Callable, Mapping, Optional

if TYPE_CHECKING:
    from ._original import Original


class Shared:
    """Each job gets arguments of its own, which it may change, and which no other job sees changed."""

    def __init__(self) -> None:
        self._original: Optional[Original] = None

    def take(self, read: Callable[[], Mapping[str, Any]], is_large: bool) -> Mapping[str, Any]:
        """`read` makes them from their text, which takes longer than copying when there is much of it."""
        if self._original is not None:
            return self._original.copied()
        shared = read()
        if is_large:
            from ._original import Original

            with contextlib.suppress(Exception):  # What cannot be pickled is read each time.
                self._original = Original(shared)
        return shared
