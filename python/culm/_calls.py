"""Handles of calls, which stand for values that may not be there yet, and how calls ended."""

from __future__ import annotations

import contextlib
import json
import time
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Generator,
    Generic,
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
from ._errors import RemoteError
from ._pending import Pending, Told
from ._scope import Scope
from ._values import Encoded, Reading, decode

if TYPE_CHECKING:
    from ._progress import State
    from ._work import Work

R = TypeVar('R')


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


class Handle(Encoded):
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


class Call(Handle, Generic[R]):
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


class MapCall(Handle, Generic[R]):
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


def _place_of(value: Mapping[str, Any]) -> Dict[str, Any]:
    return {'blob': value['blob'], 'bytes': value['bytes']}
