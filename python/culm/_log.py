"""The end of what a job has printed, for errors that tell of it. It is a help: without it there is still the error."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Dict, List

if TYPE_CHECKING:
    from ._client import Client

#: So many lines at most.
_LINES = 20
#: Of so many pieces at most, each of which is what was printed within a moment.
_PIECES = 20
#: The last words of a job may come so long after its end, s.
_LATE_SECONDS = 1.5
#: For so long whoever prints an error waits for them, s, whatever the server does.
_MOST_SECONDS = 4.0


class JobLog:
    """Of one attempt of a job that has just ended."""

    def __init__(self, client: Client, job_id: str, attempt: int) -> None:
        self._client = client
        self._job_id = job_id
        self._attempt = attempt
        self._heard_at = time.monotonic()

    def last_lines(self) -> str:
        """'' when it has printed nothing, or nothing can be had."""
        found: List[str] = []
        thread = threading.Thread(target=self._read, args=(found,), name='culm-log', daemon=True)
        thread.start()
        thread.join(_MOST_SECONDS)
        return '\n'.join(''.join(found).rstrip().splitlines()[-_LINES:])

    def _read(self, found: List[str]) -> None:
        try:
            page = self._page({'last': _PIECES})
            while page['items']:
                found += [piece['text'] for piece in page['items']]
                if self._late_seconds() <= 0:
                    return
                page = self._page({'after': page['next']})
        except Exception:  # It is away, it has no such route, it answers nonsense.
            return

    def _page(self, place: Dict[str, Any]) -> Any:
        query = {**place, 'attempt': self._attempt, 'waitSeconds': round(self._late_seconds(), 1)}
        return self._client.get(f'/v1/jobs/{self._job_id}/log', query, retry_seconds=0)

    def _late_seconds(self) -> float:
        return max(0.0, self._heard_at + _LATE_SECONDS - time.monotonic())
