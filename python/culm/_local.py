"""Works and workflow functions in this process, without a server: `with culm.local():`, or CULM_LOCAL=1.

For tests of programs that call works, and for a first look. A job runs when it is called, before the call returns its
handle. Arguments and values go the way that they go between machines: what could not cross does not cross here either,
and what arrives is a copy. Errors are those that a job's would be.
"""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import threading
from typing import Any, Callable, Iterator, Mapping, NoReturn, Optional, Sequence

from ._coroutines import in_loop, is_coroutine, run_coroutine
from ._errors import CulmError, RemoteError, error_of
from ._pending import Pending, Told
from ._replay import Asked, Entry
from ._report import report_error
from ._scope import Scope, entered
from ._values import Reading, decode, encode
from ._work import Work


@contextlib.contextmanager
def local() -> Iterator[None]:
    """`with culm.local():` runs the works called inside here and now, without a server."""
    with entered(LocalScope()):
        yield


class LocalScope(Scope):
    """Takes the calls of a program, and runs them."""

    def __init__(self) -> None:
        super().__init__(_no_client, 'local', 'driver', 1)
        self.run_here = self._run_here
        self._numbers = itertools.count(1)

    def is_of_parent(self) -> bool:
        return False

    def keep(self, asked: Asked, make: Callable[[], str]) -> Asked:
        return Asked(asked.key, Entry(0, asked.key, value=make()))

    def cancel_task(self, pending: Pending) -> bool:
        return False  # It has ended.

    def error_of(self, told: Told, work_name: str) -> RemoteError:
        return error_of(told, work_name)

    def _run_here(self, work: Work[Any, Any], common: Optional[str], jobs: Sequence[str]) -> Pending:
        pending = Pending(len(jobs), self.journal)
        pending.task_id = f't{next(self._numbers)}'
        for index, text in enumerate(jobs):
            job_id = f'j{next(self._numbers)}'
            pending.first_job_id = pending.first_job_id or job_id
            place = {'taskId': pending.task_id, 'jobId': job_id, 'index': index, 'attempt': 1}
            pending.deliver({**place, **self._outcome(work, common, text)})
        return pending

    def _outcome(self, work: Work[Any, Any], common: Optional[str], text: str) -> Told:
        if work.waits_in_vain():
            return {'state': 'cancelled', 'attempt': 0, 'cause': 'parent'}
        try:
            value = self._value(work, common, text)
            return {'state': 'finished', 'value': {'text': encode(value, pickled=work.pickled)}}
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            cause = 'bundle' if isinstance(error, ModuleNotFoundError) else 'user'
            return {'state': 'failed', 'cause': cause, 'error': report_error(error, skip_files=(__file__,))}

    def _value(self, work: Work[Any, Any], common: Optional[str], text: str) -> Any:
        reading = Reading(pickled=work.pickled)
        shared: Mapping[str, Any] = decode(common, reading) if common else {}
        own = decode(text, reading)
        before, self.context = self.context, own.get('c', shared.get('c'))
        try:
            value = work.fn(*shared.get('a', ()), *own.get('a', ()), **{**shared.get('k', {}), **own.get('k', {})})
            return _awaited(value) if is_coroutine(value) else value
        finally:
            self.context = before


def _awaited(coroutine: Any) -> Any:
    """Its value, from a loop of its own: one that runs in this thread already takes no second one."""
    if not in_loop():
        return run_coroutine(coroutine)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(contextvars.copy_context().run, run_coroutine, coroutine).result()


def _no_client() -> NoReturn:
    raise CulmError('server_unknown', 'this part of the program runs without a server (culm.local, CULM_LOCAL)')


_shared: Optional[LocalScope] = None
_lock = threading.Lock()


def local_scope() -> LocalScope:
    """That of the whole process, when CULM_LOCAL asks for it."""
    global _shared
    with _lock:
        if _shared is None:
            _shared = LocalScope()
        return _shared
