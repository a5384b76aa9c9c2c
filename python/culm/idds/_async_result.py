"""Results of a handle as they come, for who need not have all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, Optional

from ._map_result import metrics_of
from ._options import OF_RESULT, understood

if TYPE_CHECKING:
    from ._work import Work


class AsyncResult:
    """What comes of a handle, as it comes. `wait_percent`: how much of it is enough for who waits, from 0 to 1."""

    def __init__(
        self, work_context: Work, *, wait_percent: float = 1, timeout: Optional[float] = None, **options: Any
    ) -> None:
        from ._work import Work

        if not isinstance(work_context, Work):
            raise TypeError(f'an AsyncResult is of a handle (return_work=True), and not of {work_context!r}')
        understood(options, frozenset(OF_RESULT), 'an AsyncResult', OF_RESULT)
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
        return {o.job_id: metrics_of(scope, o.job_id) for o in self._handle._outcomes() if o}

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
