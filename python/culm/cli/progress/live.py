"""Shows on standard error how workflows go on: in place on a terminal, in lines elsewhere."""

from __future__ import annotations

import threading
import time
from typing import Callable, Dict, NamedTuple, Tuple

from ..cli import Cli
from .progress import View
from .render import progress_lines, progress_sentence

#: How often a terminal is drawn anew, s: smooth to the eye.
_DRAW_SECONDS = 0.1

#: A file or a pipe gets a line so often at most, s.
_LINE_SECONDS = 1.0


class Live:
    """Nothing is shown when nobody wants to be told."""

    def show(self, view: View) -> None:
        """From any thread."""

    def end(self) -> None:
        """The last of each stays to be read."""


def open_live(cli: Cli) -> Live:
    if not cli.tells:
        return Live()
    return _Drawn(cli) if cli.stderr.is_tty else _Lines(cli)


class _Timer:
    def __init__(self, seconds: float, call: Callable[[], None]) -> None:
        self._stopped = threading.Event()
        threading.Thread(target=self._run, args=(seconds, call), name='culm-live', daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self, seconds: float, call: Callable[[], None]) -> None:
        while not self._stopped.wait(seconds):
            call()


class _Drawn(Live):
    """Draws below whatever the program itself prints: that takes the drawing away, and the next comes below it."""

    def __init__(self, cli: Cli) -> None:
        self._cli = cli
        self._lock = threading.RLock()
        self._views: Dict[str, Tuple[View, float]] = {}
        self._drawn = 0
        self._is_mid_line = False
        self._outputs = [output for output in (cli.stdout, cli.stderr) if output.is_tty]
        for output in self._outputs:
            output.interpose(self._make_room)
        self._timer = _Timer(_DRAW_SECONDS, self._draw)

    def show(self, view: View) -> None:
        with self._lock:
            self._views[view.id] = (view, time.monotonic())

    def end(self) -> None:
        self._timer.stop()
        with self._lock:
            for output in self._outputs:
                output.interpose(None)
            if self._is_mid_line:
                self._cli.stderr.write_through('\n')
                self._is_mid_line = False
            self._draw()
            self._drawn = 0
            self._views.clear()

    def _make_room(self, write: Callable[[str], None], text: str) -> None:
        with self._lock:
            self._erase()
            self._is_mid_line = not text.endswith('\n')
            write(text)

    def _erase(self) -> None:
        if self._drawn:
            self._cli.stderr.write_through(f'\033[{self._drawn}A\033[0J')
            self._drawn = 0

    def _draw(self) -> None:
        with self._lock:
            if self._is_mid_line:
                return
            self._erase()
            style = self._cli.style(self._cli.stderr)
            lines = [line for view in self._current() for line in progress_lines(view, style)]
            if lines:
                self._cli.stderr.write_through('\n'.join([*lines, '']))
            self._drawn = len(lines)

    def _current(self) -> Tuple[View, ...]:
        """Time goes on for what has not ended, also when nothing comes."""
        now = time.monotonic()
        return tuple(
            view if view.has_ended else view._replace(seconds=view.seconds + now - at)
            for view, at in self._views.values()
        )


class _Told(NamedTuple):
    what: View
    at: float


class _Lines(Live):
    """One line per change, at most one a second for each workflow, and the last in any case."""

    def __init__(self, cli: Cli) -> None:
        self._cli = cli
        self._lock = threading.RLock()
        self._told: Dict[str, _Told] = {}
        self._latest: Dict[str, View] = {}
        self._timer = _Timer(_LINE_SECONDS / 4, self._tell_due)

    def show(self, view: View) -> None:
        with self._lock:
            self._latest[view.id] = view
            self._tell_due()

    def end(self) -> None:
        self._timer.stop()
        with self._lock:
            for view in self._latest.values():
                self._tell(view)
            self._latest.clear()

    def _tell_due(self) -> None:
        with self._lock:
            for view in self._latest.values():
                told = self._told.get(view.id)
                if told is None or time.monotonic() - told.at >= _LINE_SECONDS:
                    self._tell(view)

    def _tell(self, view: View) -> None:
        told, news = self._told.get(view.id), _news_in(view)
        if told is None or told.what != news:
            self._told[view.id] = _Told(news, time.monotonic())
            self._cli.stderr.write(f'{progress_sentence(view)}\n')


def _news_in(view: View) -> View:
    """What changes with time alone is no news."""
    return view._replace(seconds=0.0, groups=tuple(group._replace(rate=None) for group in view.groups))
