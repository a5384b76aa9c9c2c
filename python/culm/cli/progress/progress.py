"""Gathers what comes of a workflow. Each word of news costs the same, however many tasks there are."""

from __future__ import annotations

import time
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from ..look.times import parse_time

#: What a rate is taken from: long enough to be steady, short enough to be news, s.
_RATE_WINDOW_SECONDS = 10.0
_LEAST_RATE_SECONDS = 1.0

#: Samples are this far apart at least, s: a crowd of small news is one.
_SAMPLE_SECONDS = 0.2

_RUNNING = ('starting', 'running', 'awaiting', 'holding', 'transferring', 'merging')

Counts = Mapping[str, int]


class Group(NamedTuple):
    """The tasks of one name: a function that is called a thousand times is one line for people. Numbers are of jobs."""

    name: str
    total: int = 0
    finished: int = 0
    failed: int = 0
    cancelled: int = 0
    #: Under way at pilots, or awaiting calls of their own; what a pilot only has in hand is not.
    running: int = 0
    #: How many end in a second, lately; None when there is too little to tell.
    rate: Optional[float] = None

    @property
    def ended(self) -> int:
        return self.finished + self.failed + self.cancelled

    def plus(self, counts: Counts, sign: int) -> Group:
        def of(*states: str) -> int:
            return sign * sum(counts.get(state, 0) for state in states)

        return self._replace(
            total=self.total + of('total'),
            finished=self.finished + of('finished'),
            failed=self.failed + of('failed'),
            cancelled=self.cancelled + of('cancelled', 'closed'),
            running=self.running + of(*_RUNNING),
        )


class View(NamedTuple):
    """What is to be seen of a workflow at one moment."""

    id: str
    name: str
    state: str
    #: How long it has been going on, or took.
    seconds: float
    groups: Tuple[Group, ...]

    @property
    def has_ended(self) -> bool:
        return self.state not in ('registered', 'running', 'paused')


class Progress:
    """`workflow` is what the server last said of it."""

    def __init__(self, workflow: Mapping[str, Any]) -> None:
        self.workflow = workflow
        self._tasks: Dict[str, Counts] = {}
        self._groups: Dict[str, Group] = {}
        #: By group: when, and how many had ended.
        self._samples: Dict[str, List[Tuple[float, int]]] = {}

    @property
    def is_quiet(self) -> bool:
        """Nothing is under way that has been heard of."""
        return all(group.ended == group.total for group in self._groups.values())

    def see_task(self, task_id: str, name: str, counts: Counts) -> None:
        group = self._groups.get(name, Group(name))
        before = self._tasks.get(task_id)
        if before:
            group = group.plus(before, -1)
        self._groups[name] = group.plus(counts, 1)
        self._tasks[task_id] = counts
        self._take_sample(self._groups[name])

    def view(self) -> View:
        workflow = self.workflow
        began = parse_time(workflow['createdAt']).timestamp()
        until = parse_time(workflow['endedAt']).timestamp() if workflow['endedAt'] else time.time()
        groups = tuple(group._replace(rate=self._rate_of(group)) for group in self._groups.values())
        return View(workflow['id'], workflow['name'], workflow['state'], max(0.0, until - began), groups)

    def _take_sample(self, group: Group) -> None:
        samples, now = self._samples.setdefault(group.name, []), time.monotonic()
        if samples and now - samples[-1][0] < _SAMPLE_SECONDS:
            return
        samples.append((now, group.ended))
        while len(samples) > 1 and now - samples[1][0] >= _RATE_WINDOW_SECONDS:
            samples.pop(0)

    def _rate_of(self, group: Group) -> Optional[float]:
        """From the oldest sample of the window to now: so it falls when nothing comes. Nothing to tell when all has
        ended."""
        first_at, first_ended = self._samples[group.name][0]
        seconds = time.monotonic() - first_at
        if group.ended == group.total or seconds < _LEAST_RATE_SECONDS or group.ended <= first_ended:
            return None
        return (group.ended - first_ended) / seconds
