"""What a function can say and keep while it runs as a job.

Outside of a job all of this checks what it is given and does nothing, so that the same function runs anywhere.
"""

from __future__ import annotations

import json
import operator
import os
import re
import time
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Union

from ._told import Told

#: As the server takes them (`src/contract/told.ts`).
_MAX_STEP = 999_999_999_999_999
_MAX_TEXT = 1000
_MAX_NAME = 200
_CONTROL = re.compile(r'[\x00-\x1f\x7f]')


class Keeping(NamedTuple):
    """Whose files are kept, and how the server is reached."""

    job_id: str
    server_url: str
    token: str
    folder: str
    restored: bool


class RunningJob:
    """The job that a runner runs now. `word` is the pilot's (`Run` and `Task` in `src/contract/runner.ts`)."""

    def __init__(self, word: Mapping[str, Any], server_url: str, say: Callable[[Dict[str, Any]], None]) -> None:
        self.told = Told(say, word['jobId'], word['attempt'])
        self.clock = Clock()
        self.wall_seconds: Optional[float] = word.get('wallSeconds')
        restored = word.get('restored', False)
        self.keeping = Keeping(word['jobId'], server_url, word['token'], word['folder'], restored)


class Clock:
    """Counts time, with pauses, s."""

    def __init__(self) -> None:
        self._counted = 0.0
        self._since: Optional[float] = time.monotonic()

    def go(self) -> None:
        if self._since is None:
            self._since = time.monotonic()

    def halt(self) -> None:
        self._counted, self._since = self.seconds, None

    @property
    def seconds(self) -> float:
        since = self._since
        return self._counted + (0.0 if since is None else time.monotonic() - since)


_running: Optional[RunningJob] = None


def enter(job: Optional[RunningJob]) -> None:
    """For the runner: this job runs now; None: no job does."""
    global _running
    _running = job


def report(step: int, /, **metrics: float) -> None:
    """Tells metrics of the job: numbers by name at a step, which is what it counts by (an epoch, an iteration).

    `report(3, loss=0.25, accuracy=0.9)`. People see them as it goes along (`culm show j5 --metrics`). Said again, the
    last word for a step counts. NaN and infinities are kept as such. What converts to a number (of NumPy, of a tensor
    with one element) will do.
    """
    whole = _whole('step', step)
    numbers = {name: _number(name, value) for name, value in metrics.items()}
    for name in numbers:
        if not name or _units(name) > _MAX_NAME or _CONTROL.search(name):
            raise ValueError(f'{name!r} is no name of a metric: 1 to {_MAX_NAME} characters, no control characters')
    if _running and numbers:
        _running.told.metrics(whole, numbers)


def progress(done: float, total: Optional[float] = None, text: Optional[str] = None) -> None:
    """How far the job is: `progress(3, 10, 'fitting')`. The last word counts, and is shown by `culm show`."""
    now: Dict[str, Any] = {'done': _amount('done', done)}
    if total is not None:
        now['total'] = _amount('total', total)
    if text is not None:
        if not isinstance(text, str):
            raise TypeError(f'text must be text, and is of type {type(text).__name__}')
        now['text'] = _storable(text)
    if _running:
        _running.told.progress(now)


def remaining_seconds() -> Optional[float]:
    """How long this attempt of the job may still run until its limit (`wall_seconds`), s.

    None without a limit, and outside of a job. While the job awaits calls of its own the clock stands still.
    """
    if _running is None or _running.wall_seconds is None:
        return None
    return max(0.0, _running.wall_seconds - _running.clock.seconds)


def checkpoint(path: Union[str, 'os.PathLike[str]'], /) -> None:
    """Keeps a file or folder of the job's working folder as it is now, for the next attempt of the job.

    Should the job have to be run again, wherever that is, it finds it at the same place (see `restored`). Returns when
    the server has it; the one before counts until then, and no longer. What has not changed since is not sent again.
    While the server is away it waits.

    In a work, and in a command that runs in a folder of its own; elsewhere it only looks whether there is such a file.
    """
    from ._checkpoint import files_to_keep, keep

    place = getattr(path, '__fspath__', lambda: path)()
    if not isinstance(place, str):
        raise TypeError(f'path must be text or a path, and is of type {type(path).__name__}')
    keeping = _keeping()
    files = files_to_keep(keeping.folder if keeping else os.getcwd(), place)
    if keeping:
        keep(keeping, files)


def restored() -> bool:
    """Whether what an earlier attempt has kept by `checkpoint` lies in the working folder."""
    keeping = _keeping()
    return keeping is not None and keeping.restored


def _keeping() -> Optional[Keeping]:
    return _running.keeping if _running else _keeping_of_command()


def _keeping_of_command() -> Optional[Keeping]:
    """A command is told by a file, which is there as long as it runs."""
    try:
        with open(os.environ['CULM_JOB_FILE'], encoding='utf-8') as file:
            told = json.load(file)
    except (KeyError, FileNotFoundError):
        return None
    return Keeping(told['jobId'], told['serverUrl'], told['token'], told['folder'], told['restored'])


def _whole(name: str, value: Any) -> int:
    try:
        if isinstance(value, bool):
            raise TypeError
        whole = operator.index(value)
    except TypeError:
        raise TypeError(f'{name} must be a whole number, and is of type {type(value).__name__}') from None
    if not 0 <= whole <= _MAX_STEP:
        raise ValueError(f'{name} is {whole}, and must be from 0 to {_MAX_STEP}')
    return whole


def _number(name: str, value: Any) -> float:
    try:
        if isinstance(value, (bool, str, bytes, bytearray)):
            raise TypeError
        return float(value)
    except OverflowError:
        return float('inf') if value > 0 else float('-inf')
    except (TypeError, ValueError):
        raise TypeError(f'{name} must be a number, and is of type {type(value).__name__}') from None


def _amount(name: str, value: Any) -> float:
    number = _number(name, value)
    if not 0 <= number < float('inf'):
        raise ValueError(f'{name} is {value}, and must be 0 or more')
    return number


def _units(text: str) -> int:
    """Its length as the server counts, in UTF-16 units."""
    return len(text.encode('utf-16-le', 'surrogatepass')) // 2


def _storable(text: str) -> str:
    """UTF-8 has no lone surrogates, and PostgreSQL's text no NUL. No longer than the server takes it, in UTF-16 units."""
    sound = text[:_MAX_TEXT].encode('utf-8', 'replace').decode('utf-8').replace('\0', '\u2400')
    return sound.encode('utf-16-le')[: 2 * _MAX_TEXT].decode('utf-16-le', 'ignore')
