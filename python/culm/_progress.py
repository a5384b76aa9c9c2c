"""How far a map has come, for people who watch: a line that is redrawn in a terminal, a bar in a notebook.

It shows what has arrived, and tells the program nothing: a program that is continued is led along its way all the same.
"""

from __future__ import annotations

import contextlib
import contextvars
import html
import os
import sys
import threading
from typing import Any, Callable, Iterator, NamedTuple, Optional

#: How often it is drawn anew, s.
_TERMINAL_SECONDS = 0.1
_NOTEBOOK_SECONDS = 0.3


class State(NamedTuple):
    """Of `total` calls so many have ended, some of them without a value, within so many seconds."""

    name: str
    ended: int
    failed: int
    total: int
    seconds: float

    def text(self) -> str:
        parts = [f'{self.name} {self.ended}/{self.total}', *([f'{self.failed} failed'] if self.failed else [])]
        left = self.seconds / self.ended * (self.total - self.ended) if self.ended else 0.0
        return ', '.join([*parts, _duration(self.seconds), *([f'about {_duration(left)} left'] if left else [])])

    def html(self) -> str:
        bar = f'<progress value="{self.ended}" max="{max(self.total, 1)}" style="vertical-align: middle"></progress>'
        colour = ' style="color: #c33"' if self.failed else ''
        return f'<div>{bar} <span{colour}>{html.escape(self.text())}</span></div>'


@contextlib.contextmanager
def shown(state: Callable[[], State]) -> Iterator[None]:
    """Shows it until the block has ended, where there is somebody to see it: in a notebook or on a terminal."""
    drawing = _notebook() or _terminal()
    if drawing is None:
        yield
        return
    draw, every_seconds = drawing
    ended = threading.Event()

    def redraw() -> None:
        while not ended.wait(every_seconds):
            draw(state(), False)

    draw(state(), False)
    # In a notebook the context tells which cell the output belongs to.
    thread = threading.Thread(target=contextvars.copy_context().run, args=[redraw], name='culm-progress', daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        draw(state(), True)


class _Drawing(NamedTuple):
    draw: Callable[[State, bool], None]
    every_seconds: float


def _terminal() -> Optional[_Drawing]:
    stream = sys.stderr
    if stream is None or not stream.isatty():
        return None

    def draw(state: State, is_last: bool) -> None:
        columns = _columns(stream)
        stream.write(f'\r{state.text()[: columns - 1]}\x1b[K{chr(10) if is_last else ""}')
        stream.flush()

    return _Drawing(draw, _TERMINAL_SECONDS)


def _columns(stream: Any) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def _notebook() -> Optional[_Drawing]:
    """Only a program that runs in one has IPython loaded; it is never imported for this."""
    get_ipython = getattr(sys.modules.get('IPython'), 'get_ipython', None)
    if get_ipython is None or not hasattr(get_ipython(), 'kernel'):
        return None
    from IPython import display as shown_by  # type: ignore[import-not-found, unused-ignore]

    display: Any = shown_by  # IPython has no types.
    handle: Any = None

    def draw(state: State, is_last: bool) -> None:
        nonlocal handle
        if handle is None:
            handle = display.display(display.HTML(state.html()), display_id=True)
        else:
            handle.update(display.HTML(state.html()))

    return _Drawing(draw, _NOTEBOOK_SECONDS)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f'{seconds:.1f} s' if seconds < 10 else f'{seconds:.0f} s'
    minutes, rest = divmod(round(seconds), 60)
    return f'{minutes} min {rest} s' if minutes < 60 else f'{minutes // 60} h {minutes % 60} min'
