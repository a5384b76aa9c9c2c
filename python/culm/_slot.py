"""The slot that a job runs in: given back while the job only waits for calls of its own, so that waiting costs none."""

from __future__ import annotations

import sys
import threading
from types import FrameType
from typing import Callable, Optional

#: A thread whose innermost Python frame is in one of these modules waits for another thread or for the outside.
_WAITING_MODULES = frozenset({'threading', 'queue', 'selectors', 'concurrent.futures.thread'})


class Slot:
    """Tells the pilot when the job awaits, and asks for the slot back before anything goes on.

    `say` sends a word to the pilot ('awaiting', 'woken'), `hear_resumed` blocks until the pilot has a slot again.
    """

    #: While other threads of the job compute, a waiting one looks again after so long, s.
    poll_seconds = 0.05

    def __init__(self, say: Callable[[str], None], hear_resumed: Callable[[], None]) -> None:
        self._say = say
        self._hear_resumed = hear_resumed
        self._lock = threading.Lock()
        self._held = True
        self._ended = False

    def give_back(self) -> None:
        """If every other thread of the job waits too, the slot goes to others."""
        with self._lock:
            if self._held and not self._ended and _others_wait():
                self._held = False
                self._say('awaiting')

    def take_back(self) -> None:
        """Returns when the job has a slot: at once when it was not given back."""
        with self._lock:
            if not self._held and not self._ended:
                self._say('woken')
                self._hear_resumed()
                self._held = True

    def end(self) -> None:
        """The job has ended: threads that it left behind have no say any more."""
        with self._lock:
            self._ended = True


def _others_wait() -> bool:
    frames = sys._current_frames()
    me = threading.get_ident()
    others = (t for t in threading.enumerate() if t.ident != me and not t.name.startswith('culm-'))
    return all(waits(frames.get(t.ident or 0)) for t in others)


def waits(frame: Optional[FrameType]) -> bool:
    """Whether the innermost frame of a thread is one that waits. No frame: the thread has ended."""
    return frame is None or frame.f_globals.get('__name__') in _WAITING_MODULES
