"""Works: functions that run as jobs."""

from __future__ import annotations

import copy
import functools
import sys
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Generic,
    Iterable,
    List,
    Mapping,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
    Union,
    overload,
)

from ._calls import Call, Handle, MapCall
from ._environment import SETTING_NAMES, check_pickles, environment_of, has_own_python, lock_files
from ._pending import Pending
from ._replay import Asked
from ._scope import Scope, enclosing_scope, only_scope
from ._source import Source, check_function, has_module, locate, want_files
from ._values import encode_arguments

if TYPE_CHECKING:
    from inspect import Signature

    from typing_extensions import ParamSpec

    from ._capture import Captured

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
            if isinstance(value, Handle):
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
