"""The stream of outcomes of one scope: opened again whenever it breaks, and nothing is missed.

What happens while a stream is open is told; what happened before must be asked for. So each (re)opening that cannot
resume where the last one ended is a *gap*: whatever was submitted before it is looked up once. A submission notes the
number of gaps before it begins; if there was one before its reply was read, it is looked up too. An outcome may also
come before the reply that names its task: those are kept while any submission is under way.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Dict, Iterator, List, Optional

from ._client import Client, Stream, backoff_seconds, is_passing
from ._errors import CulmError
from ._pending import Pending, Told

if TYPE_CHECKING:
    from ._scope import Scope


class OutcomeStream:
    """Delivers outcomes to the `Pending` of their task. One thread, for as long as its scope lives."""

    def __init__(self, client: Client, scope: Scope) -> None:
        self._client = client
        self._scope = scope
        self._lock = threading.Lock()
        self._tasks: Dict[str, Pending] = {}
        self._early: Dict[str, List[Told]] = {}
        self._submitting = 0
        self._gaps = 0
        self._stopped = threading.Event()
        self._open: Optional[Stream] = None
        self._failure: Optional[CulmError] = None

    def start(self) -> None:
        threading.Thread(target=self._run, name='culm-stream', daemon=True).start()

    def stop(self, why: CulmError) -> None:
        self._stopped.set()
        stream = self._open
        if stream:
            stream.close()
        self._fail(why)

    @contextlib.contextmanager
    def expecting(self) -> Iterator[int]:
        """Around a submission: yields the number of gaps before it."""
        with self._lock:
            self._submitting += 1
            gaps = self._gaps
        try:
            yield gaps
        finally:
            with self._lock:
                self._submitting -= 1
                if self._submitting == 0:
                    self._early.clear()

    def register(self, pending: Pending, gaps_before: int, known: bool) -> None:
        """From now on outcomes of its task are delivered to it, and those that have come already.

        A `known` task was submitted by an earlier driver, and may have ended at any time.
        """
        with self._lock:
            missed = known or gaps_before != self._gaps or pending.task_id in self._tasks
            self._tasks[pending.task_id] = pending
            early = self._early.pop(pending.task_id, [])
            failure = self._failure
        for told in early:
            self._deliver(pending, told)
        if failure:
            pending.fail(failure)
        elif missed:
            self._scope.fetch(pending)
            self._forget(pending)

    def _run(self) -> None:
        cursor: Optional[str] = None
        tries = 0
        while not self._stopped.is_set():
            try:
                for notice in self._opened(cursor):
                    tries = 0
                    cursor = notice.id or cursor
                    if notice.kind == 'outcomes':
                        for outcome in notice.data:
                            self._take(outcome)
            except CulmError as error:
                if error.code == 'invalid_cursor':
                    cursor = None
                elif not is_passing(error):
                    self._fail(error)
                    return
            except OSError:
                pass
            tries += 1
            self._stopped.wait(backoff_seconds(tries))

    def _opened(self, cursor: Optional[str]) -> Stream:
        path = f'/v1/workflows/{self._scope.workflow_id}/stream'
        stream = self._client.stream(path, {'kinds': 'outcomes', 'scope': self._scope.name}, cursor)
        self._open = stream
        try:
            if self._stopped.is_set():
                stream.close()
            elif cursor is None:
                self._look_up()
        except BaseException:
            stream.close()
            raise
        return stream

    def _look_up(self) -> None:
        with self._lock:
            self._gaps += 1
            tasks = list(self._tasks.values())
        for pending in tasks:
            self._scope.fetch(pending)
            self._forget(pending)

    def _take(self, told: Told) -> None:
        with self._lock:
            pending = self._tasks.get(told['taskId'])
            if pending is None:
                if self._submitting:
                    self._early.setdefault(told['taskId'], []).append(told)
                return
        self._deliver(pending, told)

    def _deliver(self, pending: Pending, told: Told) -> None:
        pending.deliver(told)
        self._forget(pending)

    def _forget(self, pending: Pending) -> None:
        if pending.has_all():
            with self._lock:
                self._tasks.pop(pending.task_id, None)

    def _fail(self, error: CulmError) -> None:
        with self._lock:
            self._failure = self._failure or error
            tasks = list(self._tasks.values())
            self._tasks.clear()
        for pending in tasks:
            pending.fail(self._failure)
