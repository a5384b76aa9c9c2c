"""Times and durations as people tell them."""

from __future__ import annotations

import datetime
import math


def parse_time(at: str) -> datetime.datetime:
    """ISO 8601 as the server writes it."""
    return datetime.datetime.fromisoformat(f'{at[:-1]}+00:00' if at.endswith('Z') else at)


def local_time(at: str) -> str:
    """A time on the clock of the reader: `2026-03-01 14:05:09`."""
    return parse_time(at).astimezone().strftime('%Y-%m-%d %H:%M:%S')


def duration(seconds: float) -> str:
    """In the two largest units that matter: `0.4 s`, `12 s`, `3 m 05 s`, `2 h 10 m`, `5 d 3 h`."""
    if seconds < 10:
        return f'{max(0.0, seconds):.1f} s'
    s = math.floor(seconds + 0.5)
    if s < 60:
        return f'{s} s'
    if s < 3600:
        return f'{s // 60} m {s % 60:02} s'
    if s < 86_400:
        return f'{s // 3600} h {s % 3600 // 60:02} m'
    return f'{s // 86_400} d {s % 86_400 // 3600} h'


def ago(at: str, now: datetime.datetime) -> str:
    """How long ago, in one unit: `12s`, `5m`, `3h`, `2d`. A clock that is behind the server's gives `0s`."""
    s = max(0, math.floor((now - parse_time(at)).total_seconds()))
    if s < 60:
        return f'{s}s'
    if s < 3600:
        return f'{s // 60}m'
    return f'{s // 3600}h' if s < 86_400 else f'{s // 86_400}d'


def seconds_between(start: str, end: datetime.datetime) -> float:
    return (end - parse_time(start)).total_seconds()
