"""What a job says of itself, on its way to the pilot."""

from __future__ import annotations

import os
import threading
import time
from typing import Any, Callable, Dict, List, Mapping, Optional, Union

#: So long what is said is gathered, s; what comes after a silence goes at once.
_GATHER_SECONDS = 0.1
#: So many numbers go in one word.
_MOST_NUMBERS = 1000

#: A number as JSON carries it: those that JSON lacks go by their names.
SentNumber = Union[float, str]


class Told:
    """A few words for many: of equal steps that follow each other one, and of progress the last. Threads may share it."""

    def __init__(self, say: Callable[[Dict[str, Any]], None], job_id: str, attempt: int) -> None:
        self._say = say
        self._head = {'t': 'told', 'jobId': job_id, 'attempt': attempt}
        self._lock = threading.Lock()
        self._metrics: List[Dict[str, Any]] = []
        self._numbers = 0
        self._progress: Optional[Dict[str, Any]] = None
        self._said_at = float('-inf')
        self._timer: Optional[threading.Timer] = None
        self._over = False
        self._pid = os.getpid()

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        if self._is_elsewhere():
            return
        with self._lock:
            if not self._metrics or self._metrics[-1]['step'] != step:
                self._metrics.append({'step': step, 'values': {}})
            self._metrics[-1]['values'].update((name, _sent(value)) for name, value in values.items())
            self._numbers += len(values)
            self._gathered()

    def progress(self, progress: Dict[str, Any]) -> None:
        if self._is_elsewhere():
            return
        with self._lock:
            self._progress = progress
            self._gathered()

    def end(self) -> None:
        """What is left goes; what a job says after its end is nobody's."""
        with self._lock:
            self._flush()
            self._over = True

    def _is_elsewhere(self) -> bool:
        """A forked process has neither the threads nor the channel of its parent to itself: what it says goes nowhere."""
        return self._pid != os.getpid()

    def _gathered(self) -> None:
        if self._over:
            self._forget()
            return
        wait = self._said_at + _GATHER_SECONDS - time.monotonic()
        if wait <= 0 or self._numbers >= _MOST_NUMBERS:
            self._flush()
        elif self._timer is None:
            self._timer = threading.Timer(wait, self._flush_later)
            self._timer.name = 'culm-told'
            self._timer.daemon = True
            self._timer.start()

    def _flush_later(self) -> None:
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if not self._metrics and self._progress is None:
            return
        word: Dict[str, Any] = dict(self._head)
        if self._metrics:
            word['metrics'] = self._metrics
        if self._progress is not None:
            word['progress'] = self._progress
        self._forget()
        self._said_at = time.monotonic()
        self._say(word)

    def _forget(self) -> None:
        self._metrics, self._numbers, self._progress = [], 0, None


def _sent(value: float) -> SentNumber:
    if value != value:
        return 'NaN'
    if value in (float('inf'), float('-inf')):
        return 'Infinity' if value > 0 else '-Infinity'
    return value
