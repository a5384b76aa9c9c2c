"""Works: functions that run as jobs, and the handles of their calls."""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import sys
import time
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
    Optional,
    Sequence,
    Tuple,
    TypeVar,
    Union,
    cast,
    overload,
)

from ._by_args import ByArgs
from ._coroutines import AwaitedSource, in_loop, turns_here
from ._environment import SETTING_NAMES, check_pickles, environment_of, has_own_python, lock_files
from ._errors import RemoteError
from ._pending import Pending, Told
from ._replay import Asked
from ._scope import Scope, enclosing_scope, only_scope
from ._source import Source, check_function, has_module, locate, want_files
from ._values import Encoded, Reading, decode, encode_arguments

if TYPE_CHECKING:
    from inspect import Signature

    from typing_extensions import ParamSpec

    from ._capture import Captured
    from ._progress import State

    P = ParamSpec('P')
    Located = Union[Source, Captured]
else:
    P = TypeVar('P')
R = TypeVar('R')

#: Options by the name that the server gives them (`needs` in `src/contract/tasks.ts`), where it differs.
_OPTION_NAMES = {'memory_mb': 'memoryMb', 'wall_seconds': 'wallSeconds', 'lost_after_seconds': 'lostAfterSeconds'}
_OPTIONS = frozenset(
    {'queue', 'site', 'cores', 'gpus', 'priority', 'attempts', 'labels', 'secrets', 'cache', *_OPTION_NAMES, *SETTING_NAMES}
)

#: The queue of `culm up`, and its site: only there is the caller's own interpreter sure to exist.
_LOCAL = 'local'


class Work(Generic[P, R]):
    """A function that runs as a job when it is called. Made by `@work`.

    Called, it submits a job, waits, and returns the value, or raises what went wrong. Inside a workflow function its
    calls belong to that workflow, inside another work to that job, elsewhere to a session of this process.
    """

    def __init__(
        self,
        fn: Callable[P, R],
        name: Optional[str],
        files: Sequence[str],
        options: Mapping[str, Any],
        codec: Optional[str] = None,
    ) -> None:
        if codec not in (None, 'pickle'):
            raise ValueError(f"codec={codec!r}: it is 'pickle', or left out for plain data")
        check_function(fn)
        functools.update_wrapper(self, fn)
        self.fn = fn
        self.name = name or fn.__name__
        self.pickled = codec == 'pickle'
        self.options: Dict[str, Any] = {}
        #: Where its jobs run, as its author says it.
        self._environment: Dict[str, str] = {}
        self._after: Tuple[Union[Call[Any], MapCall[Any]], ...] = ()
        self.files = tuple(files)
        #: What its jobs know around the function (`Scope.context`).
        self._context: Any = None
        self._source: Optional[Source] = None
        #: The work that this is a variant of, with other options.
        self._base = self
        self._set(options)
        module_file = getattr(fn, '__globals__', {}).get('__file__')
        wanted = [*files, *lock_files(self._environment)]
        if wanted and module_file:
            want_files(module_file, wanted)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.submit(*args, **kwargs).result()

    def submit(self, /, *args: P.args, **kwargs: P.kwargs) -> Call[R]:
        """Submits a job, and returns its handle without waiting for it."""
        text = self.encoded(args, kwargs)
        source = self.located([text], (args, kwargs))
        scope = calling()
        return Call(scope, self._submit(scope, source, None, [text]), self)

    def map(self, /, *iterables: Iterable[Any], **common: Any) -> MapCall[R]:
        """Submits one task with a job for each item. As with the built-in `map`, each gets one item of every iterable.

        `common` are named arguments that all jobs share; they are sent once. Returns a handle without waiting. Of another
        map as an iterable the values are awaited; large ones go from job to job, and not by this process.
        """
        if not iterables:
            raise TypeError(f'{self.name}.map() takes at least one iterable')
        key = _only_argument if len(iterables) == 1 else _positional_arguments
        parts = (each.parts() if isinstance(each, MapCall) else each for each in iterables)
        return self._map([(row, {}) for row in zip(*parts)], common, key)

    def starmap(self, items: Iterable[Sequence[Any]], /, **common: Any) -> MapCall[R]:
        """As `map`, with the positional arguments of each job as one tuple."""
        return self._map([(row, {}) for row in items], common, _positional_arguments)

    def _map(
        self,
        rows: Sequence[Tuple[Sequence[Any], Mapping[str, Any]]],
        common: Mapping[str, Any],
        key: Callable[[Mapping[str, Any]], Any],
    ) -> MapCall[R]:
        """One job for each row of positional and named arguments. `key`: what of them its value is found by."""
        for args, kwargs in rows:
            self._check_arguments(args, {**common, **kwargs})
        texts = [encode_arguments(args, kwargs, self.pickled) for args, kwargs in rows]
        has_shared = common or self._context is not None
        shared = encode_arguments((), common, self.pickled, self._context) if has_shared else None
        source = self.located([*texts, shared or ''], (rows, common))
        scope = calling()
        pending = self._submit(scope, source, shared, texts) if rows else Pending(0, scope.journal)
        return MapCall(scope, pending, self, texts, key)

    async def aio(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls it from asynchronous code: submits a job, and awaits its value."""
        import asyncio

        for value in (*args, *kwargs.values()):
            if isinstance(value, _Handle):
                await value.ended()
        text = self.encoded(args, kwargs)
        source = self.located([text], (args, kwargs))
        scope = await calling_async()
        asked = scope.ask(source.identity, None, [text])
        await scope.journal.await_go_async(asked)
        pending = await asyncio.to_thread(self._send, scope, asked, source, None, [text])
        return await Call(scope, pending, self)

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
        other._environment = dict(self._environment)
        other._after = (*self._after, *after)
        other._set(options)
        return other

    def _with_context(self, context: Any) -> Work[P, R]:
        other = copy.copy(self)
        other._context = context
        return other

    def __repr__(self) -> str:
        return f'<work {self.name}>'

    def _set(self, options: Mapping[str, Any]) -> None:
        check_options(options)
        for option, value in options.items():
            if value is not None and option in SETTING_NAMES:
                self._environment[option] = value
            elif value is not None:
                attempts = option == 'attempts' and isinstance(value, int)
                self.options[_OPTION_NAMES.get(option, option)] = {'user': value} if attempts else value

    def _submit(self, scope: Scope, source: Located, common: Optional[str], texts: List[str]) -> Pending:
        return self._send(scope, scope.ask(source.identity, common, texts), source, common, texts)

    def _send(self, scope: Scope, asked: Asked, source: Located, common: Optional[str], texts: List[str]) -> Pending:
        if scope.run_here:
            return scope.run_here(self, common, texts)
        return scope.send(asked, lambda: self.task_in(scope, source), common, texts)

    def task_in(self, scope: Scope, source: Located) -> Dict[str, Any]:
        """What it asks for, beside its jobs; its sources are on the server afterwards."""
        task: Dict[str, Any] = {'name': self.name, 'payload': self._payload(scope, source), **self.options}
        after = [call.task_id for call in self._after if call.task_id]
        if after:
            task['after'] = after
        return task

    def waits_in_vain(self) -> bool:
        """Whether something that it is to run after is known not to have finished."""
        return any(call._pending.failed for call in self._after)

    def _payload(self, scope: Scope, source: Located) -> Dict[str, Any]:
        environment = self.environment()
        payload: Dict[str, Any] = {
            'kind': 'function',
            'language': 'python',
            'bundle': self._bundle(scope, source),
            'module': source.module,
            'export': source.export,
        }
        is_local = all(self.options.get(place, _LOCAL) == _LOCAL for place in ('queue', 'site'))
        if sys.executable and is_local and not has_own_python(self._environment):
            payload['interpreter'] = sys.executable
        if environment:
            payload['environment'] = environment
        return payload

    def environment(self) -> Dict[str, str]:
        """Where its jobs run, as the server is told it."""
        environment = environment_of(self._environment, self.fn)
        if self.pickled:
            check_pickles(environment)
        return environment

    def _bundle(self, scope: Scope, source: Located) -> str:
        if scope.bundle and isinstance(source, Source):
            return scope.bundle
        from ._bundle import ensure_bundle

        return ensure_bundle(scope.client, source)

    def located(self, texts: Sequence[str], values: Sequence[Any]) -> Located:
        """Where a worker finds it. Without a module that is what is captured now, and the classes that its arguments
        are of."""
        if self._source is None and has_module(self.fn):
            self._source = locate(self.fn, lambda found: found is self.fn or getattr(found, 'fn', None) is self.fn)
        if self._source is not None:
            return self._source
        from ._capture import capture

        has_classes = self.pickled or any('"module":"__main__"' in text for text in texts)
        return capture(self, values if has_classes else ())

    def encoded(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        self._check_arguments(args, kwargs)
        return encode_arguments(args, kwargs, self.pickled, self._context)

    def _check_arguments(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """What the function would not take is said here and not by a worker."""
        try:
            _signature(self.fn).bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f'{self.name}(): {error}') from None


class Outcome:
    """How one call ended: with a value, or with an error. `state` is the job's: finished, failed, cancelled, closed."""

    def __init__(
        self, index: int, job_id: str, state: str, error: Optional[RemoteError], fetch: Callable[[], Any]
    ) -> None:
        self.index = index
        self.job_id = job_id
        self.state = state
        self.error = error
        self._fetch = fetch

    @property
    def ok(self) -> bool:
        return self.error is None

    @property
    def value(self) -> Any:
        """The value, or None; a large one is fetched when it is looked at."""
        return self._fetch() if self.ok else None

    def __repr__(self) -> str:
        return f'<Outcome {self.index}: {self.job_id} {self.state}>'


class _Handle(Encoded):
    """What the handles of one call and of many have in common. As an argument of a call it stands for its value."""

    def __init__(self, scope: Scope, pending: Pending, work: Work[Any, Any]) -> None:
        self._scope = scope
        self._pending = pending
        self._name = work.name
        self._pickled = work.pickled

    @property
    def task_id(self) -> str:
        return self._pending.task_id

    @property
    def workflow_id(self) -> str:
        return self._scope.workflow_id

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

    async def ended(self) -> None:
        """Waits for its end, well or not."""
        await self._told(self._pending.look_all)

    def _value(self, index: int) -> Any:
        return self._scope.value_in(self._finished(index), self._pickled)

    def _part(self, index: int) -> Any:
        """The value as plain data; of a large one where it lies."""
        value = self._finished(index).get('value') or {'text': 'null'}
        return {'$culm': 'stored', 'v': _place_of(value)} if 'blob' in value else json.loads(value['text'])

    def _finished(self, index: int) -> Told:
        told = cast(Told, self._pending.outcomes[index])
        if told['state'] != 'finished':
            raise self._scope.error_of(told, self._name)
        return told

    def _outcome(self, index: int) -> Outcome:
        told = cast(Told, self._pending.outcomes[index])
        error = None if told['state'] == 'finished' else self._scope.error_of(told, self._name)
        return Outcome(index, told['jobId'], told['state'], error, lambda: self._value(index))

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

    @property
    def plain(self) -> Any:
        self._wait(self._pending.look_all)
        return self._part(0)

    def __await__(self) -> Generator[Any, None, R]:
        return self._awaited().__await__()

    async def _awaited(self) -> R:
        await self._told(self._pending.look_all)
        return cast(R, self._value(0))


class MapCall(_Handle, Generic[R]):
    """The handle of a map: iterated or indexed it gives the values in the order of the arguments, waiting for each."""

    def __init__(
        self,
        scope: Scope,
        pending: Pending,
        work: Work[Any, Any],
        texts: Sequence[str],
        key: Callable[[Mapping[str, Any]], Any],
    ) -> None:
        super().__init__(scope, pending, work)
        #: The arguments as they were sent: whoever changes them since finds the values by what they were.
        self._texts = texts
        self._key = key

    def result(self, timeout: Optional[float] = None) -> List[R]:
        """Waits for all values; raises as soon as one call has failed (the others go on)."""
        return self._values(self._wait(self._pending.look_result, timeout))

    def __await__(self) -> Generator[Any, None, List[R]]:
        return self._awaited().__await__()

    async def _awaited(self) -> List[R]:
        return self._values(await self._told(self._pending.look_result))

    def _values(self, failed: int) -> List[R]:
        if failed >= 0:
            raise self._scope.error_of(cast(Told, self._pending.outcomes[failed]), self._name)
        return [self._value(index) for index in range(self._pending.total)]

    def settle(self, timeout: Optional[float] = None) -> List[Outcome]:
        """Waits for the end of all, and tells how each ended, in the order of the arguments."""
        self._wait(self._pending.look_all, timeout)
        return [self._outcome(index) for index in range(self._pending.total)]

    def by_args(self, timeout: Optional[float] = None) -> ByArgs[R]:
        """As `result`, by the arguments: `values = f.map(points).by_args(); values[points[3]]`.

        Of a map over several iterables, and of `starmap`, the keys are tuples. Arguments that are equal are one key,
        though each of them was a job: the last value counts.
        """
        return ByArgs(zip(self._arguments(), self.result(timeout)))

    def settle_by_args(self, timeout: Optional[float] = None) -> ByArgs[Outcome]:
        """As `settle`, by the arguments."""
        return ByArgs(zip(self._arguments(), self.settle(timeout)))

    def _arguments(self) -> Iterator[Any]:
        return map(self._key, self.rows())

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """The arguments of each job, as they were sent: `{'a': positional, 'k': named}`."""
        reading = Reading(self._scope.fetch_text, self._pickled)
        return (decode(text, reading) for text in self._texts)

    def progress(self) -> MapCall[R]:
        """Waits for the end of all, well or not, and shows meanwhile how far it has come: a line on a terminal, a bar in
        a notebook, nothing elsewhere. Gives the map itself: `square.map(range(100)).progress().result()`.
        """
        from ._progress import shown

        with shown(self._state):
            self._wait(self._pending.look_all)
        return self

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        return self._state().html()

    def _state(self) -> State:
        from ._progress import State

        pending = self._pending
        until = pending.came_at if pending.has_all() else time.monotonic()
        seconds = until - pending.began_at
        return State(self._name, len(pending.order), len(pending.failed), pending.total, seconds)

    def as_completed(self) -> Iterator[Tuple[int, R]]:
        """(index, value) as they come; raises at the first that failed."""
        return ((index, cast(R, self._value(index))) for index in self._arrivals())

    def as_settled(self) -> Iterator[Outcome]:
        """How each ended, as they come."""
        return map(self._outcome, self._arrivals())

    @property
    def plain(self) -> Any:
        return [part.plain for part in self.parts()]

    def parts(self) -> Iterator[Encoded]:
        """Waits for each value in the order of the arguments, and gives what stands for it as an argument of a call."""
        for index in range(len(self)):
            self._wait(lambda index=index: self._pending.look_at(index))  # type: ignore[misc]
            part = Encoded()
            part.plain = self._part(index)
            yield part

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
        return self.value(range(len(self))[index])

    def value(self, index: int, timeout: Optional[float] = None) -> R:
        """Waits for one of the values, and returns it or raises what went wrong."""
        self._wait(lambda: self._pending.look_at(index), timeout)
        return cast(R, self._value(index))


@overload
def work(fn: Callable[P, R]) -> Work[P, R]: ...


@overload
def work(
    *,
    name: Optional[str] = None,
    queue: Optional[str] = None,
    site: Optional[str] = None,
    cores: Optional[int] = None,
    memory_mb: Optional[int] = None,
    gpus: Optional[int] = None,
    wall_seconds: Optional[int] = None,
    priority: Optional[int] = None,
    attempts: Union[int, Mapping[str, int], None] = None,
    lost_after_seconds: Optional[int] = None,
    labels: Optional[Mapping[str, str]] = None,
    secrets: Optional[Sequence[Mapping[str, str]]] = None,
    requirements: Optional[str] = None,
    conda: Optional[str] = None,
    init_env: Optional[str] = None,
    clean_env: Optional[str] = None,
    post_script: Optional[str] = None,
    image: Optional[str] = None,
    cache: Optional[bool] = None,
    files: Sequence[str] = (),
    codec: Optional[str] = None,
) -> Callable[[Callable[P, R]], Work[P, R]]: ...


def work(
    fn: Optional[Callable[..., Any]] = None,
    *,
    name: Optional[str] = None,
    files: Sequence[str] = (),
    codec: Optional[str] = None,
    **options: Any,
) -> Any:
    """Marks a function to run as a job: `@work`, or `@work(cores=4, memory_mb=8000)`.

    name: what the task is called; the function's name by default.
    queue: where it runs; the broker chooses by default. site: in any queue of that site.
    cores: how many it may use (1). memory_mb: limit over its processes, MB. wall_seconds: limit of one attempt, s.
    gpus: how many it has to itself while it runs (0): CUDA_VISIBLE_DEVICES and HIP_VISIBLE_DEVICES name them.
    priority: 0 to 8,000 (1000). attempts: how often a job that raises an error is tried (1), or a mapping
    `{'user': 1, 'site': 3, 'lost': 5}` by cause; 'memory' (over its limit), 'walltime' (over its time) and 'runner' (its
    process died) are counted as 'user' unless they are named. lost_after_seconds: how long its pilot may be silent, s.
    labels: to filter and report by. files: data files to ship with its module, as patterns relative to that.
    secrets: those of yours (`culm secret set NAME`) that its jobs get, each as variable `env`, as `file` in the folder
    `$CULM_SECRETS`, or both (the variable is its path then): `[{'name': 'db-password', 'env': 'DB_PASSWORD'}]`.
    requirements, conda: a lock file of packages (its path as seen from the file of the work, or its text), installed
    once where the jobs run. image: what they run in. init_env: shell lines that are run before, clean_env and
    post_script: after each job (`docs/guide/environments.md`).
    cache: calls take stored results of yours of the same code, arguments and environment instead of running, and store
    theirs; for works whose result depends on nothing else. `culm explain` says which part was other.

    codec: 'pickle' for arguments and values that are no plain data. They are pickled by who sends them and unpickled in
    the job and in this program only, both with the same minor version of Python.

    At the top level of a file it is found there by its name on the worker. In a notebook, at the prompt, inside another
    function or as a lambda it takes along what it uses. Arguments and value are plain data
    (`docs/guide/values.md`).
    """
    if fn is not None:
        return Work(fn, name, files, options, codec)
    return lambda fn: Work(fn, name, files, options, codec)


def _place_of(value: Mapping[str, Any]) -> Dict[str, Any]:
    return {'blob': value['blob'], 'bytes': value['bytes']}


def check_options(options: Iterable[str]) -> None:
    unknown = set(options) - _OPTIONS
    if unknown:
        raise TypeError(f'a work has no option {sorted(unknown)[0]!r}; it has {", ".join(sorted(_OPTIONS))}')


def _only_argument(arguments: Mapping[str, Any]) -> Any:
    return arguments['a'][0]


def _positional_arguments(arguments: Mapping[str, Any]) -> Any:
    return tuple(arguments['a'])


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
