"""Works, and the handles of their uses: tasks to be, whose options may still be set."""

from __future__ import annotations

import contextlib
import functools
import re
from inspect import signature
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from .._calls import MapCall, Outcome
from .._errors import CulmError
from .._local import local as _in_this_process
from .._work import Work as _CulmWork
from ._async_result import AsyncResult
from ._here import options_here, travelling
from ._map_result import MapResult
from ._options import OF_WORK, needs_of, understood

if TYPE_CHECKING:
    from ._workflow import Workflow


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
        self.options = understood(rest, OF_WORK, 'a work')
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
            self._options.update(understood({name: value}, OF_WORK, 'a work'))

    def __getattr__(self, name: str) -> Any:
        if name in _HOW_OF_HANDLE:
            return getattr(self._how, name)
        if name in OF_WORK:
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
                self.__dict__['_call'] = self._submit({**options_here(), **self._options})
        return self.workload_id

    def _check_key(self) -> None:
        if self._how.job_key and len(self._rows) > 1:
            raise TypeError(f'{self._work.name}(): job_key is the key of one job; those of a group are their arguments')

    def _submit(self, options: Mapping[str, Any]) -> MapCall[Any]:
        known = travelling(options_here())
        work: _CulmWork[..., Any] = self._work.with_options(after=self._parents())._with_context(known)
        if options.get('distributed', True):
            return work.with_options(**needs_of(options))._map(self._rows, self._common, _same)
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
