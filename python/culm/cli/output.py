"""Standard output and standard error, as commands write to them."""

from __future__ import annotations

import os
import threading
from typing import Callable, Optional, TextIO

#: What is done with a text that is to be written, given the writing itself.
Handler = Callable[[Callable[[str], None], str], None]


class Output:
    """One of the two. Threads may share it. What is shown in place on a terminal takes itself away before a text comes:
    see `interpose`."""

    #: Of all outputs, since both may be the same terminal.
    _lock = threading.RLock()

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._handler: Optional[Handler] = None

    @property
    def is_tty(self) -> bool:
        return self._stream.isatty()

    @property
    def columns(self) -> Optional[int]:
        """Width of the terminal."""
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or None
        except (OSError, ValueError):
            return None

    def write(self, text: str) -> None:
        with self._lock:
            if self._handler:
                self._handler(self.write_through, text)
            else:
                self.write_through(text)

    def write_through(self, text: str) -> None:
        """Past whoever interposes."""
        with self._lock:
            self._stream.write(text)
            self._stream.flush()

    def interpose(self, handler: Optional[Handler]) -> None:
        """Lets `handler` do what is to be done with each text; None ends that."""
        self._handler = handler
