"""Works: functions that run as jobs, and the handles of their calls."""

from __future__ import annotations

import contextlib
import copy
import functools
import sys
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Generator,
    Generic,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
    Union,
    cast,
    overload,
)

from ._coroutines import AwaitedSource, in_loop, turns_here
from ._errors import RemoteError, error_of
from ._pending import Pending, Told
from ._scope import Scope, enclosing_scope, only_scope
from ._source import Source, check_exported, locate, want_files
from ._values import encode_arguments

if TYPE_CHECKING:
    from inspect import Signature

    from typing_extensions import ParamSpec

    P = ParamSpec('P')
else:
    P = TypeVar('P')
R = TypeVar('R')

#: Options by the name that the server gives them (`needs` in `src/contract/tasks.ts`), where it differs.
_OPTION_NAMES = {'memory_mb': 'memoryMb', 'wall_seconds': 'wallSeconds', 'lost_after_seconds': 'lostAfterSeconds'}
_OPTIONS = frozenset({'queue', 'cores', 'priority', 'attempts', 'labels', 'secrets', *_OPTION_NAMES})

#: The queue of `culm up`: only there is the caller's own interpreter sure to exist.
_LOCAL_QUEUE = 'local'


class Work(Generic[P, R]):
    """A function that runs as a job when it is called. Made by `@work`.

    Called, it submits a job, waits, and returns the value, or raises what went wrong. Inside a workflow function its
    calls belong to that workflow, inside another work to that job, elsewhere to a session of this process.
    """

    def __init__(
        self, fn: Callable[P, R], name: Optional[str], files: Sequence[str], options: Mapping[str, Any]
    ) -> None:
        check_exported(fn)
        functools.update_wrapper(self, fn)
        self.fn = fn
        self.name = name or fn.__name__
        self.options: Dict[str, Any] = {}
        self._after: Tuple[Union[Call[Any], MapCall[Any]], ...] = ()
        self._source: Optional[Source] = None
        self._set(options)
        module_file = getattr(fn, '__globals__', {}).get('__file__')
        if files and module_file:
            want_files(module_file, files)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.submit(*args, **kwargs).result()

    def submit(self, /, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """Submits a job, and returns its handle without waiting for it."""
        text = self._encoded(args, kwargs)
        scope = calling()
        return Call(scope, self._submit(scope, None, [text]), self.name)

    def map(self, /, *iterables: Iterable[Any], **common: Any) -> MapCall[R]:
        """Submits one task with a job for each item. As with the built-in `map`, each gets one item of every iterable.

        `common` are named arguments that all jobs share; they are sent once. Returns a handle without waiting.
        """
        if not iterables:
            raise TypeError(f'{self.name}.map() takes at least one iterable')
        return self.starmap(zip(*iterables), **common)

    def starmap(self, items: Iterable[Sequence[Any]], /, **common: Any) -> MapCall[R]:
        """As `map`, with the positional arguments of each job as one tuple."""
        rows = list(items)
        for row in rows:
            self._check_arguments(row, common)
        texts = [encode_arguments(row, {}) for row in rows]
        shared = encode_arguments((), common) if common else None
        scope = calling()
        pending = self._submit(scope, shared, texts) if rows else Pending(0, scope.journal)
        return MapCall(scope, pending, self.name)

    async def aio(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls it from asynchronous code: submits a job, and awaits its value."""
        import asyncio

        text = self._encoded(args, kwargs)
        scope = await calling_async()
        asked = scope.ask(self._identity(), None, [text])
        await scope.journal.await_go_async(asked)
        pending = await asyncio.to_thread(scope.send, asked, lambda: self._task(scope), None, [text])
        return await Call(scope, pending, self.name)

    def local(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls the function itself, here and now, without a server."""
        return self.fn(*args, **kwargs)

    def with_options(
        self, *, name: Optional[str] = None, after: Iterable[Union[Call[Any], MapCall[Any]]] = (), **options: Any
    ) -> Work[P, R]:
        """The same work with other options for the calls made through it.

        Takes the options of `@work`, and `after`: calls that must have finished before those made through it start.
        """
        other = copy.copy(self)
        other.name = name or self.name
        other.options = dict(self.options)
        other._after = (*self._after, *after)
        other._set(options)
        return other

    def __repr__(self) -> str:
        return f'<work {self.name}>'

    def _set(self, options: Mapping[str, Any]) -> None:
        unknown = set(options) - _OPTIONS
        if unknown:
            raise TypeError(f'a work has no option {sorted(unknown)[0]!r}; it has {", ".join(sorted(_OPTIONS))}')
        for option, value in options.items():
            if value is not None:
                attempts = option == 'attempts' and isinstance(value, int)
                self.options[_OPTION_NAMES.get(option, option)] = {'user': value} if attempts else value

    def _submit(self, scope: Scope, common: Optional[str], texts: List[str]) -> Pending:
        asked = scope.ask(self._identity(), common, texts)
        return scope.send(asked, lambda: self._task(scope), common, texts)

    def _identity(self) -> str:
        source = self._located()
        return f'{source.module}#{source.export}'

    def _task(self, scope: Scope) -> Dict[str, Any]:
        task: Dict[str, Any] = {'name': self.name, 'payload': self._payload(scope, self._located()), **self.options}
        after = [call.task_id for call in self._after if call.task_id]
        if after:
            task['after'] = after
        return task

    def _payload(self, scope: Scope, source: Source) -> Dict[str, Any]:
        payload = {
            'kind': 'function',
            'language': 'python',
            'bundle': scope.bundle or self._bundle(scope, source),
            'module': source.module,
            'export': source.export,
        }
        if sys.executable and self.options.get('queue', _LOCAL_QUEUE) == _LOCAL_QUEUE:
            payload['interpreter'] = sys.executable
        return payload

    def _bundle(self, scope: Scope, source: Source) -> str:
        from ._bundle import ensure_bundle

        return ensure_bundle(scope.client, source)

    def _located(self) -> Source:
        if self._source is None:
            self._source = locate(self.fn, lambda found: found is self.fn or getattr(found, 'fn', None) is self.fn)
        return self._source

    def _encoded(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        self._check_arguments(args, kwargs)
        return encode_arguments(args, kwargs)

    def _check_arguments(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """What the function would not take is said here and not by a worker."""
        try:
            _signature(self.fn).bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f'{self.name}(): {error}') from None


class Outcome(NamedTuple):
    """How one call ended: with a value, or with an error. `state` is the job's: finished, failed, cancelled, closed."""

    index: int  # type: ignore[assignment]
    job_id: str
    state: str
    value: Any
    error: Optional[RemoteError]

    @property
    def ok(self) -> bool:
        return self.error is None


class _Handle:
    """What the handles of one call and of many have in common."""

    def __init__(self, scope: Scope, pending: Pending, name: str) -> None:
        self._scope = scope
        self._pending = pending
        self._name = name

    @property
    def task_id(self) -> str:
        return self._pending.task_id

    def done(self) -> bool:
        """Whether it has ended, well or not."""
        pending = self._pending
        if in_loop():
            with self._scope.journal.lock:
                return pending.look_all()
        with contextlib.suppress(TimeoutError):
            return bool(self._wait(pending.look_all, 0))
        return False

    def cancel(self) -> bool:
        """Asks for its end. False when it had ended before."""
        if not self.task_id:
            return False
        scope, pending = self._scope, self._pending
        asked = scope.record(f'cancel:{self.task_id}', lambda: 'true' if scope.cancel_task(pending) else 'false')
        return scope.told(asked) == 'true'

    def _value(self, index: int) -> Any:
        told = cast(Told, self._pending.outcomes[index])
        if told['state'] != 'finished':
            raise error_of(told, self._name)
        return self._scope.value_in(told)

    def _outcome(self, index: int) -> Outcome:
        told = cast(Told, self._pending.outcomes[index])
        if told['state'] == 'finished':
            return Outcome(index, told['jobId'], 'finished', self._scope.value_in(told), None)
        return Outcome(index, told['jobId'], told['state'], None, error_of(told, self._name))

    def _wait(self, look: Callable[[], Any], timeout: Optional[float] = None) -> Any:
        return self._scope.wait(self._pending, look, timeout)

    async def _told(self, look: Callable[[], Any]) -> Any:
        pending = self._pending
        watches = (pending.watch, pending.unwatch)
        source = AwaitedSource(self._scope, pending.task_id, look, lambda: pending.failure, *watches)
        return await turns_here().told(source)

    def __repr__(self) -> str:
        pending = self._pending
        return f'<{type(self).__name__} {self._name} {self.task_id}: {len(pending.order)}/{pending.total} ended>'


class Call(_Handle, Generic[R]):
    """The handle of one call. It may be awaited, too."""

    @property
    def job_id(self) -> str:
        return self._pending.first_job_id

    def result(self, timeout: Optional[float] = None) -> R:
        """Waits for the value and returns it, or raises what went wrong; TimeoutError after `timeout` seconds."""
        self._wait(self._pending.look_all, timeout)
        return cast(R, self._value(0))

    def outcome(self, timeout: Optional[float] = None) -> Outcome:
        """Waits for its end, and raises nothing if that is a bad one."""
        self._wait(self._pending.look_all, timeout)
        return self._outcome(0)

    def __await__(self) -> Generator[Any, None, R]:
        return self._awaited().__await__()

    async def _awaited(self) -> R:
        await self._told(self._pending.look_all)
        return cast(R, self._value(0))


class MapCall(_Handle, Generic[R]):
    """The handle of a map: iterated or indexed it gives the values in the order of the arguments, waiting for each."""

    def result(self, timeout: Optional[float] = None) -> List[R]:
        """Waits for all values; raises as soon as one call has failed (the others go on)."""
        return self._values(self._wait(self._pending.look_result, timeout))

    def __await__(self) -> Generator[Any, None, List[R]]:
        return self._awaited().__await__()

    async def _awaited(self) -> List[R]:
        return self._values(await self._told(self._pending.look_result))

    def _values(self, failed: int) -> List[R]:
        if failed >= 0:
            raise error_of(cast(Told, self._pending.outcomes[failed]), self._name)
        return [self._value(index) for index in range(self._pending.total)]

    def settle(self, timeout: Optional[float] = None) -> List[Outcome]:
        """Waits for the end of all, and tells how each ended, in the order of the arguments."""
        self._wait(self._pending.look_all, timeout)
        return [self._outcome(index) for index in range(self._pending.total)]

    def as_completed(self) -> Iterator[Tuple[int, R]]:
        """(index, value) as they come; raises at the first that failed."""
        return ((index, cast(R, self._value(index))) for index in self._arrivals())

    def as_settled(self) -> Iterator[Outcome]:
        """How each ended, as they come."""
        return map(self._outcome, self._arrivals())

    def _arrivals(self) -> Iterator[int]:
        for n in range(self._pending.total):
            yield self._wait(lambda n=n: self._pending.look_next(n))  # type: ignore[misc]

    def __len__(self) -> int:
        return self._pending.total

    def __iter__(self) -> Iterator[R]:
        return (self[index] for index in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> R: ...

    @overload
    def __getitem__(self, index: slice) -> List[R]: ...

    def __getitem__(self, index: Union[int, slice]) -> Union[R, List[R]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        self._wait(lambda: self._pending.look_at(index))
        return cast(R, self._value(index))


@overload
def work(fn: Callable[P, R]) -> Work[P, R]: ...


@overload
def work(
    *,
    name: Optional[str] = None,
    queue: Optional[str] = None,
    cores: Optional[int] = None,
    memory_mb: Optional[int] = None,
    wall_seconds: Optional[int] = None,
    priority: Optional[int] = None,
    attempts: Union[int, Mapping[str, int], None] = None,
    lost_after_seconds: Optional[int] = None,
    labels: Optional[Mapping[str, str]] = None,
    secrets: Optional[Sequence[Mapping[str, str]]] = None,
    files: Sequence[str] = (),
) -> Callable[[Callable[P, R]], Work[P, R]]: ...


def work(
    fn: Optional[Callable[..., Any]] = None, *, name: Optional[str] = None, files: Sequence[str] = (), **options: Any
) -> Any:
    """Marks a function to run as a job: `@work`, or `@work(cores=4, memory_mb=8000)`.

    name: what the task is called; the function's name by default.
    queue: where it runs; the broker chooses by default.
    cores: how many it may use (1). memory_mb: limit over its processes, MB. wall_seconds: limit of one attempt, s.
    priority: 0 to 10,000 (1000). attempts: how often a job that raises an error is tried (1), or a mapping
    `{'user': 1, 'site': 3, 'lost': 5}` by cause. lost_after_seconds: how long its pilot may be silent, s.
    labels: to filter and report by. files: data files to ship with its module, as patterns relative to that.
    secrets: those of yours (`culm secret set NAME`) that its jobs get, each as variable `env`, as `file` in the folder
    `$CULM_SECRETS`, or both (the variable is its path then): `[{'name': 'db-password', 'env': 'DB_PASSWORD'}]`.

    The function must be at the top level of a file; it is found there by its name on the worker. Its arguments and its
    value are plain data (see `docs/reference/values.md`).
    """
    if fn is not None:
        return Work(fn, name, files, options)
    return lambda fn: Work(fn, name, files, options)


@functools.cache
def _signature(fn: Callable[..., Any]) -> Signature:
    from inspect import signature

    return signature(fn)


def calling() -> Scope:
    """The scope that a call made here belongs to, begun with it if need be."""
    from ._workflow import scope_of_call

    scope = scope_of_call()
    scope.check()
    return scope


async def calling_async() -> Scope:
    """The same from a coroutine, whose event loop must not be made to wait for its beginning."""
    scope = enclosing_scope() or only_scope()
    if scope:
        scope.check()
        return scope
    import asyncio

    return await asyncio.to_thread(calling)
