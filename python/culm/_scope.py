"""Whoever calls works: the driver of a workflow, or a job. Submits tasks, and learns of outcomes over one stream.

Every call is journalled: its key is made of the function, the arguments and an ordinal among equals, so that a driver
which starts again finds what it asked for before. `_journal.py` has what follows from that.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence

from ._coroutines import SETTLE_POLL_SECONDS, AwaitedSource, turns_here
from ._errors import CulmError, RemoteError, error_of
from ._journal import REPLAY_SECONDS, Journal
from ._log import JobLog
from ._pending import Pending, Told
from ._replay import Asked, Entry
from ._values import Reading, decode

if TYPE_CHECKING:
    from ._client import Client
    from ._slot import Slot
    from ._stream import OutcomeStream
    from ._work import Work

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

    #: Runs the jobs of a use of a work in this process, in a scope that does so instead of sending them.
    run_here: Optional[Callable[[Work[Any, Any], Optional[str], Sequence[str]], Pending]] = None

    def __init__(
        self,
        make_client: Callable[[], Client],
        workflow_id: str,
        name: str,
        epoch: int,
        *,
        slot: Optional[Slot] = None,
        bundle: Optional[str] = None,
        continues: bool = False,
        replay_seconds: float = REPLAY_SECONDS,
    ) -> None:
        """`continues`: an earlier start or attempt may have written a journal, which is read before the first call."""
        self.workflow_id = workflow_id
        self.name = name
        self.epoch = epoch
        self.slot = slot
        #: In a job, the bundle that it runs from: what it calls is in there too.
        self.bundle = bundle
        #: In a job, what its caller wanted to be known around the function.
        self.context: Any = None
        #: True while the worker imports the user's module: calls make no sense then.
        self.importing = False
        self.journal = Journal(workflow_id if name == 'driver' else name)
        self._unread = continues
        self._replay_seconds = replay_seconds
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
        if self.journal.failure:
            raise self.journal.failure

    def ask(self, identity: str, common: Optional[str], jobs: Sequence[str]) -> Asked:
        """Names a call, so that the journal knows that it was made, whoever sends it when. `identity` is the
        function's: module#export."""
        self.check()
        use = _name_of_use(identity, common, jobs)
        return self._asked(f'{use}:{self._ordinal(use)}')

    def _asked(self, key: str) -> Asked:
        self.read_journal()
        return self.journal.ask(key)

    def send(
        self, asked: Asked, make_task: Callable[[], Mapping[str, Any]], common: Optional[str], jobs: Sequence[str]
    ) -> Pending:
        """Submits a task with one job for each text of arguments, or attaches to that of the earlier run.

        `make_task` gives what else it asks for (name, payload, queue …).
        """
        self._go(asked)
        pending = Pending(len(jobs), self.journal)
        try:
            if asked.entry:
                self._attach(pending, asked.entry, jobs)
            else:
                self._submit(pending, asked.key, make_task(), common, jobs)
        except BaseException:
            self._give_back(asked.key)
            raise
        return pending

    def _go(self, asked: Asked) -> None:
        """Returns when it may be sent or made."""
        try:
            self.journal.await_go(asked)
        finally:
            if self.slot:
                self.slot.take_back()

    def _submit(
        self, pending: Pending, key: str, task: Mapping[str, Any], common: Optional[str], jobs: Sequence[str]
    ) -> None:
        """The journal key makes it safe to repeat: the same gives the same task."""
        stream = self._outcomes()
        shared = {} if common is None else {'common': self.travelling(common)}
        parts = _parts(jobs)
        open_if_more = {'open': True} if len(parts) > 1 else {}
        first = {**task, **shared, **open_if_more, 'workflowId': self.workflow_id, 'jobs': self._jobs(parts[0])}
        with stream.expecting() as since, self._writing() as seen:
            body = {**first, 'call': {'key': key, 'epoch': self.epoch, **seen}}
            reply = self.client.post('/v1/tasks', body, repeat=True)
            pending.task_id, pending.first_job_id = reply['taskId'], reply['firstJobId'] or ''
            stream.register(pending, since, known=reply['known'])
        self._add_jobs(pending, reply['jobs'] if reply['known'] else len(parts[0]), jobs)

    def _attach(self, pending: Pending, entry: Entry, jobs: Sequence[str]) -> None:
        """Takes up a call of an earlier run: what has ended is not run again, and what was not yet sent is sent."""
        pending.task_id, pending.first_job_id = entry.task_id or '', entry.first_job_id
        self.journal.follow(pending)
        if entry.outcome:
            pending.deliver(entry.outcome)
            return
        self.listen(pending)
        if not entry.closed:
            self._add_jobs(pending, entry.jobs, jobs)

    def listen(self, pending: Pending) -> None:
        """Takes up a task that was submitted before: its outcomes so far are asked for, and those to come are told."""
        stream = self._outcomes()
        with stream.expecting() as since:
            stream.register(pending, since, known=True)

    def _add_jobs(self, pending: Pending, first_index: int, jobs: Sequence[str]) -> None:
        """Those from `first_index` on. The server knows a repeated part by its first index."""
        epoch = {} if self.is_job else {'epoch': self.epoch}
        for part in _parts(jobs[first_index:]) if first_index < len(jobs) else []:
            close = first_index + len(part) == len(jobs)
            body = {'firstIndex': first_index, 'jobs': self._jobs(part), 'close': close, **epoch}
            self.client.post(f'/v1/tasks/{pending.task_id}/jobs', body, repeat=True)
            first_index += len(part)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Dict[str, str]]:
        """Around a write to the journal: the field with what it carries of what the program was told."""
        overflow = self.journal.overflow()
        while overflow:
            key, cargo, upto = overflow
            self._keep(key, 'null', {'seen': cargo})
            self.journal.acknowledge(upto)
            overflow = self.journal.overflow()
        with self.journal.writing() as seen:
            yield {} if seen is None else {'seen': seen}

    def record(self, name: str, make: Callable[[], str]) -> Asked:
        """Has a text of JSON recorded, made now or by an earlier run. Its user is told of it by `told`."""
        return self.keep(self.ask_record(name), make)

    def ask_record(self, name: str) -> Asked:
        """Names a value that is to be recorded: `name` and an ordinal among equals."""
        self.check()
        return self._asked(f'{name}:{self._ordinal(name)}')

    def keep(self, asked: Asked, make: Callable[[], str]) -> Asked:
        """The record itself; blocks while it may not be made yet."""
        self._go(asked)
        if asked.entry:
            return asked
        text = make()
        with self._writing() as seen:
            reply = self._keep(asked.key, text, seen)
        return Asked(asked.key, Entry(0, asked.key, value=reply['value']))

    def _keep(self, key: str, text: str, seen: Mapping[str, str]) -> Any:
        body = {'key': key, 'epoch': self.epoch, 'value': text, **seen}
        return self.client.post(f'/v1/workflows/{self.workflow_id}/records', body, repeat=True)

    def told(self, asked: Asked, end: float = 0.0) -> str:
        """The recorded text, when the program may be told it; not before the time `end`, s since 1970."""
        try:
            if self.slot and end > time.time():
                self.slot.give_back()
            self.journal.await_told(f'={asked.key}', end)
        finally:
            if self.slot:
                self.slot.take_back()
        return asked.entry.value or '' if asked.entry else ''

    async def told_async(self, asked: Asked, end: float = 0.0) -> str:
        """The same, awaited."""
        name, journal = f'={asked.key}', self.journal
        source = AwaitedSource(
            self,
            name,
            look=lambda: journal.look_record(name, end),
            failure=lambda: None,
            watch=functools.partial(journal.watch, name),
            unwatch=functools.partial(journal.unwatch, name),
        )
        await turns_here().told(source, end - time.time())
        return asked.entry.value or '' if asked.entry else ''

    def read_journal(self) -> None:
        """What an earlier start or attempt has written, once."""
        with self._lock:
            if not self._unread:
                return
            self._unread = False
            self.journal.begin_replay(self._entries(), self._replay_seconds)

    def _entries(self) -> Iterator[Entry]:
        after = 0
        while after is not None:
            query: Dict[str, Any] = {'scope': self.name, 'after': after, 'limit': _PAGE}
            page = self.client.get(f'/v1/workflows/{self.workflow_id}/journal', query)
            yield from map(_entry, page['items'])
            after = page['next']

    def finish(self) -> None:
        """The program has ended, well or with an error of its own. Raises JournalDiverged if it left out what it had
        done before."""
        self.journal.finish()

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

    def value_in(self, told: Told, pickled: bool = False) -> Any:
        """The value of a finished job; one that was stored is fetched when it is first looked at."""
        value = told.get('value')
        if value is None:
            return None
        if 'text' not in value:
            value = told['value'] = {**value, 'text': self.fetch_text(value['blob'])}
        return decode(value['text'], Reading(self.fetch_text, pickled))

    def fetch_text(self, digest: str) -> str:
        """The text of a stored value."""
        place = self.client.get(f'/v1/blobs/{digest}', {'workflowId': self.workflow_id})
        return self.client.get_bytes(place['url']).decode('utf-8')

    def error_of(self, told: Told, work_name: str) -> RemoteError:
        """Why a job has no value."""
        error = error_of(told, work_name)
        log = JobLog(self.client, error.job_id, error.attempt)
        return error.told_by(f'{self.client.url}/{error.job_id}', log.last_lines if error.attempt else lambda: '')

    def wait(self, pending: Pending, look: Callable[[], Any], timeout: Optional[float] = None) -> Any:
        """Waits until `look` (called with the lock of the journal) gives something, which is neither None nor False.
        In a job, its slot is given back meanwhile.

        Raises TimeoutError after `timeout` seconds, and CulmError when the outcome can no longer come. While a journal
        is replayed no time counts: whether a wait was in vain is in there.
        """
        try:
            with self.journal.waiting():
                return self._wait(pending, look, timeout)
        finally:
            if self.slot:
                self.slot.take_back()

    def _wait(self, pending: Pending, look: Callable[[], Any], timeout: Optional[float]) -> Any:
        until: Optional[float] = None
        look_seconds = _LOOK_SECONDS[0]
        look_at = time.monotonic() + look_seconds
        seen = len(pending.order)
        found = _found(pending, look)
        while found is None or found is False:
            if self.slot and (timeout is None or timeout > 0):
                self.slot.give_back()
            with pending.changed:
                found = _found(pending, look)
                if found is not None and found is not False:
                    break
                now = time.monotonic()
                if timeout is not None and not self.journal.replaying:
                    until = now + timeout if until is None else until
                if timeout is not None and (until is None or now >= until) and pending.look_nothing():
                    raise TimeoutError(f'no result of {pending.task_id} within {timeout} s')
                end = look_at if until is None else min(look_at, until)
                if self.slot:
                    end = min(end, now + self.slot.poll_seconds)
                if self.journal.settles(pending.task_id):
                    end = min(end, now + SETTLE_POLL_SECONDS)
                pending.changed.wait(max(0.0, end - now))
                found = _found(pending, look)
            now = time.monotonic()
            if len(pending.order) > seen:
                seen = len(pending.order)
                look_at = now + look_seconds
            elif now >= look_at:
                self._look(pending)
                look_seconds = min(2 * look_seconds, _LOOK_SECONDS[1])
                look_at = now + look_seconds
        return found

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
        self.journal.fail(why)
        if self._stream:
            self._stream.stop(why)

    def _outcomes(self) -> OutcomeStream:
        from ._stream import OutcomeStream

        with self._lock:
            if self._stream is None:
                self._stream = OutcomeStream(self.client, self)
                self._stream.start()
            return self._stream

    def _ordinal(self, name: str) -> int:
        """The ordinal among equals."""
        with self._lock:
            ordinal = self._ordinals[name] = self._ordinals.get(name, 0) + 1
        return ordinal

    def _give_back(self, key: str) -> None:
        """A call that could not be submitted gives its ordinal back: a second try is the same call."""
        name, _, ordinal = key.rpartition(':')
        with self._lock:
            if self._ordinals.get(name) == int(ordinal):
                self._ordinals[name] -= 1


def _entry(item: Mapping[str, Any]) -> Entry:
    """An entry of the journal as the server has it (`journalEntry` in `src/contract/workflows.ts`)."""
    line = (item['seq'], item['key'], item['taskId'], item['value'], item['seen'])
    return Entry(*line, item['jobs'], item['closed'], item['firstJobId'] or '', item['outcome'], item.get('earlier', False))


def _found(pending: Pending, look: Callable[[], Any]) -> Any:
    with pending.changed:
        found = look()
        if (found is None or found is False) and pending.failure:
            raise pending.failure
        return found


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
    """The scope around this call, if it is this process's to use. In a job, everything is inside that job, and in a
    local scope inside that; CULM_LOCAL puts a whole program into one."""
    scope = _current.get() or next((s for s in _active if s.is_job or s.run_here), None)
    if scope is not None and (scope.is_job or not scope.is_of_parent()):
        return scope
    return _local_scope() if is_set('CULM_LOCAL') else None


def is_set(variable: str) -> bool:
    return os.environ.get(variable) in ('1', 'true', 'yes')


def _local_scope() -> Scope:
    from ._local import local_scope

    return local_scope()


def only_scope() -> Optional[Scope]:
    """For a thread that was started without the context of its starter: the scope there is, if it is the only one."""
    scopes = [scope for scope in _active if not scope.is_of_parent()]
    return scopes[0] if len(scopes) == 1 else None
