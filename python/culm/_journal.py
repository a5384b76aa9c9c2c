"""The journal of a scope as it is kept and replayed: who may be told what, and who has to wait for his turn.

The rules are those of `_replay.py`; here are the threads, the clock, and the one lock of a scope.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, cast

from ._coroutines import SETTLE_POLL_SECONDS, tell_loop
from ._errors import CulmError, JournalDiverged
from ._replay import ALL, Asked, Entry, Patience, Replay, Seen, Thing, name_of_key
from ._slot import waits

if TYPE_CHECKING:
    from ._pending import Pending

#: For how long nothing may move during a replay before it is given up, s.
REPLAY_SECONDS = 60.0
#: How long the thread that was told something last may go on before another one is told the next thing, s. It ends as
#: soon as that thread waits; only one that computes is not waited for any longer.
_SETTLE_SECONDS = 0.05
#: Things told that a write carries beside another one that carries them too.
_MOST_CARRIED = 256
#: How often to look whether anything moves, s.
_WATCH_SECONDS = 0.5


class Journal:
    """Until a replay begins, and after it, things are told as they come and written down."""

    def __init__(self, name: str) -> None:
        self.lock = threading.RLock()
        #: Why the scope is closed.
        self.failure: Optional[CulmError] = None
        self._name = name
        self._seen = Seen()
        self._replay: Optional[Replay] = None
        #: What was asked for before a retry, by its key.
        self._earlier: Dict[str, Entry] = {}
        self._changed = threading.Condition(self.lock)
        #: What to call, by the name of the record that it waits for; '' for the end of the replay.
        self._watchers: Dict[str, Dict[Callable[[], None], None]] = {}
        self._pendings: Dict[str, Pending] = {}
        self._parked: List[str] = []
        self._waiting = 0
        self._writes = 0
        self._patience = Patience(REPLAY_SECONDS, 0.0)
        self._stepped_to = 0
        self._last_told: Optional[int] = None
        self._last_told_at = 0.0
        self._last_frame: Tuple[int, int] = (0, 0)

    def begin_replay(self, entries: Iterable[Entry], replay_seconds: float) -> None:
        replay = Replay(entries)
        with self.lock:
            self._seen = Seen(replay.told)
            self._earlier = replay.earlier
            if replay.over:
                return
            self._replay = replay
            self._patience = Patience(replay_seconds, time.monotonic())
        threading.Thread(target=self._watch_over, args=(replay_seconds,), name='culm-replay', daemon=True).start()

    @property
    def replaying(self) -> bool:
        return self._replay is not None

    # What is told

    def tell(self, thing: Thing) -> bool:
        """Whether the program may be told this now. If so it counts as told. Called with the lock."""
        if self._replay is None:
            self._seen.add(thing)
            return True
        if self._replay.next != thing or not self._has_settled():
            return False
        self._last_told, self._last_told_at, self._last_frame = threading.get_ident(), time.monotonic(), (0, 0)
        self._replay.tell(thing)
        self._step()
        return True

    def next_of(self, task_id: str) -> Optional[int]:
        """The index that is to be told next, if it is one of this task. Called with the lock."""
        step = self._replay.next if self._replay else None
        return step[1] if isinstance(step, tuple) and step[0] == task_id and step[1] >= 0 else None

    def settles(self, name: str) -> bool:
        """Whether something of this name comes next, and the thread that was told the last thing may still go on."""
        step = self._replay.next if self._replay else None
        if not isinstance(step, tuple) or step[0] != name or self._last_told in (None, threading.get_ident()):
            return False
        return time.monotonic() - self._last_told_at < 2 * _SETTLE_SECONDS

    def follow(self, pending: Pending) -> None:
        """Those who wait for it are woken when it has its turn."""
        with self.lock:
            if self.failure:
                pending.fail(self.failure)
            elif self._replay:
                self._pendings[pending.task_id] = pending

    def unfollow(self, pending: Pending) -> None:
        """All of it was told."""
        self._pendings.pop(pending.task_id, None)

    def _has_settled(self) -> bool:
        """Whether whoever was told the last thing has made of it what he will before he waits again."""
        thread = self._last_told
        if thread is None or thread == threading.get_ident():
            return True
        frame = sys._current_frames().get(thread)
        if frame is None or time.monotonic() - self._last_told_at > _SETTLE_SECONDS:
            return True
        before, self._last_frame = self._last_frame, (id(frame), frame.f_lasti)
        return waits(frame) and before == self._last_frame

    def watch(self, name: str, call: Callable[[], None]) -> None:
        """Calls, once, when a record may be told, or all may; `call` must not block. With the lock."""
        self._watchers.setdefault(name, {})[call] = None

    def unwatch(self, name: str, call: Callable[[], None]) -> None:
        with self.lock:
            self._watchers.get(name, {}).pop(call, None)

    def await_told(self, name: str, end: float = 0.0) -> None:
        """Blocks until a record may be told, and not before the time `end` (s since 1970) unless it was told before."""
        with self.lock, self.waiting():
            while not self.look_record(name, end):
                rest = None if self._replay else end - time.time()
                self._changed.wait(SETTLE_POLL_SECONDS if self.settles(name) else rest)

    def look_record(self, name: str, end: float = 0.0) -> bool:
        """Whether a record is told. Called with the lock."""
        if self.failure:
            raise self.failure
        return (self._replay is not None or time.time() >= end) and self.tell((name, ALL))

    # What is written

    def ask(self, key: str) -> Asked:
        """The program asks for a call."""
        with self.lock:
            earlier = self._earlier.get(key)
            if self._replay is None:
                return Asked(key, earlier)
            self._patience.moved(time.monotonic())
            entry = self._replay.ask(key)
            self._step()
            return Asked(key, entry or earlier)

    def may_go(self, asked: Asked) -> bool:
        """Whether it may be sent or made: what is new, when the replay is over. Called with the lock."""
        if self.failure:
            raise self.failure
        return asked.entry is not None or self._replay is None

    def await_go(self, asked: Asked) -> None:
        """Blocks until it may."""
        with self.lock, self._waits_for(asked):
            while not self.may_go(asked):
                self._changed.wait()

    async def await_go_async(self, asked: Asked) -> None:
        """The same, without blocking an event loop."""
        import asyncio

        loop = asyncio.get_running_loop()
        with self._waits_for(asked):
            while True:
                with self.lock:
                    if self.may_go(asked):
                        return
                    news = asyncio.Event()
                    self.watch('', lambda news=news: tell_loop(loop, news.set))  # type: ignore[misc]
                await news.wait()

    def overflow(self) -> Optional[Tuple[str, str, int]]:
        """A record to write before anything else, when the program was told more than one write can carry."""
        with self.lock:
            return None if self._replay else self._seen.overflow()

    def acknowledge(self, upto: int) -> None:
        with self.lock:
            self._seen.acknowledge(upto)

    @contextlib.contextmanager
    def writing(self) -> Iterator[Optional[str]]:
        """Around a write: what it carries of what the program was told, and once it is through, the journal has that.

        One that would carry much waits for what is under way, so that this is not carried again and again.
        """
        with self.lock:
            while self._writes and len(self._seen) > _MOST_CARRIED:
                self._changed.wait()
            self._writes += 1
            seen, upto = (None, 0) if self._replay else self._seen.carried()
        try:
            yield seen
        except BaseException:
            upto = 0
            raise
        finally:
            with self.lock:
                self._writes -= 1
                self._seen.acknowledge(upto)
                self._changed.notify_all()

    # How it goes on

    def _step(self) -> None:
        """Something may have moved: wakes those who have their turn now."""
        replay = self._replay
        if replay is None or replay.progress[0] == self._stepped_to:
            return
        self._stepped_to = replay.progress[0]
        self._patience.moved(time.monotonic())
        if replay.over:
            self._replay = None
            pendings, self._pendings = list(self._pendings.values()), {}
            for pending in pendings:
                pending.wake()
            self._wake()
        elif isinstance(replay.next, tuple):
            name = replay.next[0]
            if name in self._pendings:
                self._pendings[name].wake()
            else:
                self._wake_those(self._watchers.pop(name, {}))

    def _wake(self) -> None:
        watchers, self._watchers = self._watchers, {}
        for calls in watchers.values():
            self._wake_those(calls)
        self._changed.notify_all()

    def _wake_those(self, calls: Iterable[Callable[[], None]]) -> None:
        for call in calls:
            call()
        self._changed.notify_all()

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Around a wait for something to be told."""
        with self.lock:
            self._waiting += 1
        try:
            yield
        finally:
            with self.lock:
                self._waiting -= 1

    @contextlib.contextmanager
    def _waits_for(self, asked: Asked) -> Iterator[None]:
        with self.lock:
            self._parked.append(asked.key)
        try:
            with self.waiting():
                yield
        finally:
            with self.lock:
                self._parked.remove(asked.key)

    def fail(self, error: CulmError) -> None:
        """Everyone who waits gets this error; nothing more is told or written."""
        with self.lock:
            self.failure = self.failure or error
            self._replay = None
            pendings, self._pendings = list(self._pendings.values()), {}
            for pending in pendings:
                pending.fail(self.failure)
            self._wake()

    def finish(self) -> None:
        """The program has ended. Raises JournalDiverged when the earlier run asked for more than this one."""
        with self.lock:
            key = self._replay.forgotten() if self._replay else None
            if key is not None:
                raise JournalDiverged(
                    'journal_diverged',
                    f'{self._name} went another way than before: it ended, and its earlier run went on with '
                    f'{name_of_key(key)}',
                )

    def _watch_over(self, replay_seconds: float) -> None:
        """Sees to it that a replay ends, one way or the other. A thread of its own."""
        pause = min(_WATCH_SECONDS, replay_seconds / 4)
        while True:
            time.sleep(pause)
            with self.lock:
                replay = self._replay
                if replay is None:
                    return
                verdict = self._patience.judge(
                    time.monotonic(),
                    waits=self._waiting > 0,
                    computes=_computes(),
                    outcome_missing=self._lacks_outcome(replay),
                )
                if verdict == 'give up':
                    self.fail(self._diverged(replay, replay_seconds))
                elif verdict == 'say':
                    self._say(replay)

    def _lacks_outcome(self, replay: Replay) -> bool:
        step = replay.next
        pending = self._pendings.get(step[0]) if isinstance(step, tuple) else None
        if pending is None:
            return False
        index = cast(Thing, step)[1]
        return pending.outcomes[index] is None if index >= 0 else not pending.has_all()

    def _diverged(self, replay: Replay, replay_seconds: float) -> JournalDiverged:
        key = replay.forgotten()
        before = f'its earlier run called {name_of_key(key)} next, which was not called again' if key else ''
        new = [name for name in self._parked if replay.entry(name) is None]
        now = f'{name_of_key(new[0])} was called, which is new' if new else ''
        what = '; '.join(part for part in (before, now) if part) or f'nobody looked at {_in_words(replay.next)}'
        return JournalDiverged(
            'journal_diverged', f'{self._name} goes another way than before: {what} (within {replay_seconds:g} s)'
        )

    def _say(self, replay: Replay) -> None:
        at, total = replay.progress
        waits_for = f'waits for {_in_words(replay.next)}'
        print(f'culm: {self._name} is replayed, step {at} of {total}; it {waits_for}', file=sys.stderr, flush=True)


def _in_words(step: Any) -> str:
    if isinstance(step, str):
        return f'the call of {name_of_key(step)}'
    name = step[0] if step else ''
    return name_of_key(name[1:]) if name.startswith('=') else f'the outcome of {name}'


def _computes() -> bool:
    """Whether any thread of the program runs. Daemons are left out: they may run for ever."""
    frames = sys._current_frames()
    threads = (t for t in threading.enumerate() if not t.daemon and t.ident != threading.get_ident())
    return any(not waits(frames.get(t.ident or 0)) for t in threads)
