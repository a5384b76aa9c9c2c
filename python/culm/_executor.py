"""Works behind the interface of `concurrent.futures`, for code that was written for it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import contextvars
import functools
import threading
import time
from collections import deque
from types import FunctionType
from typing import Any, Callable, Deque, Dict, Iterable, Iterator, List, Optional, Set, TypeVar, cast

from ._calls import Call, MapCall
from ._coroutines import SETTLE_POLL_SECONDS
from ._errors import CallCancelled, CulmError
from ._work import Work

R = TypeVar('R')


class Executor(concurrent.futures.Executor):
    """Runs each call as a job: `with Executor() as jobs: future = jobs.submit(square, 3)`.

    Takes works, and plain functions that a worker can import; `options` are those of `@work`, for all of its calls.
    Its futures are those of `concurrent.futures`: `result`, `exception`, `cancel`, `add_done_callback`, `wait` and
    `as_completed` do what they say there, and `.call` is the handle of the call. `map` is one task. Callbacks are
    called in one thread of the executor, so they must not wait for other futures of it.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._works: Dict[Any, Work[..., Any]] = {}
        self._maps: List[MapCall[Any]] = []
        self._teller = _Teller()
        self._shut = False

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> JobFuture[R]:
        """Submits a job, and returns a future of its value."""
        future = JobFuture(self._work_of(fn).submit(*args, **kwargs))
        self._teller.add(future)
        return future

    def map(
        self,
        fn: Callable[..., R],
        *iterables: Iterable[Any],
        timeout: Optional[float] = None,
        chunksize: int = 1,
        buffersize: Optional[int] = None,
    ) -> Iterator[R]:
        """The values in the order of the arguments, of one task; TimeoutError if they are not there `timeout` seconds
        from now. Whoever stops before the last value cancels the rest."""
        if buffersize is not None:  # Python 3.14 has it for arguments without an end, which no task has.
            how: Dict[str, Any] = {'timeout': timeout, 'chunksize': chunksize, 'buffersize': buffersize}
            return super().map(fn, *iterables, **how)
        calls = self._work_of(fn).map(*iterables)
        self._maps.append(calls)
        return self._values(calls, None if timeout is None else time.monotonic() + timeout)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more calls. Those that were made are waited for, or go on by themselves, or are cancelled."""
        self._shut = True
        if cancel_futures:
            for future in self._teller.futures():
                future.cancel()
            for calls in self._maps:
                calls.cancel()
        if wait:
            concurrent.futures.wait(self._teller.futures())
            for calls in list(self._maps):
                calls.settle()
        self._teller.end()

    def _work_of(self, fn: Callable[..., R]) -> Work[..., R]:
        if self._shut:
            raise RuntimeError('the executor was shut down and takes no more calls')
        if fn not in self._works:
            self._works[fn] = _made_work(fn).with_options(**self._options)
        return cast('Work[..., R]', self._works[fn])

    def _values(self, calls: MapCall[R], until: Optional[float]) -> Iterator[R]:
        try:
            for index in range(len(calls)):
                yield calls.value(index, None if until is None else max(0.0, until - time.monotonic()))
        except TimeoutError:
            raise concurrent.futures.TimeoutError from None  # Until Python 3.11 that is another class.
        finally:
            self._maps.remove(calls)
            if not calls.done():
                with contextlib.suppress(CulmError):
                    calls.cancel()


def _made_work(fn: Any) -> Work[..., Any]:
    if isinstance(fn, Work):
        return fn
    if not isinstance(fn, FunctionType):
        why = f'{fn!r} cannot run as a job: it is no function that a worker could import'
        raise CulmError('work_not_exported', why)
    return Work(fn, None, (), {})


class JobFuture(concurrent.futures.Future[R]):
    """A future of `concurrent.futures` whose work is a job; `.call` is the handle of the call."""

    def __init__(self, call: Call[R]) -> None:
        super().__init__()
        self.call = call
        self._ending = threading.RLock()
        self._is_unwanted = False
        self._waiting = contextlib.ExitStack()
        self._waiting.enter_context(call._scope.journal.waiting())

    def cancel(self) -> bool:
        """Asks for the end of the job. False when that had ended before."""
        if self.done():
            return self.cancelled()
        self._is_unwanted = True
        if self.call.cancel():
            with self._ending:
                if not self.done():
                    self._be_cancelled()
        return self.cancelled()

    def take_outcome(self) -> None:
        """The call has ended."""
        self._waiting.close()
        try:
            value, error = self.call.result(), None
        except BaseException as raised:
            value, error = None, raised
        with self._ending:
            if self.done():
                return
            if self._is_unwanted and isinstance(error, CallCancelled):
                return self._be_cancelled()
            self.set_running_or_notify_cancel()
            self.set_exception(error) if error else self.set_result(cast(R, value))

    def _be_cancelled(self) -> None:
        super().cancel()
        self.set_running_or_notify_cancel()  # Those that wait for several look for this.


class _Teller:
    """The thread that ends futures when their calls have ended, in the order in which the journal tells it."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open: Set[JobFuture[Any]] = set()
        self._news: Deque[JobFuture[Any]] = deque()
        self._thread: Optional[threading.Thread] = None
        self._leaves = False

    def add(self, future: JobFuture[Any]) -> None:
        with self._changed:
            self._open.add(future)
            if self._thread is None:
                run = functools.partial(contextvars.copy_context().run, self._run)  # Callbacks may call works.
                self._thread = threading.Thread(target=run, name='culm-executor', daemon=True)
                self._thread.start()
        self._hear(future)

    def futures(self) -> List[JobFuture[Any]]:
        with self._changed:
            return list(self._open)

    def end(self) -> None:
        """It leaves when the last future has ended."""
        with self._changed:
            self._leaves = True
            self._changed.notify_all()

    def _hear(self, future: JobFuture[Any]) -> None:
        with self._changed:
            self._news.append(future)
            self._changed.notify_all()

    def _run(self) -> None:
        unsettled: List[JobFuture[Any]] = []
        while True:
            news = self._next(unsettled)
            if news is None:
                return
            unsettled = [future for future in news if not self._look(future)]

    def _next(self, unsettled: List[JobFuture[Any]]) -> Optional[List[JobFuture[Any]]]:
        """Whom there may be news of; None when there will be no more."""
        with self._changed:
            while not self._news and not unsettled:
                if self._leaves and not self._open:
                    return None
                self._changed.wait(self._mind_slot())
            if not self._news:
                self._changed.wait(SETTLE_POLL_SECONDS)
            news = [*unsettled, *self._news]
            self._news.clear()
            return news

    def _mind_slot(self) -> Optional[float]:
        """In a job, its slot goes to others while everything in it waits. How soon to look again, s."""
        slot = next((future.call._scope.slot for future in self._open), None)
        if slot is None:
            return None
        slot.give_back()
        return slot.poll_seconds

    def _look(self, future: JobFuture[Any]) -> bool:
        """False when its turn comes as soon as others have made something of theirs."""
        pending, journal = future.call._pending, future.call._scope.journal
        with pending.changed:
            if not pending.look_all() and not pending.failure:
                if journal.settles(pending.task_id):
                    return False
                pending.watch(functools.partial(self._hear, future))
                return True
        future.take_outcome()
        with self._changed:
            self._open.discard(future)
        return True
