"""Works and workflow functions may be `async def`. asyncio is imported only then: it doubles the start of a runner.

What is awaited in an event loop is told one thing at a time, and the next one when the loop has nothing else to do: so
the order in which the program was told all says everything about what it did, and it can be led there again.
"""

from __future__ import annotations

import contextlib
import contextvars
import sys
import threading
import weakref
from collections import deque
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Callable, Deque, NamedTuple, Optional

if TYPE_CHECKING:
    import asyncio

    from ._errors import CulmError
    from ._scope import Scope


def is_coroutine(value: Any) -> bool:
    return isinstance(value, CoroutineType)


def run_coroutine(coroutine: Any) -> Any:
    """Runs it to its end. Where an event loop runs already, as in a notebook, it gets a thread and a loop of its own."""
    import asyncio

    if not in_loop():
        return asyncio.run(coroutine)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, 'culm-workflow') as thread:
        return thread.submit(contextvars.copy_context().run, asyncio.run, coroutine).result()


#: How often the rest of a loop goes first. A loop that never rests is not waited for any longer.
_MOST_TURNS = 100
#: The same for a loop that does not show whether anything is ready.
_BLIND_TURNS = 20

#: How often to look whether another thread that was told something has made of it what it will, s.
SETTLE_POLL_SECONDS = 0.002


class AwaitedSource(NamedTuple):
    """Where something comes from that is awaited. `name` is the journal's; `look` gives it, or None or False; `failure`
    says why it will never come; `watch` takes a function to call when there is news, and `unwatch` forgets it."""

    scope: Scope
    name: str
    look: Callable[[], Any]
    failure: Callable[[], Optional[CulmError]]
    watch: Callable[[Callable[[], None]], None]
    unwatch: Callable[[Callable[[], None]], None]


class Awaited:
    """Something that a coroutine waits for."""

    def __init__(self, source: AwaitedSource, turns: Turns, future: asyncio.Future[Any]) -> None:
        self.source = source
        self.future = future
        self._turns = turns

    def wake(self) -> None:
        """There is news. From any thread."""
        self._turns.call(self)


class Turns:
    """Who in one event loop waits to be told something."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ready: Deque[Awaited] = deque()
        self._stepping = False
        self._turns = 0
        self._waiting = 0
        self._minded = False

    async def told(self, source: AwaitedSource, end_seconds: float = 0.0) -> Any:
        """Waits until `look` gives something; it looks again after `end_seconds`."""
        awaited = Awaited(source, self, self._loop.create_future())
        self._enqueue(awaited)
        if end_seconds > 0:
            self._loop.call_later(end_seconds, self._enqueue, awaited)
        self._waiting += 1
        if source.scope.slot and not self._minded:
            self._minded = True
            threading.Thread(target=self._mind, args=(source.scope,), name='culm-slot', daemon=True).start()
        try:
            with source.scope.journal.waiting():
                return await awaited.future
        finally:
            self._waiting -= 1
            source.unwatch(awaited.wake)

    def call(self, awaited: Awaited) -> None:
        tell_loop(self._loop, self._enqueue, awaited)

    def _enqueue(self, awaited: Awaited) -> None:
        self._ready.append(awaited)
        if not self._stepping:
            self._stepping = True
            self._turns = 0
            self._loop.call_soon(self._step)

    def _step(self) -> None:
        """Tells the next one, when the rest of the loop has done what it can."""
        if self._others_go_first():
            self._turns += 1
            self._loop.call_soon(self._step)
            return
        self._turns = 0
        while self._ready:
            if self._tell(self._ready.popleft()):
                self._loop.call_soon(self._step)
                return
        self._stepping = False

    def _others_go_first(self) -> bool:
        ready = getattr(self._loop, '_ready', None)
        return self._turns < _BLIND_TURNS if ready is None else bool(ready) and self._turns < _MOST_TURNS

    def _tell(self, awaited: Awaited) -> bool:
        scope, name, look, failure, watch, _ = awaited.source
        if awaited.future.done():
            return False
        error: Optional[BaseException] = None
        found = None
        with scope.journal.lock:
            try:
                found = look()
                error = failure() if found is None or found is False else None
            except BaseException as raised:
                error = raised
            if error is None and (found is None or found is False):
                if scope.journal.settles(name):
                    self._loop.call_later(SETTLE_POLL_SECONDS, self._enqueue, awaited)
                else:
                    watch(awaited.wake)
                return False
        if scope.slot:
            scope.slot.take_back()
        if error is None:
            awaited.future.set_result(found)
        else:
            awaited.future.set_exception(error)
        return True

    def _mind(self, scope: Scope) -> None:
        """Gives the slot of a job back while its loop only waits."""
        slot = scope.slot
        while slot and self._waiting and not self._loop.is_closed():
            if not self._stepping:
                slot.give_back()
            threading.Event().wait(slot.poll_seconds)
        self._minded = False


_turns: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = weakref.WeakKeyDictionary()


def in_loop() -> bool:
    """Whether an event loop runs in this thread, which must not be made to wait."""
    asyncio = sys.modules.get('asyncio')
    return asyncio is not None and asyncio._get_running_loop() is not None


def turns_here() -> Turns:
    """Those of the event loop that runs in this thread."""
    import asyncio

    loop = asyncio.get_running_loop()
    if loop not in _turns:
        _turns[loop] = Turns(loop)
    return _turns[loop]


def tell_loop(loop: asyncio.AbstractEventLoop, call: Callable[..., Any], *args: Any) -> None:
    """Calls in a loop, from any thread; a loop that was closed meanwhile wants to know nothing."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call, *args)
