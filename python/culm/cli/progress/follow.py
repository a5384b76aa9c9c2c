"""Follows a workflow until it ends, or until nobody wants to know any more."""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, Dict, List, Mapping, Optional

from ..._client import Client, Notice, Stream, backoff_seconds, is_passing, path_of
from ..._errors import CulmError
from ..pages import rows_of
from .progress import Progress, View

#: How long the server may be away, s: an attached program is to outlive an upgrade.
_AWAY_SECONDS = 600.0

#: So many pages of tasks are looked up at most; what happens to the others is heard when it happens.
_MOST_PAGES = 10

#: How long to wait at the end for the counters, which follow the jobs by a moment, s; and when it goes on without us.
_SETTLE_SECONDS = 1.0
_LEFT_SECONDS = 0.2

Workflow = Mapping[str, Any]


class Following:
    """One workflow, followed by the thread that calls `run`."""

    def __init__(
        self,
        client: Client,
        id: str,
        on_view: Callable[[View], None],
        on_notice: Optional[Callable[[Dict[str, Any]], None]] = None,
    ) -> None:
        self.id = id
        self._client = client
        self._path = path_of('workflows', id)
        self._on_view = on_view
        self._on_notice = on_notice
        self._left = threading.Event()
        self._stream: Optional[Stream] = None

    def leave(self) -> None:
        """Ends the interest: `run` takes a last look and returns. From any thread."""
        self._left.set()
        stream = self._stream
        if stream:
            stream.close()

    def run(self) -> Workflow:
        """What became of it."""
        progress = Progress(self._client.get(self._path))
        self._until_it_ends(progress)
        self._settle(progress)
        self._on_view(progress.view())
        return progress.workflow

    def _until_it_ends(self, progress: Progress) -> None:
        """Streams, one after the other. Each begins with a look at everything, so that nothing need be resumed."""
        heard_at = [time.monotonic()]
        failures = 0
        while not self._left.is_set() and not progress.workflow['endedAt']:
            before = heard_at[0]
            try:
                self._read_stream(progress, heard_at)
            except (CulmError, OSError) as error:
                if self._left.is_set():
                    return
                if isinstance(error, CulmError) and not is_passing(error) and error.code != 'internal':
                    raise
                if time.monotonic() - heard_at[0] > _AWAY_SECONDS:
                    away = f'{self._client.url} has been away for {_AWAY_SECONDS:.0f} s ({error})'
                    raise CulmError('server_away', away) from error
            failures = failures + 1 if heard_at[0] == before else 1
            if not progress.workflow['endedAt']:
                self._left.wait(backoff_seconds(failures))

    def _read_stream(self, progress: Progress, heard_at: List[float]) -> None:
        kinds = 'progress,move,outcome' if self._on_notice else 'progress,move'
        stream = self._stream = self._client.stream(f'{self._path}/stream', {'kinds': kinds})
        try:
            heard_at[0] = time.monotonic()
            self._look_at_all(progress)
            self._show(progress)
            if self._left.is_set() or progress.workflow['endedAt']:
                return
            for notice in stream:
                heard_at[0] = time.monotonic()
                self._take(notice, progress)
                if progress.workflow['endedAt']:
                    return
                self._show(progress)
        finally:
            self._stream = None
            stream.close()

    def _take(self, notice: Notice, progress: Progress) -> None:
        if notice.kind != 'ping' and self._on_notice:
            self._on_notice(notice._asdict())
        if notice.kind == 'progress':
            progress.see_task(notice.data['taskId'], notice.data['name'], notice.data['counts'])
        if notice.kind == 'move' and notice.data['noun'] == 'workflow':
            progress.workflow = self._client.get(self._path)

    def _settle(self, progress: Progress) -> None:
        until = time.monotonic() + (_SETTLE_SECONDS if progress.workflow['endedAt'] else _LEFT_SECONDS)
        while True:
            try:
                self._look_at_all(progress)
            except CulmError:
                return  # It was seen until here; that an end cannot be looked at is told elsewhere.
            if progress.is_quiet or time.monotonic() > until:
                return
            threading.Event().wait(0.05)

    def _look_at_all(self, progress: Progress) -> None:
        tasks = rows_of(self._client, '/v1/tasks', {'workflowId': self.id, 'limit': 200}, _MOST_PAGES)
        for task in reversed(tasks):  # They come newest first, and are to be shown in the order in which they came.
            progress.see_task(task['id'], task['name'], task['counts'])
        progress.workflow = self._client.get(self._path)

    def _show(self, progress: Progress) -> None:
        """What has ended is shown once, when its numbers are complete: `done 9/10` would be a lie."""
        if not progress.workflow['endedAt']:
            self._on_view(progress.view())
