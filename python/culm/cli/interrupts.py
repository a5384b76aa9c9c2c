"""Ctrl-C, or SIGTERM: the first is for who listens, the second ends the process at once."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from types import FrameType
from typing import Callable, Iterator, Optional

from .errors import INTERRUPTED

#: One Ctrl-C may come twice: from the terminal, and from a parent that passes it on. What comes within this time is the
#: same, s.
_ECHO_SECONDS = 0.3


@contextlib.contextmanager
def listening(listener: Callable[[], None]) -> Iterator[None]:
    """Calls `listener`, in the main thread, at the first interruption."""
    first_at: Optional[float] = None

    def hear(_signal: int, _frame: Optional[FrameType]) -> None:
        nonlocal first_at
        if first_at is None:
            first_at = time.monotonic()
            listener()
        elif time.monotonic() - first_at > _ECHO_SECONDS:
            sys.stdout.flush()
            os._exit(INTERRUPTED)  # Threads may be waiting for the server.

    before = [(number, signal.signal(number, hear)) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
