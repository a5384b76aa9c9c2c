"""Where works are called: what they take from the workflow that they belong to."""

from __future__ import annotations

import contextlib
import contextvars
from typing import Any, Dict, Iterator, List, Mapping, Optional

from .._scope import enclosing_scope

_current: contextvars.ContextVar[Optional[Dict[str, Any]]] = contextvars.ContextVar('culm_idds', default=None)
_open: List[Dict[str, Any]] = []


@contextlib.contextmanager
def inside(options: Dict[str, Any]) -> Iterator[None]:
    """Works that are called inside take these options where they have none of their own."""
    token = _current.set(options)
    _open.append(options)
    try:
        yield
    finally:
        _open.remove(options)
        _current.reset(token)


def options_here() -> Mapping[str, Any]:
    """Of the workflow around this place; of the only one there is, in threads of which nobody knows where they belong;
    in a job, of the one that the job belongs to."""
    if _current.get() is not None:
        return _current.get() or {}
    if len(_open) == 1:
        return _open[0]
    scope = enclosing_scope()
    return (scope.context or {}) if scope else {}


def travelling(options: Mapping[str, Any]) -> Optional[Dict[str, Any]]:
    """As a job is told them, for the works that it calls; None when there is nothing to tell."""
    told = {name: value for name, value in options.items() if name != 'distributed' or not value}
    return told or None
