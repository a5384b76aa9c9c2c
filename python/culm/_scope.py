"""Whoever calls works: the driver of a workflow, or a job. Submits tasks, and learns of outcomes over one stream.

Every call is journalled: its key is made of the function, the arguments and an ordinal among equals, so that a driver
which starts again finds what it asked for before.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence

from ._errors import CulmError
from ._pending import Pending, Told
from ._values import decode

if TYPE_CHECKING:
    from ._client import Client
    from ._slot import Slot
    from ._stream import OutcomeStream

#: Values up to so many bytes of text travel inside requests; larger ones go by reference.
MAX_INLINE_BYTES = 1_000_000
#: A request carries at most so many jobs, and so many bytes of their arguments. The server takes 10,000 and 16 MB, and
#: a text full of quotes doubles its length inside a request.
MAX_JOBS_PER_REQUEST = 1_000
MAX_REQUEST_BYTES = 6_000_000
#: A journal key has at most 200 characters, of which hash and ordinal need some.
_MAX_NAME = 140
#: Outcomes per page when they are fetched.
_PAGE = 1_000
#: A waiter looks for itself after so long without news, s, twice as long each time up to the second figure.
_LOOK_SECONDS = (2.0, 60.0)


class Scope:
    """One caller: `name` is 'driver' or the id of a job, `epoch` the number of its starts or attempt."""

    def __init__(
        self,
        make_client: Callable[[], Client],
        workflow_id: str,
        name: str,
        epoch: int,
        *,
        slot: Optional[Slot] = None,
        bundle: Optional[str] = None,
    ) -> None:
        self.workflow_id = workflow_id
        self.name = name
        self.epoch = epoch
        self.slot = slot
        #: In a job, the bundle that it runs from: what it calls is in there too.
        self.bundle = bundle
        #: True while the worker imports the user's module: calls make no sense then.
        self.importing = False
        self.closed: Optional[CulmError] = None
        self._make_client = make_client
        self._client: Optional[Client] = None
        self._stream: Optional[OutcomeStream] = None
        self._ordinals: Dict[str, int] = {}
        self._lock = threading.RLock()
        self._pid = os.getpid()

    @property
    def client(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = self._make_client()
            return self._client

    @property
    def is_job(self) -> bool:
        return self.name != 'driver'

    def is_of_parent(self) -> bool:
        """Whether it belongs to the process that this one was forked from: the connections and threads stayed there."""
        return self._pid != os.getpid()

    def check(self) -> None:
        """Raises when no call can be made from here now."""
        if self.importing:
            raise CulmError('work_during_import', 'a work was called while its module was being imported on the worker')
        if self.is_of_parent():
            why = 'a work was called in a process that a job had forked'
            raise CulmError('call_in_fork', why, 'Call it in the job itself, or in a thread of it.')
        if self.closed:
            raise self.closed

    def submit(self, task: Mapping[str, Any], identity: str, common: Optional[str], jobs: Sequence[str]) -> Pending:
        """Submits a task with one job for each text of arguments.

        `task` has what else it asks for (name, payload, queue …), `identity` is the function's: module#export.
        """
        self.check()
        use = _name_of_use(identity, common, jobs)
        with self._numbered(use) as ordinal:
            return self._submit(task, f'{use}:{ordinal}', common, jobs)

    def _submit(self, task: Mapping[str, Any], key: str, common: Optional[str], jobs: Sequence[str]) -> Pending:
        stream = self._outcomes()
        shared = {} if common is None else {'common': self.travelling(common)}
        parts = _parts(jobs)
        body = {**task, **shared, 'workflowId': self.workflow_id, 'call': {'key': key, 'epoch': self.epoch}}
        pending = Pending(len(jobs))
        with stream.expecting() as since:
            first = {**body, 'jobs': self._jobs(parts[0]), **({'open': True} if len(parts) > 1 else {})}
            reply = self.client.post('/v1/tasks', first, key=f'{self.workflow_id}:{self.name}:{self.epoch}:{key}')
            pending.task_id, pending.first_job_id = reply['taskId'], reply['firstJobId'] or ''
            stream.register(pending, since, known=reply['known'])
        self._add_jobs(pending, parts)
        return pending

    def _add_jobs(self, pending: Pending, parts: List[Sequence[str]]) -> None:
        """The server knows a repeated part by its first index."""
        first_index = len(parts[0])
        for n, part in enumerate(parts[1:], 2):
            body = {'firstIndex': first_index, 'jobs': self._jobs(part), 'close': n == len(parts)}
            self.client.post(f'/v1/tasks/{pending.task_id}/jobs', body, repeat=True)
            first_index += len(part)

    def _jobs(self, texts: Sequence[str]) -> List[Dict[str, Any]]:
        return [{'args': self.travelling(text)} for text in texts]

    def travelling(self, text: str) -> Dict[str, Any]:
        """A value as it travels; a large one is stored first."""
        return {'text': text} if _bytes_of(text) <= MAX_INLINE_BYTES else self.store(text.encode('utf-8'))

    def store(self, content: bytes) -> Dict[str, Any]:
        """Stores bytes under their hash, unless they are there already; returns the reference."""
        import hashlib

        digest = hashlib.sha256(content).hexdigest()
        ticket = self.client.post('/v1/blobs', {'hash': digest, 'bytes': len(content)}, repeat=True)
        if not ticket['present']:
            self.client.put_bytes(ticket['url'], content)
        return {'blob': digest, 'bytes': len(content)}

    def value_in(self, told: Told) -> Any:
        """The value of a finished job; one that was stored is fetched when it is first looked at."""
        value = told.get('value')
        if value is None:
            return None
        if 'text' not in value:
            place = self.client.get(f'/v1/blobs/{value["blob"]}', {'workflowId': self.workflow_id})
            value = told['value'] = {'text': self.client.get_bytes(place['url']).decode('utf-8')}
        return decode(value['text'])

    def wait(self, pending: Pending, ready: Callable[[], Any], timeout: Optional[float] = None) -> None:
        """Waits until `ready`. In a job, its slot is given back meanwhile.

        Raises TimeoutError after `timeout` seconds, and CulmError when the outcome can no longer come.
        """
        until = None if timeout is None else time.monotonic() + timeout
        try:
            if not self._wait(pending, ready, until):
                raise TimeoutError(f'no result of {pending.task_id} within {timeout} s')
        finally:
            if self.slot:
                self.slot.take_back()

    def _wait(self, pending: Pending, ready: Callable[[], Any], until: Optional[float]) -> bool:
        look_seconds = _LOOK_SECONDS[0]
        look_at = time.monotonic() + look_seconds
        while True:
            if self.slot and not ready():
                self.slot.give_back()
            now = time.monotonic()
            end = look_at if until is None else min(look_at, until)
            if self.slot:
                end = min(end, now + self.slot.poll_seconds)
            seen = len(pending.order)
            with pending.changed:
                if pending.changed.wait_for(lambda: ready() or pending.failure, max(0.0, end - now)):
                    if not ready() and pending.failure:
                        raise pending.failure
                    return True
            now = time.monotonic()
            if until is not None and now >= until:
                return False
            if len(pending.order) > seen:
                look_at = now + look_seconds
            elif now >= look_at:
                self._look(pending)
                look_seconds = min(2 * look_seconds, _LOOK_SECONDS[1])
                look_at = now + look_seconds

    def _look(self, pending: Pending) -> None:
        """Nothing should ever be missed; if something was, no waiter hangs for it."""
        from ._client import is_passing

        try:
            self.fetch(pending)
        except CulmError as error:
            if not is_passing(error):
                raise

    def fetch(self, pending: Pending) -> None:
        """Asks for the outcomes of a task instead of waiting to be told."""
        after: Dict[str, Any] = {}
        while True:
            page = self.client.get(f'/v1/tasks/{pending.task_id}/outcomes', {**after, 'limit': _PAGE}, retry_seconds=5)
            for told in page['items']:
                pending.deliver(told)
            if page['next'] is None:
                return
            after = {'after': page['next']}

    def cancel_task(self, pending: Pending) -> bool:
        try:
            reply = self.client.post(f'/v1/tasks/{pending.task_id}/cancel', {}, repeat=True)
        except CulmError as error:
            if error.code != 'not_cancellable':
                raise
            return False
        return bool(reply['cancelled'] or reply['asked'])

    def close(self, why: CulmError) -> None:
        """No more calls from here; who still waits gets `why`."""
        self.closed = why
        if self._stream:
            self._stream.stop(why)

    def _outcomes(self) -> OutcomeStream:
        from ._stream import OutcomeStream

        with self._lock:
            if self._stream is None:
                self._stream = OutcomeStream(self.client, self)
                self._stream.start()
            return self._stream

    @contextlib.contextmanager
    def _numbered(self, use: str) -> Iterator[int]:
        """The ordinal among equals. A call that could not be submitted gives it back: a second try is the same call."""
        with self._lock:
            ordinal = self._ordinals[use] = self._ordinals.get(use, 0) + 1
        try:
            yield ordinal
        except BaseException:
            with self._lock:
                if self._ordinals[use] == ordinal:
                    self._ordinals[use] -= 1
            raise


def _name_of_use(identity: str, common: Optional[str], jobs: Sequence[str]) -> str:
    """The function in words, and a hash of everything that it is called with."""
    import hashlib

    digest = hashlib.sha256(identity.encode('utf-8', 'surrogatepass'))
    for text in ('' if common is None else common, *jobs):
        digest.update(b'\0')
        digest.update(text.encode('utf-8'))
    readable = ''.join(c if c.isprintable() and c.isascii() else '_' for c in identity[-_MAX_NAME:])
    return f'{readable}:{digest.hexdigest()[:40]}'


def _bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode('utf-8'))


def _parts(jobs: Sequence[str]) -> List[Sequence[str]]:
    """Cut so that each fits into one request; what is larger than a value may be inside one travels as a reference."""
    parts: List[Sequence[str]] = []
    begin = size = 0
    for i, text in enumerate(jobs):
        length = min(_bytes_of(text), MAX_INLINE_BYTES)
        if i > begin and (i - begin >= MAX_JOBS_PER_REQUEST or size + length > MAX_REQUEST_BYTES):
            parts.append(jobs[begin:i])
            begin, size = i, 0
        size += length
    return [*parts, jobs[begin:]]


_current: contextvars.ContextVar[Optional[Scope]] = contextvars.ContextVar('culm_scope', default=None)
_active: List[Scope] = []


@contextlib.contextmanager
def entered(scope: Scope) -> Iterator[Scope]:
    """Calls made inside, and in threads started inside, belong to this scope."""
    token = _current.set(scope)
    _active.append(scope)
    try:
        yield scope
    finally:
        _active.remove(scope)
        _current.reset(token)


def enclosing_scope() -> Optional[Scope]:
    """The scope around this call, if it is this process's to use. In a job, everything is inside that job."""
    scope = _current.get() or next((s for s in _active if s.is_job), None)
    return scope if scope is None or scope.is_job or not scope.is_of_parent() else None


def only_scope() -> Optional[Scope]:
    """For a thread that was started without the context of its starter: the scope there is, if it is the only one."""
    scopes = [scope for scope in _active if not scope.is_of_parent()]
    return scopes[0] if len(scopes) == 1 else None
