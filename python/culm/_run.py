"""Which run of which program this process is, and which of its workflows is which.

A *run* is one program, started once or several times. `culm run` says in CULM_RUN which it is; a program that is
started by itself makes a new one. A workflow is found again by its *place* in the run: its function, and the ordinal
among equal ones in the order in which the program called them. Hashes of source and arguments tell whether they are the
same still.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import uuid
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Sequence

from ._errors import CulmError
from ._scope import is_set
from ._source import SCRIPT_PATH, script_path
from ._values import encode_arguments


class Place(NamedTuple):
    """Of one workflow in a run; `code` and `arguments` are SHA-256, or None when there is nothing to compare."""

    run: str
    key: str
    code: Optional[str]
    arguments: Optional[str]

    def told(self, program: str) -> Dict[str, Any]:
        """As the server takes it (`run` in `src/contract/workflows.ts`)."""
        hashes = {'code': self.code, 'arguments': self.arguments}
        return {
            **{'id': self.run, 'key': self.key, 'program': program[:200]},
            **{name: value for name, value in hashes.items() if value},
            **({'acceptCode': True} if is_set('CULM_ACCEPT_CODE') else {}),
        }


def place_of_function(
    fn: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], *, as_job: bool = False
) -> Place:
    """A function that runs as a job is another workflow than one that runs here."""
    file = _file_of(fn)
    name = f'{_module_of(fn)}#{getattr(fn, "__qualname__", type(fn).__name__)}{"@job" if as_job else ""}'
    return _run.place(name[-350:], _hash_of_file(file), _hash_of_arguments(args, kwargs))


def place_of_session(name: Optional[str] = None) -> Place:
    """The session of the program itself, or one that the program has opened under a name."""
    main = getattr(sys.modules.get('__main__'), '__file__', None)
    if name is None:
        arguments = '\0'.join(sys.argv[1:]).encode('utf-8', 'surrogateescape')
        return Place(_run.id, 'session', _hash_of_file(main), _sha256(arguments))
    return _run.place(f'session#{name}'[-350:], _hash_of_file(main), None)


def program_name() -> str:
    """What people call it: the name of its file. Jupyter says in JPY_SESSION_NAME which notebook it is."""
    file = os.environ.get('JPY_SESSION_NAME') or (sys.argv[0] if sys.argv else '')
    return os.path.basename(file) or 'python'


class _Run:
    """Children do not share it: they would be taken for the program itself, started again."""

    def __init__(self, run_id: Optional[str]) -> None:
        self.id = run_id or str(uuid.uuid4())
        self._ordinals: Dict[str, int] = {}
        self._lock = threading.Lock()

    def place(self, name: str, code: Optional[str], arguments: Optional[str]) -> Place:
        with self._lock:
            ordinal = self._ordinals[name] = self._ordinals.get(name, 0) + 1
        return Place(self.id, f'{name}:{ordinal}', code, arguments)


def _run_of_environment() -> _Run:
    """CULM_RUN is taken out of the environment, so that programs which this one starts are runs of their own."""
    given = os.environ.pop('CULM_RUN', '')
    try:
        return _Run(str(uuid.UUID(given)) if given else None)
    except ValueError:
        raise CulmError(
            'invalid_input', f'CULM_RUN is {given!r}, and should be a UUID', '`culm run FILE --continue w12` sets it.'
        ) from None


def _module_of(fn: Callable[..., Any]) -> str:
    scope = getattr(fn, '__globals__', {})
    module, file = str(getattr(fn, '__module__', '')), scope.get('__file__')
    if SCRIPT_PATH in scope:
        return str(scope[SCRIPT_PATH])
    return script_path(file) if module == '__main__' and file else module


def _file_of(fn: Callable[..., Any]) -> Optional[str]:
    return getattr(getattr(fn, '__code__', None), 'co_filename', None)


def _hash_of_file(file: Optional[str]) -> Optional[str]:
    try:
        with open(file or '', 'rb') as source:
            return _sha256(source.read())
    except OSError:
        return None


def _hash_of_arguments(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Optional[str]:
    """Those of a function that runs here need not be plain data; then there is nothing to compare."""
    try:
        return _sha256(encode_arguments(args, dict(sorted(kwargs.items()))).encode('utf-8', 'surrogatepass'))
    except CulmError:
        return None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


_run = _run_of_environment()


def _begin_anew() -> None:
    global _run
    _run = _Run(None)


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_begin_anew)
