"""Workflows: a function with its options, or a place to call works in."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
from typing import Any, Callable, Dict, Iterator, Mapping, Optional, Sequence

from .._calls import Call
from .._errors import CulmError
from .._local import local as _in_this_process
from .._run import place_of_session
from .._scope import enclosing_scope, entered
from .._submitted import start_as_job
from .._work import Work as _CulmWork
from .._workflow import WorkflowFunction as _CulmWorkflow
from .._workflow import _Driver, _end_session
from ._here import inside, travelling
from ._options import LABELS, OF_WORKFLOW, needs_of, understood


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
        given = understood(options, OF_WORKFLOW, 'a workflow')
        queue = {'queue': os.environ['PANDA_QUEUE']} if os.environ.get('PANDA_QUEUE') else {}
        self.__dict__['_options'] = {**queue, **given, 'distributed': distributed}
        self.__dict__['_inside'] = []

    def __setattr__(self, name: str, value: Any) -> None:
        self._options.update(understood({name: value}, OF_WORKFLOW, 'a workflow'))

    def __getattr__(self, name: str) -> Any:
        if name in OF_WORKFLOW:
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
        needs_of(self._options)
        if not enclosing_scope():
            from .._bundle import ensure_bundle
            from .._client import Client

            with Client() as client:
                ensure_bundle(client, self._work().located((), ()))

    def submit(self) -> Optional[str]:
        """Has its function run as a job of a workflow of its own, and returns the id of that. Without a function, or
        with one that runs here, it is opened: the calls made in `with wf:` belong to it."""
        if not self._is_remote:
            self._opened()
        elif self._call is None:
            work = self._work().with_options(**needs_of(self._options))
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
        with opened, inside(dict(self._options)), alone:
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
        stack = contextlib.ExitStack()
        stack.enter_context(inside(dict(self._options)))
        driver = self._opened()
        if driver:
            stack.enter_context(driver.running())
        self._inside.append(stack)
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
        with inside(dict(self._options)):
            with entered(self._driver.scope) if self._driver else contextlib.nullcontext():
                yield

    def _work(self) -> _CulmWork[..., Any]:
        return _CulmWork(self._fn, self._name, (), {})._with_context(travelling(self._options))

    def _labels(self) -> Dict[str, str]:
        return {name: str(value) for name, value in self._options.items() if name in LABELS}

    def __repr__(self) -> str:
        return f'<workflow {self._name} {self._id or ""}>'
