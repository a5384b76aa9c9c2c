"""Workflow functions and sessions: the scopes whose driver is this process."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import sys
import threading
import warnings
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Generic,
    Iterator,
    Mapping,
    Optional,
    Sequence,
    TypeVar,
    Union,
    cast,
    overload,
)

from ._calls import Call
from ._client import Client, is_passing
from ._coroutines import is_coroutine, run_coroutine
from ._environment import environment_of
from ._errors import CulmError, JournalDiverged
from ._journal import REPLAY_SECONDS
from ._run import Place, place_of_function, place_of_session, program_name
from ._scope import Scope, enclosing_scope, entered, is_set, only_scope
from ._submitted import start_as_job
from ._values import encode
from ._work import Work, check_options

if TYPE_CHECKING:
    from typing_extensions import ParamSpec

    P = ParamSpec('P')
else:
    P = TypeVar('P')
R = TypeVar('R')

#: How long to try to tell the server of a cancellation or of the end of this process, s: a person waits.
_LAST_WORD_SECONDS = 5.0


class WorkflowFunction(Generic[P, R]):
    """A function that calls works. Made by `@workflow`.

    Called, it runs here, as the driver of a new workflow, and returns its value, which the server keeps too.
    Called inside a workflow or a job it is a part of that, like any function. Submitted, it runs as a job.

    In a program that is continued (`culm run FILE --continue`, or CULM_RUN) it goes on where its earlier run was: what
    that had called is not called again, and a function that was done gives its value without running.
    """

    def __init__(
        self,
        fn: Callable[P, R],
        name: Optional[str],
        labels: Optional[Mapping[str, str]],
        replay_seconds: float = REPLAY_SECONDS,
        local: bool = True,
        files: Sequence[str] = (),
        options: Optional[Mapping[str, Any]] = None,
    ) -> None:
        functools.update_wrapper(self, fn)
        self.fn = fn
        self.name = name or fn.__name__
        self._labels = labels
        self._replay_seconds = replay_seconds
        self._local = local
        self._files = files
        self._options = options or {}

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        scope = enclosing_scope()
        if not self._local or (scope is None and is_set('CULM_REMOTE')):
            return self._value_of_job(*args, **kwargs)
        if scope is None:
            place = place_of_function(self.fn, args, kwargs)
            return self._drive(place, functools.partial(self.fn, *args, **kwargs))
        scope.check()
        return self.fn(*args, **kwargs)

    def submit(self, /, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """Has it run as a job, and returns a handle of that without waiting for it: `.workflow_id`, `.result(timeout)`,
        `.cancel()`.

        It is a workflow of its own, which ends as the job does and goes on whether this program does or not. When the
        job is lost, its next attempt goes on where it was. Inside a workflow or a job it is a job of that.
        """
        if enclosing_scope():
            return self._work.submit(*args, **kwargs)
        return start_as_job(self._work, self._labels, args, kwargs)

    def local(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls the function itself, as a part of whatever calls it."""
        return self.fn(*args, **kwargs)

    def __repr__(self) -> str:
        return f'<workflow {self.name}>'

    @functools.cached_property
    def _work(self) -> Work[P, R]:
        """Made when it is first submitted: what runs here need not be found by a worker."""
        return Work(self.fn, self.name, self._files, self._options)

    def _value_of_job(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        call = self.submit(*args, **kwargs)
        try:
            return call.result()
        except KeyboardInterrupt:
            call.cancel()
            raise

    def _drive(self, place: Place, run: Callable[[], R]) -> R:
        environment = environment_of(self._options, self.fn)
        driver = _Driver(self.name, 'function', place, self._labels, self._replay_seconds, environment)
        if driver.kept_value:
            return cast(R, driver.leave_with_value())
        with driver.running():
            value = run()
            if is_coroutine(value):
                value = run_coroutine(value)
            driver.value = value
        return value


class _Driver:
    """The life of a workflow that this process drives: started or continued, renewed by a thread, ended once."""

    def __init__(
        self,
        name: str,
        kind: str,
        place: Place,
        labels: Optional[Mapping[str, str]] = None,
        replay_seconds: float = REPLAY_SECONDS,
        environment: Optional[Mapping[str, str]] = None,
    ) -> None:
        self._client = Client()
        body = {'name': name[:200], 'kind': kind, 'run': place.told(program_name())}
        said = {'labels': labels and dict(labels), 'environment': environment}
        started = self._started({**body, **{name: value for name, value in said.items() if value}})
        self.id: str = started['workflowId']
        self.value: Any = None
        #: What a workflow that is done gave, as it travels, if the server could keep that.
        self.kept_value: Optional[Dict[str, Any]] = started['value'] if started['state'] == 'done' else None
        self._is_done: bool = started['state'] == 'done'
        self._kind = kind
        self._epoch: int = started['epoch']
        self._ended = threading.Event()
        seconds = float(os.environ.get('CULM_REPLAY_SECONDS') or replay_seconds)
        self.scope = Scope(
            lambda: self._client, self.id, 'driver', self._epoch, continues=started['known'], replay_seconds=seconds
        )
        if not self._is_done:
            every = started['renewSeconds']
            threading.Thread(target=self._renew, args=(every,), name='culm-driver', daemon=True).start()

    def _started(self, body: Mapping[str, Any]) -> Any:
        """Its place in the run makes it safe to repeat."""
        try:
            return self._client.post('/v1/workflows', body, repeat=True)
        except BaseException:
            self._client.close()
            raise

    def leave_with_value(self) -> Any:
        """The value of a workflow that was done before."""
        value = self.scope.value_in({'value': self.kept_value})
        self.leave()
        return value

    @contextlib.contextmanager
    def running(self) -> Iterator[Scope]:
        try:
            with entered(self.scope):
                self.scope.read_journal()
                yield self.scope
                self.scope.finish()
        except KeyboardInterrupt:
            self.cancel()
            raise
        except BaseException as error:
            self.fail(error)
            raise
        else:
            value = self._storable()
            self.end({'state': 'done', **({'value': value} if value else {})})

    def fail(self, error: BaseException, retry_seconds: Optional[float] = None) -> None:
        """The program ended with an error, which is the end of the workflow too. Raises JournalDiverged if it did not
        get as far as its earlier run.

        A workflow can be continued later when it was not the program's own error: when that left its earlier way, or
        the server is away. Then nothing is said, and after a while the server takes the workflow for paused.
        """
        own = not isinstance(self.scope.journal.failure, JournalDiverged) and not isinstance(error, JournalDiverged)
        if own and not (isinstance(error, CulmError) and is_passing(error)):
            try:
                self.scope.finish()
            except JournalDiverged as diverged:
                self.leave()
                raise diverged from error
            self.end({'state': 'failed', 'error': _remote_error(error)}, retry_seconds)
        self.leave()

    def end(self, how: Mapping[str, Any], retry_seconds: Optional[float] = None) -> None:
        """What cannot be told is not lost for the caller: he has the value or the error."""
        self._close_scope()
        try:
            body = {'epoch': self._epoch, **how}
            if not self._is_done:
                self._client.post(f'/v1/workflows/{self.id}/end', body, repeat=True, retry_seconds=retry_seconds)
        except CulmError as error:
            # Someone cancelled it, or the server heard it the first time; or it is another driver's to end.
            if error.code not in ('workflow_ended', 'driver_replaced'):
                warnings.warn(f'the server does not know how workflow {self.id} ended: {error}', stacklevel=4)
        self._client.close()

    def cancel(self) -> None:
        self._close_scope()
        with contextlib.suppress(CulmError):
            body = {'why': 'interrupted at the keyboard'}
            self._client.post(f'/v1/workflows/{self.id}/cancel', body, repeat=True, retry_seconds=_LAST_WORD_SECONDS)
        self._client.close()

    def leave(self) -> None:
        """Drives it no longer, and leaves it as it is."""
        self._close_scope()
        self._client.close()

    def _close_scope(self) -> None:
        self._ended.set()
        self.scope.close(CulmError('workflow_ended', f'workflow {self.id} has ended'))

    def _storable(self) -> Optional[Dict[str, Any]]:
        """The value as the server can keep it; the caller has it in any case."""
        if self._kind != 'function':
            return None
        try:
            return self.scope.travelling(encode(self.value, 'the value of the workflow'))
        except CulmError as error:
            warnings.warn(f'the value of workflow {self.id} is not kept: {error}', stacklevel=5)
            return None

    def _renew(self, every_seconds: float) -> None:
        while not self._ended.wait(every_seconds):
            try:
                reply = self._client.post(f'/v1/workflows/{self.id}/renew', {'epoch': self._epoch}, repeat=True)
                if reply['state'] in ('cancelled', 'expired'):
                    raise CulmError('workflow_ended', f'workflow {self.id} was {reply["state"]}')
            except CulmError as error:
                if not is_passing(error):
                    self.scope.close(error)
                    return


def _remote_error(error: BaseException) -> Dict[str, str]:
    """The error of a workflow function, from the user's first line on."""
    from ._report import report_error

    return report_error(error, skip_files=(__file__, contextlib.__file__))


@overload
def workflow(fn: Callable[P, R]) -> WorkflowFunction[P, R]: ...


@overload
def workflow(
    *,
    name: Optional[str] = None,
    labels: Optional[Mapping[str, str]] = None,
    replay_seconds: float = REPLAY_SECONDS,
    local: bool = True,
    queue: Optional[str] = None,
    site: Optional[str] = None,
    cores: Optional[int] = None,
    memory_mb: Optional[int] = None,
    gpus: Optional[int] = None,
    wall_seconds: Optional[int] = None,
    priority: Optional[int] = None,
    attempts: Union[int, Mapping[str, int], None] = None,
    lost_after_seconds: Optional[int] = None,
    secrets: Optional[Sequence[Mapping[str, str]]] = None,
    requirements: Optional[str] = None,
    conda: Optional[str] = None,
    init_env: Optional[str] = None,
    clean_env: Optional[str] = None,
    post_script: Optional[str] = None,
    image: Optional[str] = None,
    files: Sequence[str] = (),
) -> Callable[[Callable[P, R]], WorkflowFunction[P, R]]: ...


def workflow(
    fn: Optional[Callable[..., Any]] = None,
    *,
    name: Optional[str] = None,
    labels: Optional[Mapping[str, str]] = None,
    replay_seconds: float = REPLAY_SECONDS,
    local: bool = True,
    files: Sequence[str] = (),
    **options: Any,
) -> Any:
    """Marks a function that calls works: `@workflow`, or `@workflow(name='scan', labels={'campaign': 'mc26'})`.

    Calling it runs it in this process. An error that it raises ends the workflow as failed, Ctrl-C cancels the workflow
    and all that is under way of it. When the process dies, it is continued by starting the program again with its
    CULM_RUN (`culm run FILE --continue`): the function is run again, and every call that it had made gives what it
    gave. So what it does may only depend on its arguments, its calls and `culm.journal`; `docs/guide/durable.md` has
    more.

    replay_seconds: when it does not go the way that it had gone, for how long nothing may move until JournalDiverged is
    raised, s (60; CULM_REPLAY_SECONDS goes before). local: False for one that runs as a job when it is called, too; the
    call waits for its value (CULM_REMOTE=1, `culm run --remote`, does this for a whole program). The other options are
    those of `@work`, for that job; where it runs (`requirements`, `image`, `init_env` …) is where the works that it
    calls run, in what they do not say themselves.

    Raises CodeChanged or ArgumentsChanged when it is continued and its file or its arguments are not what they were.
    """
    check_options(options)

    def mark(fn: Callable[..., Any]) -> WorkflowFunction[Any, Any]:
        return WorkflowFunction(fn, name, labels, replay_seconds, local, files, options)

    return mark if fn is None else mark(fn)


@contextlib.contextmanager
def session(name: Optional[str] = None, *, labels: Optional[Mapping[str, str]] = None) -> Iterator[str]:
    """`with session():` gathers the calls made inside under one workflow of its own; yields its id."""
    scope = enclosing_scope()
    if scope and scope.run_here:
        yield scope.workflow_id
        return
    name = name or program_name()
    driver = _Driver(name, 'session', place_of_session(name), labels)
    with driver.running():
        yield driver.id


_session: Optional[_Driver] = None
_session_lock = threading.Lock()


def scope_of_call() -> Scope:
    """Where a call belongs: to the workflow or job around it, else to this process's session, which begins with it."""
    scope = enclosing_scope() or only_scope()
    if scope is not None:
        return scope
    global _session
    with _session_lock:
        if _session is None or _session.scope.is_of_parent():
            _session = _Driver(program_name(), 'session', place_of_session())
            atexit.register(_end_session, _session)
        return _session.scope


def _end_session(driver: _Driver) -> None:
    """As the program ends: by itself, by an error, or by Ctrl-C, which cancels what is under way."""
    if driver.scope.is_of_parent():
        return
    error = None if hasattr(sys, 'ps1') else getattr(sys, 'last_value', None)  # A prompt goes on after errors.
    if isinstance(error, KeyboardInterrupt):
        driver.cancel()
        return
    try:
        if error:
            driver.fail(error, retry_seconds=_LAST_WORD_SECONDS)
        else:
            driver.scope.finish()
            driver.end({'state': 'done'}, retry_seconds=_LAST_WORD_SECONDS)
    except JournalDiverged as diverged:
        driver.leave()
        print(f'culm.JournalDiverged: {diverged}', file=sys.stderr)


def _renew_lock() -> None:
    global _session_lock
    _session_lock = threading.Lock()


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_renew_lock)
