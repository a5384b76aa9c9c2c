"""The jobs of one task, and what has come of them so far."""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, List, Optional, Tuple

from ._errors import CulmError

#: The outcome of a job as the server tells it (`src/contract/jobs.ts`).
Told = Dict[str, Any]


class Pending:
    """Filled by the thread that reads the stream, read by those that wait. An outcome that comes twice counts once."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.task_id = ''
        self.first_job_id = ''
        self.outcomes: List[Optional[Told]] = [None] * total
        #: Indices in the order in which their outcomes came.
        self.order: List[int] = []
        #: Indices of those without a value.
        self.failed: List[int] = []
        #: Why no outcome will come any more.
        self.failure: Optional[CulmError] = None
        self.changed = threading.Condition()
        self._watchers: List[Tuple[int, Callable[[], None]]] = []

    def deliver(self, told: Told) -> None:
        index = told['index']
        with self.changed:
            if not 0 <= index < self.total or self.outcomes[index] is not None:
                return
            self.outcomes[index] = told
            if told['state'] != 'finished':
                self.failed.append(index)
            self.order.append(index)
            self._wake([watcher for watcher in self._watchers if watcher[0] == index])

    def fail(self, error: CulmError) -> None:
        with self.changed:
            self.failure = self.failure or error
            self._wake(list(self._watchers))

    def _wake(self, watchers: List[Tuple[int, Callable[[], None]]]) -> None:
        for watcher in watchers:
            self._watchers.remove(watcher)
            watcher[1]()
        self.changed.notify_all()

    def has_all(self) -> bool:
        return len(self.order) == self.total

    def watch(self, index: int, call: Callable[[], None]) -> None:
        """Calls, once, when the outcome of a job is there or will never be; `call` must not block."""
        with self.changed:
            if self.outcomes[index] is None and self.failure is None:
                self._watchers.append((index, call))
                return
        call()
