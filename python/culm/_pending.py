"""The jobs of one task: what has come of them so far, and what of that the program was told.

The two differ. Outcomes *arrive* whenever the server sends them. The program is *told* one when it looks (a value is
returned, an iterator yields, `done()` says yes), and its journal lets it: what it was told, in which order, is what a
driver that starts again is led along.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional, Set

from ._errors import CulmError
from ._replay import ALL, NOTHING

if TYPE_CHECKING:
    from ._journal import Journal

#: The outcome of a job as the server tells it (`src/contract/jobs.ts`).
Told = Dict[str, Any]


class Pending:
    """Filled by the thread that reads the stream, read by those that wait. An outcome that comes twice counts once.

    Its lock is the journal's. The methods `look_…` are called with it: they tell, when there is something to tell.
    """

    def __init__(self, total: int, journal: Journal) -> None:
        self.total = total
        self.task_id = ''
        self.first_job_id = ''
        self.outcomes: List[Optional[Told]] = [None] * total
        #: Indices in the order in which their outcomes came.
        self.order: List[int] = []
        #: Indices of those without a value, as they came.
        self.failed: List[int] = []
        #: Why no outcome will come any more.
        self.failure: Optional[CulmError] = None
        self.journal = journal
        self.changed = threading.Condition(journal.lock)
        #: When it was submitted, and when something came last, s of the monotonic clock.
        self.began_at = self.came_at = time.monotonic()
        self._watchers: Dict[Callable[[], None], None] = {}
        self._all_told = False
        self._told: Set[int] = set()
        #: Indices in the order in which they were told, and those without a value among them.
        self._told_order: List[int] = []
        self._told_failed: List[int] = []
        #: Arrivals before this place of `order` have been told.
        self._untold_from = 0

    # What arrives

    def deliver(self, told: Told) -> None:
        index = told['index']
        with self.changed:
            if not 0 <= index < self.total or self.outcomes[index] is not None:
                return
            self.outcomes[index] = told
            if told['state'] != 'finished':
                self.failed.append(index)
            self.order.append(index)
            self.came_at = time.monotonic()
            self.wake()

    def fail(self, error: CulmError) -> None:
        with self.changed:
            self.failure = self.failure or error
            self.wake()

    def wake(self) -> None:
        """Whoever waits looks again."""
        with self.changed:
            watchers, self._watchers = self._watchers, {}
            for call in watchers:
                call()
            self.changed.notify_all()

    def has_all(self) -> bool:
        return len(self.order) == self.total

    def watch(self, call: Callable[[], None]) -> None:
        """Calls, once, when there may be news; `call` must not block."""
        self._watchers[call] = None

    def unwatch(self, call: Callable[[], None]) -> None:
        with self.changed:
            self._watchers.pop(call, None)

    # What is told

    def look_all(self) -> bool:
        """Whether all have ended."""
        if not self._all_told and self.has_all() and (not self.total or self.journal.tell((self.task_id, ALL))):
            self._all_told = True
            for index in range(self.total):
                self._note(index)
            self.journal.unfollow(self)
        return self._all_told

    def look_at(self, index: int) -> bool:
        """Whether this one has ended. That it was the last of all says no more to the program, but is shorter."""
        if index not in self._told and self.outcomes[index] is not None and not (self.has_all() and self.look_all()):
            self._look_alone(index)
        return index in self._told

    def look_next(self, n: int) -> Optional[int]:
        """The index of the n-th to have ended; what was told by index counts where it was told."""
        if n >= len(self._told_order):
            index = self._candidate(self.order)
            if index is None or not self._look_alone(index):
                return None
        return self._told_order[n]

    def look_result(self) -> Optional[int]:
        """-1 when all have ended well, else the index of one without a value, even if others are still under way."""
        if not self._told_failed and not self.look_all() and self.failed:
            index = self._candidate(self.failed)
            if index is not None:
                self._look_alone(index)
        if self._told_failed:
            return self._told_failed[0]
        return -1 if self._all_told else None

    def look_so_far(self) -> List[int]:
        """The indices of those that have ended by now."""
        while self.look_next(len(self._told_order)) is not None:
            pass
        return self._told_order

    def look_good(self) -> int:
        """How many have ended well by now."""
        return len(self.look_so_far()) - len(self._told_failed)

    def _look_alone(self, index: int) -> bool:
        if self.journal.tell((self.task_id, index)):
            self._note(index)
        return index in self._told

    def look_nothing(self) -> bool:
        """Whether a wait whose deadline has come may be told that it was in vain."""
        return self.journal.tell((self.task_id, NOTHING))

    def _candidate(self, arrived: List[int]) -> Optional[int]:
        """Which of those that arrived is to be told next: the journal's choice while it is replayed, else the first."""
        if self.journal.replaying:
            index = self.journal.next_of(self.task_id)
            return index if index is not None and self.outcomes[index] is not None else None
        if arrived is not self.order:
            return arrived[0]
        while self._untold_from < len(arrived) and arrived[self._untold_from] in self._told:
            self._untold_from += 1
        return arrived[self._untold_from] if self._untold_from < len(arrived) else None

    def _note(self, index: int) -> None:
        if index not in self._told:
            self._told.add(index)
            self._told_order.append(index)
            told = self.outcomes[index]
            if told and told['state'] != 'finished':
                self._told_failed.append(index)
