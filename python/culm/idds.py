"""Programmes that were written for iDDS's functions as tasks, with only their import lines changed.

    from culm.idds import Workflow, get_unique_id_for_dict, work, workflow

A call of a work is a task, and an element of `group_kwargs` (or `multi_jobs_kwargs_list`) a job of it. What a function
gives is what its caller gets: None, False and an empty list too, in the order of the arguments. What goes wrong is
raised, with the traceback of the worker; nothing waits for what cannot come. Options that mean nothing here are taken
with one warning that says what to do instead, and those whose absence would change what is computed are refused.
"""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import functools
import hashlib
import json
import os
import re
import warnings
from inspect import signature
from typing import Any, Callable, Dict, FrozenSet, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from ._by_args import ByArgs
from ._errors import CulmError
from ._local import local as _in_this_process
from ._run import place_of_session
from ._scope import enclosing_scope, entered, is_set
from ._submitted import start_as_job
from ._values import encode
from ._work import Call, MapCall, Outcome
from ._work import Work as _CulmWork
from ._workflow import WorkflowFunction as _CulmWorkflow
from ._workflow import _Driver, _end_session

__all__ = ['AsyncResult', 'MapResult', 'Work', 'Workflow', 'get_unique_id_for_dict', 'work', 'workflow']


def get_unique_id_for_dict(arguments: Any) -> str:
    """The SHA-1 of arguments as JSON text with sorted names: whatever the order of a dict, the same. What JSON lacks is
    taken as it travels (`docs/reference/values.md`)."""
    try:
        text = json.dumps(arguments, sort_keys=True)
    except TypeError:
        text = json.dumps(json.loads(encode(arguments)), sort_keys=True)
    return hashlib.sha1(text.encode('utf-8')).hexdigest()


# Options

#: Options that jobs ask for, by the name that Culm gives them.
_NEEDS = {
    'queue': 'queue',
    'core_count': 'cores',
    'total_memory': 'memory_mb',
    'max_walltime': 'wall_seconds',
    'priority': 'priority',
    'max_attempt': 'attempts',
}
_LABELS = ('campaign', 'campaign_scope', 'campaign_group', 'campaign_tag', 'task_type', 'processing_type')
_ENVIRONMENT = ('init_env', 'clean_env', 'post_script', 'container_options')

_FOUND = 'modules are found by import statements; other files lie in a package of yours, or are passed as arguments'
#: Options that mean nothing here, and what to do instead.
_NOTHING = {
    'service': 'the server is that of CULM_SERVER, or the one that `culm up` started',
    'source_dir': _FOUND,
    'use_func_dir': _FOUND,
    'source_dir_parent_level': _FOUND,
    'exclude_source_files': 'name what a package is not to ship in a file .culmignore beside it',
    'primary': 'leave it out',
    'site': 'name a queue of the site: queue=',
    'cloud': 'name a queue: queue=',
    'vo': 'the experiment is that of your token',
    'working_group': 'the group is that of your token',
    'username': 'who you are is told by your token',
    'userdn': 'who you are is told by your token',
    'token': 'who may add to a workflow is told by your token',
    'lifetime': 'workflows do not expire; `culm cancel` ends one',
    'max_processing_requests': 'how many jobs run at once is decided by queues and shares',
    'enable_separate_log': 'each job has a log of its own: `culm logs`',
    'log_dataset_name': 'each job has a log of its own: `culm logs`',
    'no_wraps': 'leave it out: the function itself is `.fn`',
    'is_unique_func_name': 'names need not be unique; workflows have ids',
    'context': 'leave it out: it is made when it is needed',
    'current_job_kwargs': 'leave it out: it is made when it is needed',
    'multi_jobs_kwargs_list': 'give it to the call of the work',
    'lazy': 'a call is submitted when it is made; return_work=True gives a handle that is not yet submitted',
    'parent_transform_id': 'name the task to run after: parent_workload_id="t12"',
    'parent_internal_id': 'name the task to run after: parent_workload_id="t12"',
}
#: Options that decide what is computed: who leaves them out computes something else.
_REFUSED = {
    'input_datasets': "give each job its files: group_kwargs=[{'files': [...]}, ...]",
    'output_file_name': 'return what the function has made, or write it to a place that it was given',
    'output_dataset_name': 'return what the function has made, or write it to a place that it was given',
    'num_events': "give each job its events: group_kwargs=[{'first': 0, 'count': 100}, ...]",
    'num_events_per_job': "give each job its events: group_kwargs=[{'first': 0, 'count': 100}, ...]",
}
_OF_HANDLE = 'leave it out: the handle knows it'
_ENOUGH = 'all jobs of the handle are waited for; wait_percent=0.5 says that half of them are enough'
#: Options of an AsyncResult that mean nothing here.
_OF_RESULT = {
    'name': _OF_HANDLE,
    'internal_id': _OF_HANDLE,
    'map_results': _OF_HANDLE,
    'multi_jobs_kwargs_list': _OF_HANDLE,
    'current_job_kwargs': _OF_HANDLE,
    'wait_num': _ENOUGH,
    'wait_keys': _ENOUGH,
}
_SHARED = (*_NEEDS, *_LABELS, *_ENVIRONMENT, *_NOTHING)
_OF_WORKFLOW: FrozenSet[str] = frozenset(_SHARED) - {
    'lazy',
    'parent_transform_id',
    'parent_internal_id',
    'log_dataset_name',
}
_OF_WORK: FrozenSet[str] = frozenset((*_SHARED, *_REFUSED))

_warned: Set[str] = set()


def _understood(
    options: Mapping[str, Any], known: FrozenSet[str], owner: str, nothing: Mapping[str, str] = _NOTHING
) -> Dict[str, Any]:
    """Those of them that mean something here and were given."""
    for name, value in options.items():
        if name not in known:
            raise TypeError(f'{owner} has no option {name!r}')
        if name in _REFUSED and value:
            raise CulmError('option_unsupported', f'{owner} has no {name} here', _REFUSED[name])
        if name in nothing and value:
            _warn(name, nothing[name])
    return {name: value for name, value in options.items() if value is not None and name not in nothing}


def _warn(name: str, instead: str) -> None:
    """Once in a program."""
    if name not in _warned:
        _warned.add(name)
        warnings.warn(f'{name} means nothing to Culm: {instead}', stacklevel=4)


def _needs(options: Mapping[str, Any]) -> Dict[str, Any]:
    """What jobs with these options ask for."""
    needs = {_NEEDS[name]: value for name, value in options.items() if name in _NEEDS}
    return {**needs, **_environment(options, needs.get('queue'))}


def _environment(options: Mapping[str, Any], queue: Optional[str]) -> Dict[str, Any]:
    """Where the jobs run. On this machine it may be ignored: then they run in the environment of the program."""
    named = {name: options[name] for name in ('init_env', 'clean_env', 'post_script') if options.get(name)}
    image = (options.get('container_options') or {}).get('container_image')
    wanted = {**named, **({'image': image} if image else {})}
    if wanted and queue in (None, 'local') and is_set('CULM_IDDS_IGNORE_ENV'):
        return {'queue': 'local'}
    return wanted


# Where works are called

_current: contextvars.ContextVar[Optional[Dict[str, Any]]] = contextvars.ContextVar('culm_idds', default=None)
_open: List[Dict[str, Any]] = []


@contextlib.contextmanager
def _inside(options: Dict[str, Any]) -> Iterator[None]:
    """Works that are called inside take these options where they have none of their own."""
    token = _current.set(options)
    _open.append(options)
    try:
        yield
    finally:
        _open.remove(options)
        _current.reset(token)


def _options_here() -> Mapping[str, Any]:
    """Of the workflow around this place; of the only one there is, in threads of which nobody knows where they belong;
    in a job, of the one that the job belongs to."""
    if _current.get() is not None:
        return _current.get() or {}
    if len(_open) == 1:
        return _open[0]
    scope = enclosing_scope()
    return (scope.context or {}) if scope else {}


def _travelling(options: Mapping[str, Any]) -> Optional[Dict[str, Any]]:
    """As a job is told them, for the works that it calls; None when there is nothing to tell."""
    told = {name: value for name, value in options.items() if name != 'distributed' or not value}
    return told or None


# Works


def work(func: Optional[Callable[..., Any]] = None, **options: Any) -> Any:
    """`@work`, or `@work(map_results=True, core_count=4, pre_kwargs={'seed': 1})`: its calls are tasks.

    map_results: a call gives a MapResult. return_work: it gives a handle that is not yet submitted. pre_kwargs: named
    arguments that calls may leave out. workflow: whose options it takes. name: of its tasks. job_key: under which a
    MapResult has the value of a call. parent_workload_id: a task ('t12') or handle to run after, unless no_wait_parent.
    queue, core_count, total_memory (MB), max_walltime (s), priority, max_attempt: for its jobs; those of its workflow
    when left out.
    """
    return (lambda fn: _WorkFunction(fn, options)) if func is None else _WorkFunction(func, options)


class _How(NamedTuple):
    """How a work is called and what its calls give."""

    workflow: Optional[Workflow] = None
    pre_kwargs: Optional[Mapping[str, Any]] = None
    name: Optional[str] = None
    return_work: bool = False
    map_results: bool = False
    job_key: Optional[str] = None
    parent_workload_id: Any = None
    no_wait_parent: bool = False


#: What of that a handle has as attributes.
_HOW_OF_HANDLE = ('map_results', 'job_key', 'parent_workload_id', 'no_wait_parent')


class _WorkFunction:
    """What `@work` makes of a function."""

    def __init__(self, fn: Callable[..., Any], options: Mapping[str, Any]) -> None:
        self._how = _How(**{name: value for name, value in options.items() if name in _How._fields})
        rest = {name: value for name, value in options.items() if name not in _How._fields}
        self.options = _understood(rest, _OF_WORK, 'a work')
        self._work = _CulmWork(fn, self._how.name, (), {})
        self._parameters = signature(fn).parameters
        self.fn = fn
        functools.update_wrapper(self, fn)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        handle = self._handle(args, kwargs)
        if self._how.return_work:
            return handle
        handle.submit()
        return handle._values()

    def _handle(self, args: Sequence[Any], kwargs: Dict[str, Any]) -> Work:
        of_call = self._taken(('workflow', 'job_key'), kwargs)
        groups = list(self._taken(('group_kwargs', 'multi_jobs_kwargs_list'), kwargs).values())
        if len(groups) > 1:
            raise TypeError(f'{self._work.name}() got both group_kwargs and multi_jobs_kwargs_list, which are the same')
        how = self._how._replace(**of_call)
        return Work(
            self._work, self.options, how, args, {**(how.pre_kwargs or {}), **kwargs}, groups[0] if groups else None
        )

    def _taken(self, names: Sequence[str], kwargs: Dict[str, Any]) -> Dict[str, Any]:
        """Out of named arguments those that are ours; a parameter of the function itself is the function's."""
        taken = {name: kwargs.pop(name) for name in names if name in kwargs and name not in self._parameters}
        return {name: value for name, value in taken.items() if value is not None}

    def __repr__(self) -> str:
        return f'<work {self._work.name}>'


class Work:
    """The handle of one use of a work: a task to be, or that was submitted. Its options may be set before that."""

    def __init__(
        self,
        work: _CulmWork[..., Any],
        options: Mapping[str, Any],
        how: _How,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        group: Optional[Sequence[Any]],
    ) -> None:
        self.__dict__.update(_work=work, _options=dict(options), _how=how, _rows=_rows(args, kwargs, group), _call=None)
        self.__dict__['_common'] = dict(kwargs) if group else {}
        self.__dict__['_is_group'] = group is not None

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _HOW_OF_HANDLE:
            self.__dict__['_how'] = self._how._replace(**{name: value})
        else:
            self._options.update(_understood({name: value}, _OF_WORK, 'a work'))

    def __getattr__(self, name: str) -> Any:
        if name in _HOW_OF_HANDLE:
            return getattr(self._how, name)
        if name in _OF_WORK:
            return self._options.get(name)
        raise AttributeError(f'a work has no {name}')

    @property
    def workload_id(self) -> str:
        """Id of its task; '' before it was submitted."""
        return self._call.task_id if self._call else ''

    task_id = workload_id

    def submit(self) -> str:
        """Submits its task, and returns the id of that without waiting."""
        if self._call is None:
            self._check_key()
            outside = self._how.workflow
            with outside._around() if outside else contextlib.nullcontext():
                self.__dict__['_call'] = self._submit({**_options_here(), **self._options})
        return self.workload_id

    def _check_key(self) -> None:
        if self._how.job_key and len(self._rows) > 1:
            raise TypeError(f'{self._work.name}(): job_key is the key of one job; those of a group are their arguments')

    def _submit(self, options: Mapping[str, Any]) -> MapCall[Any]:
        known = _travelling(_options_here())
        work: _CulmWork[..., Any] = self._work.with_options(after=self._parents())._with_context(known)
        if options.get('distributed', True):
            return work.with_options(**_needs(options))._map(self._rows, self._common, _same)
        with _in_this_process():
            return work._map(self._rows, self._common, _same)

    def get_status(self) -> str:
        """New, Running, Finished (all of its jobs), SubFinished (some of them) or Failed (none)."""
        if not self.is_terminated():
            return 'Running' if self._call else 'New'
        good = sum(1 for outcome in self._submitted().settle() if outcome.ok)
        return 'Finished' if good == len(self._rows) else 'SubFinished' if good else 'Failed'

    def is_terminated(self) -> bool:
        return self._call is not None and self._call.done()

    def is_finished(self) -> bool:
        return self.get_status() == 'Finished'

    def is_subfinished(self) -> bool:
        return self.get_status() == 'SubFinished'

    def is_failed(self) -> bool:
        return self.get_status() == 'Failed'

    def init_async_result(self) -> AsyncResult:
        return AsyncResult(self)

    def stop_async_result(self) -> None:
        """Nothing to do: who has enough does not ask any more."""

    def wait_results(self, timeout: Optional[float] = None, force_return_results: bool = False) -> Any:
        """Waits for all of its jobs and gives what came of them; TimeoutError after `timeout` seconds, unless what has
        come by then is to be returned."""
        return AsyncResult(self).wait_results(timeout, force_return_results)

    def get_results(self) -> Any:
        """What came of its jobs so far: a MapResult, or the value, or the list of values in the order of the arguments.
        Raises the error of a job that failed, which a MapResult does when that job is asked for."""
        return self._results_of(self._outcomes())

    def cancel(self) -> bool:
        """Asks for its end. False when it had ended before."""
        return self._call.cancel() if self._call else False

    def _values(self) -> Any:
        """What a plain call gives: everything, or the first error."""
        self._call.result()
        return self.get_results()

    def _results_of(self, outcomes: Sequence[Optional[Outcome]]) -> Any:
        if self._how.map_results:
            return MapResult._of(self._keyed(outcomes), self._name(), self._submitted()._scope)
        ended = [outcome for outcome in outcomes if outcome]
        for outcome in ended:
            if outcome.error:
                raise outcome.error
        values = [outcome.value for outcome in ended]
        return values if self._is_group else (values[0] if values else None)

    def _outcomes(self) -> List[Optional[Outcome]]:
        """Of its jobs in the order of their arguments; None of those that have not ended."""
        call = self._submitted()
        if call.done():
            return list(call.settle())
        with call._pending.changed:
            ended = set(call._pending.look_so_far())
        return [call._outcome(index) if index in ended else None for index in range(len(call))]

    def _keyed(self, outcomes: Sequence[Optional[Outcome]]) -> List[Tuple[Any, Optional[str], Optional[Outcome]]]:
        """Arguments by which each is found, its key if that was given, and what came of it."""
        own = [_own_arguments(row, self._is_group) for row in self._submitted().rows()]
        return [(args, self._how.job_key, outcome) for args, outcome in zip(own, outcomes)]

    def _submitted(self) -> MapCall[Any]:
        if self._call is None:
            raise CulmError(
                'work_not_submitted', f'{self._work.name} was not submitted yet', 'Call its submit() first.'
            )
        return self._call  # type: ignore[no-any-return]

    def _name(self) -> str:
        source = self._work.located((), ())
        return f'{source.module}:{source.export}'

    def _parents(self) -> List[Any]:
        parent, no_wait, *_ = self._how.parent_workload_id, self._how.no_wait_parent
        if parent is None or no_wait:
            return []
        if isinstance(parent, Work):
            return [parent._submitted()]
        if isinstance(parent, str) and re.fullmatch('t[1-9][0-9]*', parent):
            return [_Parent(parent)]
        raise CulmError(
            'invalid_input', f'parent_workload_id is {parent!r}', 'Name a task of this server, such as "t12".'
        )

    def __repr__(self) -> str:
        return f'<work {self._work.name} {self.workload_id}: {self.get_status()}>'


def _same(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    return arguments


class _Parent:
    """A task that is known by its id alone."""

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        self._pending = self
        self.failed: List[int] = []


Row = Tuple[Sequence[Any], Mapping[str, Any]]


def _rows(args: Sequence[Any], kwargs: Mapping[str, Any], group: Optional[Sequence[Any]]) -> List[Row]:
    """The arguments of each job, beside the named ones that all share: a dict adds named ones, a list replaces the
    positional ones."""
    if group is None:
        return [(args, kwargs)]
    return [_row(args, element) for element in group]


def _row(args: Sequence[Any], element: Any) -> Row:
    if isinstance(element, dict):
        return args, element
    if isinstance(element, (list, tuple)):
        return tuple(element), {}
    raise TypeError(f'an element of a group is a dict of named arguments or a list of positional ones: {element!r}')


def _own_arguments(arguments: Mapping[str, Any], is_group: bool) -> Any:
    """What a job of a group has for itself, else what the call was made with."""
    named = arguments.get('k', {})
    return named if named or not (is_group and arguments.get('a')) else tuple(arguments['a'])


# Results


class MapResult:
    """Values by the arguments that gave them, or by their keys (`get_unique_id_for_dict`)."""

    def __init__(self) -> None:
        #: By key, and by `name:key`.
        self._entries: Dict[str, _Entry] = {}
        self._named: Dict[str, _Entry] = {}
        self._by_args: ByArgs[str] = ByArgs([])
        self._scope: Any = None

    @classmethod
    def _of(cls, keyed: Sequence[Tuple[Any, Optional[str], Optional[Outcome]]], name: str, scope: Any) -> MapResult:
        results = cls()
        results._scope = scope
        pairs = []
        for args, key, outcome in keyed:
            key = key or get_unique_id_for_dict(args)
            pairs.append((args, key))
            if outcome:
                results._keep(name, key, _Entry(outcome.value, outcome))
        results._by_args = ByArgs(pairs)
        return results

    def add_result(
        self,
        name: Optional[str] = None,
        args: Any = None,
        key: Optional[str] = None,
        result: Any = None,
        details: Optional[Mapping[str, Any]] = None,
    ) -> None:
        """Keeps a value under a key, or under that of its arguments, with what else is known of it."""
        self._keep(name, self._key(args, key), _Entry(result, None, details))

    def set_result(
        self,
        name: Optional[str] = None,
        args: Any = None,
        key: Optional[str] = None,
        value: Any = None,
        verbose: bool = False,
        details: Optional[Mapping[str, Any]] = None,
    ) -> None:
        """As `add_result`."""
        self.add_result(name, args, key, value, details)

    def has_result(self, name: Optional[str] = None, args: Any = None, key: Optional[str] = None) -> bool:
        """Whether there is a value, be it None. Of a job that failed, or has not ended, there is none."""
        entry = self._find(name, args, key)
        return entry is not None and entry.is_value()

    def get_result(
        self,
        name: Optional[str] = None,
        args: Any = None,
        key: Optional[str] = None,
        verbose: bool = False,
        with_details: bool = False,
    ) -> Any:
        """A value by its arguments or key; raises the error of a job that failed, and KeyError when there is none.
        With details: the value, and a dict of `status`, `error` and `metrics` (start_time and end_time); None and that
        of a job that failed."""
        entry = self._find(name, args, key)
        if entry is None:
            raise KeyError(f'there is no result of {args if key is None else key!r}')
        if with_details:
            return entry.value, entry.known(self._scope)
        if entry.outcome and entry.outcome.error:
            raise entry.outcome.error
        return entry.value

    def get_all_results(self) -> Dict[str, Any]:
        """All values by their keys."""
        return _values_in(self._entries)

    def get_dict_results(self) -> Dict[str, Dict[str, Any]]:
        """All values: `results` by their keys, `name_results` by `name:key`."""
        return {'results': _values_in(self._entries), 'name_results': _values_in(self._named)}

    def set_from_dict_results(self, results: Mapping[str, Mapping[str, Any]]) -> None:
        """Keeps what `get_dict_results` gave, and nothing else."""
        self._entries = _entries_of(results.get('results', {}))
        self._named = _entries_of(results.get('name_results', {}))

    def _keep(self, name: Optional[str], key: str, entry: _Entry) -> None:
        self._entries[key] = entry
        if name is not None:
            self._named[f'{name}:{key}'] = entry

    def _find(self, name: Optional[str], args: Any, key: Optional[str]) -> Optional[_Entry]:
        key = self._key(args, key)
        return self._named.get(f'{name}:{key}', self._entries.get(key))

    def _key(self, args: Any, key: Optional[str]) -> str:
        if key is not None:
            return key
        return self._by_args[args] if args in self._by_args else get_unique_id_for_dict(args)

    def __len__(self) -> int:
        return len(self.get_all_results())

    def __repr__(self) -> str:
        return f'MapResult({self.get_all_results()!r})'


class _Entry(NamedTuple):
    value: Any
    outcome: Optional[Outcome] = None
    details: Optional[Mapping[str, Any]] = None

    def is_value(self) -> bool:
        return self.outcome is None or self.outcome.ok

    def known(self, scope: Any) -> Mapping[str, Any]:
        if self.details is not None:
            return self.details
        error = self.outcome.error if self.outcome else None
        metrics = _metrics(scope, self.outcome.job_id) if self.outcome else {}
        return {'status': error is None, 'error': str(error) if error else None, 'metrics': metrics}


def _values_in(entries: Mapping[str, _Entry]) -> Dict[str, Any]:
    return {key: entry.value for key, entry in entries.items() if entry.is_value()}


def _entries_of(values: Mapping[str, Any]) -> Dict[str, _Entry]:
    return {key: _Entry(value) for key, value in values.items()}


def _metrics(scope: Any, job_id: str) -> Dict[str, Any]:
    """When its last attempt ran; nothing of a job that ran in this process."""
    if scope is None or scope.run_here:
        return {}
    last = scope.client.get(f'/v1/jobs/{job_id}')['attempts'][-1:]
    return {'start_time': last[0]['startedAt'], 'end_time': last[0]['endedAt']} if last else {}


class AsyncResult:
    """What comes of a handle, as it comes. `wait_percent`: how much of it is enough for who waits, from 0 to 1."""

    def __init__(
        self, work_context: Work, *, wait_percent: float = 1, timeout: Optional[float] = None, **options: Any
    ) -> None:
        if not isinstance(work_context, Work):
            raise TypeError(f'an AsyncResult is of a handle (return_work=True), and not of {work_context!r}')
        _understood(options, frozenset(_OF_RESULT), 'an AsyncResult', _OF_RESULT)
        self._handle = work_context
        self._wait_percent = wait_percent
        self._timeout = timeout

    def wait_results(self, timeout: Optional[float] = None, force_return_results: bool = False) -> Any:
        """Waits until enough has come, or all has ended. Never for what cannot come."""
        call = self._handle._submitted()
        seconds = self._timeout if timeout is None else timeout
        try:
            call._wait(self._has_enough, seconds)
        except TimeoutError:
            if not force_return_results:
                raise
        return self._handle.get_results()

    wait_result = wait_results

    def _has_enough(self) -> bool:
        pending = self._handle._submitted()._pending
        if self._wait_percent < 1 and pending.look_good() >= self._wait_percent * pending.total:
            return True
        return pending.look_all()

    def get_results(self) -> Any:
        return self._handle.get_results()

    def get_results_percentage(self) -> float:
        """How many of the jobs have given a value, from 0 to 1; each counts once."""
        outcomes = self._handle._outcomes()
        return sum(1 for outcome in outcomes if outcome and outcome.ok) / len(outcomes) if outcomes else 1.0

    results = property(get_results)

    @property
    def metrics(self) -> Dict[str, Any]:
        """Of each job that has ended, by its id."""
        scope = self._handle._submitted()._scope
        return {o.job_id: _metrics(scope, o.job_id) for o in self._handle._outcomes() if o}

    @property
    def is_all_results_available(self) -> bool:
        return self.get_results_percentage() == 1

    @property
    def is_finished(self) -> bool:
        return self._handle.is_finished()

    @property
    def is_subfinished(self) -> bool:
        return self._handle.is_subfinished()

    @property
    def is_failed(self) -> bool:
        return self._handle.is_failed()

    @property
    def is_terminated(self) -> bool:
        return self._handle.is_terminated()

    def is_ok(self) -> bool:
        return True

    def subscribe(self) -> None:
        """Nothing to do: results come by themselves."""

    stop = subscribe


# Workflows


def workflow(func: Optional[Callable[..., Any]] = None, **options: Any) -> Any:
    """`@workflow`, or `@workflow(local=True, core_count=4)`: a function that calls works.

    Called, it is submitted as a job, and the call gives its Workflow at once, whose `result()` is the value. local: it
    runs in this process, and the call gives the value. return_workflow: it is built only. The others are those of
    Workflow.
    """
    return (lambda fn: _WorkflowFunction(fn, options)) if func is None else _WorkflowFunction(func, options)


class _WorkflowFunction:
    """What `@workflow` makes of a function."""

    def __init__(self, fn: Callable[..., Any], options: Mapping[str, Any]) -> None:
        self._options = dict(options)
        self._local = bool(self._options.get('local', False))
        self._return_workflow = bool(self._options.pop('return_workflow', False))
        self.fn = fn
        functools.update_wrapper(self, fn)
        self._build((), {})  # What it was given is looked at when it is given.

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        made = self._build(args, kwargs)
        if self._return_workflow:
            return made
        if self._local or enclosing_scope():
            return made.run()
        made.submit()
        return made

    def _build(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Workflow:
        return Workflow(func=self.fn, args=args, kwargs=kwargs, **self._options)

    def __repr__(self) -> str:
        return f'<workflow {self.fn.__name__}>'


class Workflow:
    """A workflow function with its arguments and options, or a place to call works in: `with wf: train(...)`.

    `run()` runs the function here and gives its value. `submit()` has it run as a job and gives the id of its workflow;
    `result()` waits for its value. Options may be set until then: `wf.queue = 'grid'`. `distributed=False` runs works
    in this process. `local=True`: its function is run by `run()` only, and `submit()` opens the workflow that it is of.
    """

    def __init__(
        self,
        func: Optional[Callable[..., Any]] = None,
        *,
        args: Optional[Sequence[Any]] = None,
        kwargs: Optional[Mapping[str, Any]] = None,
        pre_kwargs: Optional[Mapping[str, Any]] = None,
        name: Optional[str] = None,
        local: bool = False,
        distributed: bool = True,
        **options: Any,
    ) -> None:
        fn = getattr(func, 'fn', func)
        named = {**(pre_kwargs or {}), **(kwargs or {})}
        self.__dict__.update(_fn=fn, _args=tuple(args or ()), _kwargs=named)
        self.__dict__.update(_name=name or getattr(fn, '__name__', 'workflow'), _call=None, _driver=None, _id=None)
        self.__dict__['_is_remote'] = fn is not None and not local
        given = _understood(options, _OF_WORKFLOW, 'a workflow')
        queue = {'queue': os.environ['PANDA_QUEUE']} if os.environ.get('PANDA_QUEUE') else {}
        self.__dict__['_options'] = {**queue, **given, 'distributed': distributed}
        self.__dict__['_inside'] = []

    def __setattr__(self, name: str, value: Any) -> None:
        self._options.update(_understood({name: value}, _OF_WORKFLOW, 'a workflow'))

    def __getattr__(self, name: str) -> Any:
        if name in _OF_WORKFLOW:
            return self._options.get(name)
        raise AttributeError(f'a workflow has no {name}')

    @property
    def name(self) -> str:
        return str(self._name)

    @property
    def request_id(self) -> Optional[str]:
        """Id of its workflow on the server, once there is one."""
        return self._id  # type: ignore[no-any-return]

    def prepare(self) -> None:
        """Sees to it that it can be submitted, and that the server has its sources."""
        if self._fn is None or not self._options['distributed']:
            return
        _needs(self._options)
        if not enclosing_scope():
            from ._bundle import ensure_bundle
            from ._client import Client

            with Client() as client:
                ensure_bundle(client, self._work().located((), ()))

    def submit(self) -> Optional[str]:
        """Has its function run as a job of a workflow of its own, and returns the id of that. Without a function, or
        with one that runs here, it is opened: the calls made in `with wf:` belong to it."""
        if not self._is_remote:
            self._opened()
        elif self._call is None:
            work = self._work().with_options(**_needs(self._options))
            if enclosing_scope():
                call: Call[Any] = work.submit(*self._args, **self._kwargs)
            else:
                call = start_as_job(work, self._labels(), self._args, self._kwargs)
            self.__dict__.update(_call=call, _id=call.workflow_id)
        return self.request_id

    def run(self) -> Any:
        """Runs its function in this process, and returns its value."""
        if self._fn is None:
            raise CulmError('invalid_input', f'workflow {self._name} has no function to run', 'Workflow(func=...)')
        opened: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
        if self._driver and not self._inside:
            opened = self
        alone = contextlib.nullcontext() if self._options['distributed'] else _in_this_process()
        with opened, _inside(dict(self._options)), alone:
            return _CulmWorkflow(self._fn, self._name, self._labels())(*self._args, **self._kwargs)

    def result(self, timeout: Optional[float] = None) -> Any:
        """The value of its function, which was submitted; raises what that raised."""
        if self._call is None:
            raise CulmError(
                'work_not_submitted', f'workflow {self._name} was not submitted yet', 'Call its submit() first.'
            )
        return self._call.result(timeout)

    get_results = result

    def cancel(self) -> bool:
        """Asks for the end of its function, when that was submitted. False when it had ended before."""
        return bool(self._call and self._call.cancel())

    def close(self) -> None:
        """No more calls belong to it. (The end of `with wf:`, or of the program, does it too.)"""
        driver = self._let_go()
        if driver:
            with driver.running():
                pass

    def __enter__(self) -> Workflow:
        inside = contextlib.ExitStack()
        inside.enter_context(_inside(dict(self._options)))
        driver = self._opened()
        if driver:
            inside.enter_context(driver.running())
        self._inside.append(inside)
        return self

    def __exit__(self, *error: Any) -> None:
        self._let_go()
        self._inside.pop().__exit__(*error)

    def _opened(self) -> Optional[_Driver]:
        """What calls made inside belong to; nothing of its own inside another workflow, or when works run here."""
        if self._driver is None and self._options['distributed'] and not enclosing_scope():
            driver = _Driver(self._name, 'session', place_of_session(self._name), self._labels())
            self.__dict__.update(_driver=driver, _id=driver.id)
            atexit.register(self._end_with_program)
        return self._driver  # type: ignore[no-any-return]

    def _let_go(self) -> Optional[_Driver]:
        driver = self._driver
        self.__dict__['_driver'] = None
        atexit.unregister(self._end_with_program)
        return driver  # type: ignore[no-any-return]

    def _end_with_program(self) -> None:
        """Who was not closed."""
        if self._driver:
            _end_session(self._driver)

    @contextlib.contextmanager
    def _around(self) -> Iterator[None]:
        """Around a call that names it: that belongs to it while it is open, and takes its options in any case."""
        with _inside(dict(self._options)):
            with entered(self._driver.scope) if self._driver else contextlib.nullcontext():
                yield

    def _work(self) -> _CulmWork[..., Any]:
        return _CulmWork(self._fn, self._name, (), {})._with_context(_travelling(self._options))

    def _labels(self) -> Dict[str, str]:
        return {name: str(value) for name, value in self._options.items() if name in _LABELS}

    def __repr__(self) -> str:
        return f'<workflow {self._name} {self._id or ""}>'
